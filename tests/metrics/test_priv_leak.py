# SPDX-License-Identifier: Apache-2.0
"""The PrivLeak module through evaluate and as a page: Min-K% of each row, then the library's numbers."""

import json
import math
import sys

import numpy as np
import pytest

from crossmem_hf.metrics.priv_leak.priv_leak_math import priv_leak_items, priv_leak_summary

RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 25, 40)
ROWS = [(-RNG.exponential(2.0, n)).tolist() for n in LENGTHS]
RETAIN_ONLY = [(-RNG.exponential(2.0, n)).tolist() for n in LENGTHS]
SIDES = [row % 2 for row in range(40)]
PERSONS = [f"p{row // 4}" for row in range(40)]


def slow_min_k(row, k=0.4):
    """MUSE's Min-K% of one row, with at least one token."""
    lowest = sorted(row)[: max(1, int(len(row) * k))]
    return sum(lowest) / len(lowest)


@pytest.fixture
def metric(evaluate, root, monkeypatch):
    monkeypatch.chdir(root)
    return evaluate.load("metrics/priv_leak", keep_in_memory=True)


def test_scores_are_min_40_percent(metric):
    got = metric.compute(predictions=ROWS, references=SIDES, auc_retain_only=0.5, return_items=True)
    scores = got.pop("item_score")
    assert scores == pytest.approx([slow_min_k(row) for row in ROWS])
    assert got == priv_leak_summary(priv_leak_items(scores, SIDES), auc_retain_only=0.5)


def test_options_reach_the_library(metric):
    options = {"confidence": 0.8, "persona_seed": [int(person[1:]) % 2 for person in PERSONS]}
    got = metric.compute(
        predictions=ROWS,
        references=SIDES,
        retain_only_predictions=RETAIN_ONLY,
        k=1.0,
        persona_id=PERSONS,
        return_items=True,
        **options,
    )
    assert got["item_score"] == pytest.approx([sum(row) / len(row) for row in ROWS])
    assert got["item_retain_only_score"] == pytest.approx([sum(row) / len(row) for row in RETAIN_ONLY])
    items = priv_leak_items(got["item_score"], SIDES, retain_only_score=got["item_retain_only_score"])
    wanted = priv_leak_summary(items, persona_id=PERSONS, **options)
    assert got == wanted | items.as_lists()
    assert json.loads(json.dumps(got)) == got


@pytest.mark.parametrize(("memorized", "leak"), [(1, -100.0), (0, 100.0)])
def test_orientation_through_the_module(metric, memorized, leak):
    """Rows memorized on the forget side leak -100; forget rows below the holdout, +100."""
    rows = [[-0.1, -0.2] if side == memorized else [-5.0, -6.0, -7.0] for side in SIDES]
    assert metric.compute(predictions=rows, references=SIDES, auc_retain_only=0.5)["priv_leak"] == leak


def test_added_in_pieces_equals_at_once(metric):
    at_once = metric.compute(predictions=ROWS, references=SIDES, auc_retain_only=0.5)
    for start in range(0, 30, 10):
        metric.add_batch(predictions=ROWS[start : start + 10], references=SIDES[start : start + 10])
    for row in range(30, 40):
        metric.add(predictions=ROWS[row], references=SIDES[row])
    assert metric.compute(auc_retain_only=0.5) == at_once


@pytest.mark.parametrize(
    ("rows", "sides", "named"),
    [
        ([], [], "No items"),
        ([[-1.0], []], [1, 0], "Row 1: 0 values"),
        ([[-1.0], [-1.0, math.nan]], [1, 0], "Row 1: token log-probability of token 1 is nan"),
        ([[-1.0], [2.0]], [1, 0], "Row 1: token log-probability of token 0 is 2.0"),
        ([[-1.0], [-2.0]], [1, 3], "Row 1: reference 3"),
        ([[-1.0], [-2.0]], [1, None], "Row 1: reference None"),
        ([[-1.0], [-2.0]], [1, 1], "No holdout rows"),
    ],
)
def test_bad_rows_are_named_and_the_metric_survives(metric, rows, sides, named):
    with pytest.raises(ValueError, match=named):
        metric.compute(predictions=rows, references=sides, auc_retain_only=0.5)
    assert metric.compute(predictions=[[-1.0], [-2.0]], references=[1, 0], auc_retain_only=0.5)["priv_leak"] == -100.0


def test_a_copied_space_loads_alone(evaluate, spaces, metric, monkeypatch):
    wanted = metric.compute(predictions=ROWS, references=SIDES, retain_only_predictions=RETAIN_ONLY)
    monkeypatch.chdir(spaces)
    monkeypatch.setitem(sys.modules, "crossmem_hf", None)  # importing it would fail
    copied = evaluate.load("crossmem/priv_leak")
    assert copied.compute(predictions=ROWS, references=SIDES, retain_only_predictions=RETAIN_ONLY) == wanted


def test_card_explains_every_result(root):
    card = (root / "metrics/priv_leak/README.md").read_text(encoding="utf-8")
    items = priv_leak_items([-1.0, -2.0], [1, 0], retain_only_score=[-2.0, -1.0])
    keys = priv_leak_summary(items) | items.as_lists()
    assert not [key for key in keys if f"`{key}`" not in card]
