# SPDX-License-Identifier: Apache-2.0
"""The truth ratio module through evaluate and as a page: same numbers as the library, nothing lost on the way."""

import json
import math
import sys

import numpy as np
import pytest

from crossmem_hf.metrics.truth_ratio.truth_ratio_math import truth_ratio_items, truth_ratio_summary

RNG = np.random.default_rng(0)
FALSE = [RNG.exponential(2.0, k).tolist() for k in RNG.integers(1, 7, 30)]
TRUE = RNG.exponential(2.0, 30).tolist()
PERSONS = [f"p{number % 7}" for number in range(30)]


@pytest.fixture
def metric(evaluate, root, monkeypatch):
    monkeypatch.chdir(root)
    return evaluate.load("metrics/truth_ratio", keep_in_memory=True)


def test_equals_the_library(metric):
    assert metric.compute(predictions=FALSE, references=TRUE) == truth_ratio_summary(truth_ratio_items(FALSE, TRUE))


def test_options_reach_the_library(metric):
    options = {"confidence": 0.8, "persona_seed": [int(person[1:]) % 2 for person in PERSONS]}
    got = metric.compute(
        predictions=FALSE,
        references=TRUE,
        persona_id=PERSONS,
        retain_only=[0.5, 1.0, 2.0],
        mean="arithmetic",
        return_items=True,
        **options,
    )
    items = truth_ratio_items(FALSE, TRUE, mean="arithmetic")
    wanted = truth_ratio_summary(items, persona_id=PERSONS, retain_only=[0.5, 1.0, 2.0], **options)
    assert got == wanted | items.as_lists()
    assert json.loads(json.dumps(got)) == got


def test_a_models_own_ratios_are_at_no_distance(metric):
    """Out through return_items and in through retain_only, without a rounding in between."""
    ratios = metric.compute(predictions=FALSE, references=TRUE, return_items=True)["item_ratio"]
    got = metric.compute(predictions=FALSE, references=TRUE, retain_only=ratios)
    assert (got["ks_statistic"], got["forget_quality"]) == (0.0, 1.0)


def test_added_in_pieces_equals_at_once(metric):
    for start in range(0, 20, 5):
        metric.add_batch(predictions=FALSE[start : start + 5], references=TRUE[start : start + 5])
    for row in range(20, 30):
        metric.add(predictions=FALSE[row], references=TRUE[row])
    assert metric.compute() == truth_ratio_summary(truth_ratio_items(FALSE, TRUE))


@pytest.mark.parametrize(
    ("false", "true", "named"),
    [
        ([], [], "No items"),
        ([[1.0], [math.nan]], [1.0, 1.0], "Row 1: false answer 0 has an NLL of nan"),
        ([[1.0], []], [1.0, 1.0], "Row 1: false answers of shape"),
        ([[1.0], [1.0]], [1.0, None], "Row 1: true answer 0 has an NLL of nan"),
    ],
)
def test_bad_rows_are_named_and_the_metric_survives(metric, false, true, named):
    with pytest.raises(ValueError, match=named):
        metric.compute(predictions=false, references=true)
    assert metric.compute(predictions=[[1.0]], references=[1.0])["truth_ratio"] == 1.0


def test_a_copied_space_loads_alone(evaluate, spaces, monkeypatch):
    monkeypatch.chdir(spaces)
    monkeypatch.setitem(sys.modules, "crossmem_hf", None)  # importing it would fail
    got = evaluate.load("crossmem/truth_ratio").compute(predictions=FALSE, references=TRUE)
    assert got == truth_ratio_summary(truth_ratio_items(FALSE, TRUE))


def test_card_explains_every_result(root):
    card = (root / "metrics/truth_ratio/README.md").read_text(encoding="utf-8")
    items = truth_ratio_items([[1.0]], [1.0])
    keys = truth_ratio_summary(items, retain_only=[1.0]) | items.as_lists()
    assert not [key for key in keys if f"`{key}`" not in card]


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_card_shows_its_example_by_either_mean(metric, root, mean):
    card = (root / "metrics/truth_ratio/README.md").read_text(encoding="utf-8")
    false, true = [[2.0, 2.4, 2.8], [1.1, 0.9], [0.7, 0.9, 0.8], [1.5, 1.7]], [0.4, 1.0, 1.8, 1.6]
    assert all(f"        {row},\n" in card for row in false)
    found = metric.compute(predictions=false, references=true, mean=mean, return_items=True)
    assert f"{found['truth_ratio']:.4f}" in card
    assert f"{found['item_ratio'][0]:.4f}" in card
