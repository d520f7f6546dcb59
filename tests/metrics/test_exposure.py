# SPDX-License-Identifier: Apache-2.0
"""The exposure module through evaluate: same numbers as the library, nothing lost on the way through Arrow."""

import json
import math
import sys

import numpy as np
import pytest

from crossmem_hf.metrics.exposure.exposure_math import exposure_items, exposure_summary

RNG = np.random.default_rng(0)
LISTS = [RNG.exponential(2.0, k).tolist() for k in RNG.integers(2, 25, 30)]
TRUTHS = [int(RNG.integers(len(row))) for row in LISTS]
PERSONS = [f"p{number % 7}" for number in range(30)]


@pytest.fixture
def metric(evaluate, root, monkeypatch):
    monkeypatch.chdir(root)
    return evaluate.load("metrics/exposure", keep_in_memory=True)


def test_equals_the_library(metric):
    items = exposure_items(LISTS, TRUTHS)
    assert metric.compute(predictions=LISTS, references=TRUTHS) == exposure_summary(items)


def test_options_reach_the_library(metric):
    tied = [[1.0, 1.0, 2.0], [3.0, 1.0, 3.0], [5.0, 5.0, 5.0]]
    options = {"confidence": 0.8, "persona_seed": [0, 1, 0]}
    got = metric.compute(
        predictions=tied, references=[1, 0, 2], ties="worst", persona_id=["a", "b", "a"], return_items=True, **options
    )
    items = exposure_items(tied, [1, 0, 2], ties="worst")
    wanted = exposure_summary(items, persona_id=["a", "b", "a"], **options) | items.as_lists()
    assert got == wanted
    assert got["item_rank"] == [2.0, 3.0, 3.0]
    assert json.loads(json.dumps(got)) == got


def test_added_in_pieces_equals_at_once(metric):
    for start in range(0, 20, 5):
        metric.add_batch(predictions=LISTS[start : start + 5], references=TRUTHS[start : start + 5])
    for row in range(20, 30):
        metric.add(predictions=LISTS[row], references=TRUTHS[row])
    assert metric.compute(persona_id=PERSONS) == exposure_summary(exposure_items(LISTS, TRUTHS), persona_id=PERSONS)


def test_arrow_keeps_what_float32_would_lose(metric):
    got = metric.compute(predictions=[[7.0 + 1e-9, 7.0], [1.0, math.inf]], references=[0, 0], return_items=True)
    assert got["item_rank"] == [2.0, 1.0]


def test_arrays_are_accepted(metric):
    table = np.random.default_rng(1).random((6, 4))
    assert metric.compute(predictions=table, references=np.arange(6) % 4)["n"] == 6


@pytest.mark.parametrize(
    ("lists", "truths", "named"),
    [
        ([], [], "No items"),
        ([[1.0, 2.0], [math.nan, 1.0]], [0, 0], "Row 1: candidate 0 has an NLL of nan"),
        ([[1.0, 2.0], []], [0, 0], "Row 1: 0 candidates"),
        ([[1.0], [1.0, 2.0]], [0, 0], "Row 0: 1 candidates"),
        ([[1.0, 2.0], [1.0, 2.0]], [0, 2], "Row 1: truth index 2"),
        ([[1.0, 2.0]], [-1], "Row 0: truth index -1"),
    ],
)
def test_bad_rows_are_named_and_the_metric_survives(metric, lists, truths, named):
    with pytest.raises(ValueError, match=named):
        metric.compute(predictions=lists, references=truths)
    assert metric.compute(predictions=[[1.0, 2.0]], references=[0])["exposure"] == 100.0


def test_a_copied_space_loads_alone(evaluate, spaces, monkeypatch):
    monkeypatch.chdir(spaces)
    monkeypatch.setitem(sys.modules, "crossmem_hf", None)  # importing it would fail
    got = evaluate.load("crossmem/exposure").compute(predictions=LISTS, references=TRUTHS)
    assert got == exposure_summary(exposure_items(LISTS, TRUTHS))
