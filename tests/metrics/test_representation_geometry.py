# SPDX-License-Identifier: Apache-2.0
"""The measurement through evaluate: the library's numbers, options, and a copy that stands alone."""

import json
import sys

import numpy as np
import pytest

from crossmem_hf.metrics.representation_geometry.geometry_math import geometry_summary, spectrum_of

STATES = np.random.default_rng(0).standard_normal((60, 24)) * np.arange(1, 25) ** -0.5


@pytest.fixture
def metric(evaluate, root, monkeypatch):
    monkeypatch.chdir(root)
    return evaluate.load("metrics/representation_geometry", keep_in_memory=True)


@pytest.mark.parametrize("options", [{}, {"form": "singular"}, {"rank_range": None}])
def test_options_reach_the_library(metric, options):
    wanted = {"rank_range": (3, 20), **options}
    got = metric.compute(predictions=STATES.tolist(), **wanted)
    assert got == geometry_summary(spectrum_of(STATES), **wanted)
    assert json.loads(json.dumps(got)) == got


def test_it_is_a_measurement_of_states_alone(evaluate, metric):
    assert isinstance(metric, evaluate.Measurement)
    assert list(metric.features) == ["predictions"]


def test_states_may_be_added_in_batches(metric):
    for part in np.array_split(STATES, 7):
        metric.add_batch(predictions=part.tolist())
    assert metric.compute(rank_range=(3, 20)) == geometry_summary(spectrum_of(STATES), rank_range=(3, 20))


def test_bad_states_are_named_and_the_metric_survives(metric):
    with pytest.raises(ValueError, match="Row 1: a state of width 3"):
        metric.compute(predictions=[[1.0, 2.0], [1.0, 2.0, 3.0]], rank_range=None)
    assert metric.compute(predictions=[[1.0, 2.0], [3.0, 4.0]], rank_range=None)["n"] == 2


def test_a_copied_space_loads_alone(evaluate, spaces, metric, monkeypatch):
    wanted = metric.compute(predictions=STATES.tolist(), rank_range=(3, 20))
    monkeypatch.chdir(spaces)
    monkeypatch.setitem(sys.modules, "crossmem_hf", None)  # importing it would fail
    copied = evaluate.load("crossmem/representation_geometry")
    assert copied.compute(predictions=STATES.tolist(), rank_range=(3, 20)) == wanted


def test_card_explains_every_result(root):
    card = (root / "metrics/representation_geometry/README.md").read_text(encoding="utf-8")
    assert not [key for key in geometry_summary(spectrum_of(STATES), rank_range=(3, 20)) if f"`{key}`" not in card]
