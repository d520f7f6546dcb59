# SPDX-License-Identifier: Apache-2.0
"""Extraction probability through evaluate: the library's numbers, options, its card, and a copy that stands alone."""

import json
import math
import re
import sys

import numpy as np
import pytest

from crossmem_hf.metrics.extraction_probability.extraction_math import discoverable_summary, extraction_lists
from crossmem_hf.metrics.extraction_strength.sampling_math import extraction_items, extraction_summary

RNG = np.random.default_rng(0)
LISTS = [(-RNG.exponential(1.0, size)).tolist() for size in RNG.integers(1, 6, 40)]
PEOPLE = [f"p{number % 12}" for number in range(40)]
ITEMS = extraction_items(LISTS)


@pytest.fixture
def metric(evaluate, root, monkeypatch):
    monkeypatch.chdir(root)
    return evaluate.load("metrics/extraction_probability", keep_in_memory=True)


def test_equals_the_library(metric):
    assert metric.compute(predictions=LISTS) == discoverable_summary(ITEMS)
    assert list(metric.features) == ["predictions"]


def test_options_reach_the_library(metric):
    seeds = [int(person[1:]) % 2 for person in PEOPLE]
    own, clusters = {"n": [3, 50], "p": [0.25]}, {"persona_id": PEOPLE, "persona_seed": seeds, "confidence": 0.8}
    got = metric.compute(predictions=LISTS, return_items=True, **own, **clusters)
    assert got == discoverable_summary(ITEMS, **own, **clusters) | extraction_lists(ITEMS, **own)
    assert json.loads(json.dumps(got, allow_nan=False)) == got


def test_one_pair_is_that_of_extraction_strength(metric):
    got = metric.compute(predictions=LISTS, n=[7], p=[0.25], persona_id=PEOPLE)
    theirs = extraction_summary(ITEMS, num_samples=7, probability=0.25, persona_id=PEOPLE)
    names = {"extraction_probability": "extraction_probability_n7", "discoverable": "discoverable_n7_p0.25"}
    for (name, own), end in ((pair, end) for pair in names.items() for end in ("", "_ci_low", "_ci_high")):
        assert got[own + end] == theirs[name + end]


def test_added_in_pieces_equals_at_once(metric):
    for start in range(0, 40, 8):
        metric.add_batch(predictions=LISTS[start : start + 8])
    assert metric.compute(persona_id=PEOPLE) == discoverable_summary(ITEMS, persona_id=PEOPLE)


def test_the_issue_is_exact_through_arrow(metric):
    got = metric.compute(predictions=[[-800.0], [-math.inf]], n=[10**9], p=[0.5])
    chance = got["log10_extraction_probability_n1000000000"]
    assert chance == pytest.approx(9 - 800 / math.log(10) - math.log10(2), rel=1e-15)


@pytest.mark.parametrize(
    ("lists", "named"),
    [
        ([], "No items"),
        ([[-1.0], []], "Row 1: logprobs of shape"),
        ([[-1.0], [-1.0, None]], "Row 1: token 1 has a log-probability of nan"),
        ([[-1.0, math.nan]], "Row 0: token 1 has a log-probability of nan"),
        ([[0.9]], "Row 0: token 0 has a log-probability of 0.9; expected 0 or less"),
    ],
)
def test_bad_rows_are_named_and_the_metric_survives(metric, lists, named):
    with pytest.raises(ValueError, match=named):
        metric.compute(predictions=lists)
    assert metric.compute(predictions=[[0.0]])["extraction_probability_n1"] == 1.0


def test_a_copied_space_loads_alone(evaluate, spaces, monkeypatch):
    monkeypatch.chdir(spaces)
    monkeypatch.setitem(sys.modules, "crossmem_hf", None)  # importing it would fail
    got = evaluate.load("crossmem/extraction_probability").compute(predictions=LISTS)
    assert got == discoverable_summary(ITEMS)


def test_card_explains_every_result(root):
    card = (root / "metrics/extraction_probability/README.md").read_text(encoding="utf-8")
    for key in discoverable_summary(ITEMS) | extraction_lists(ITEMS):
        stem = re.sub(r"_(n|p)[0-9.]+", r"_\1…", re.sub(r"_ci_(low|high)$", "", key))
        assert f"`{stem}`" in card
