# SPDX-License-Identifier: Apache-2.0
"""The diagnosis of forgetting through evaluate and as a page: the library's numbers, no row turned into another."""

import json
import re
import sys

import numpy as np
import pytest

from crossmem_hf.metrics.forget_diagnosis.answer_rules import REASONS
from crossmem_hf.metrics.forget_diagnosis.diagnosis_math import diagnose_items, diagnosis_summary

RNG = np.random.default_rng(0)
NAMES = ["Ada Okoye", "Bo Lindqvist", "Caro Díaz", "Dele O'Neil"]
KINDS = [*NAMES, "I can't say.", "", "the the the the"]
ANSWERS = [KINDS[place] for place in RNG.integers(0, len(KINDS), 60)]
TRUTHS = [NAMES[row % 4] for row in range(60)]
RANKS = RNG.integers(1, 6, 60).tolist()
PERSONS = [f"p{row % 4}" for row in range(60)]


@pytest.fixture
def metric(evaluate, root, monkeypatch):
    monkeypatch.chdir(root)
    return evaluate.load("metrics/forget_diagnosis")


def test_equals_the_library(metric):
    got = metric.compute(predictions=ANSWERS, references=TRUTHS)
    assert got == diagnosis_summary(diagnose_items(ANSWERS, TRUTHS))
    assert json.loads(json.dumps(got)) == got


def test_options_reach_the_library(metric):
    rows = {
        "truth_rank": RANKS,
        "num_candidates": [20] * 60,
        "perplexity": [None, 2.0, 900.0] * 20,
        "perplexity_limit": 50.0,
        "refusals": ["lindqvist"],
    }
    options = {"confidence": 0.8, "persona_seed": [int(person[1:]) % 2 for person in PERSONS]}
    got = metric.compute(
        predictions=ANSWERS, references=TRUTHS, **rows, persona_id=PERSONS, return_items=True, **options
    )
    items = diagnose_items(ANSWERS, TRUTHS, **rows)
    wanted = diagnosis_summary(items, persona_id=PERSONS, **options)
    assert got == wanted | items.as_lists()
    assert set(got["item_reason"]) == set(REASONS) - {"symbols"}
    assert json.loads(json.dumps(got)) == got


@pytest.mark.parametrize("listed", ["all", "none", "first", "last"])
def test_a_reference_is_a_truth_or_a_list_of_truths(metric, listed):
    """Also mixed, which evaluate would turn into the letters of a name or the text of a list."""
    names = list(TRUTHS)
    for row in {"all": range(60), "none": (), "first": (0,), "last": (59,)}[listed]:
        names[row] = ["somebody else", names[row]]
    assert metric.compute(predictions=ANSWERS, references=names) == diagnosis_summary(diagnose_items(ANSWERS, TRUTHS))


def test_added_in_pieces_equals_at_once(metric):
    for start in range(0, 40, 20):
        metric.add_batch(predictions=ANSWERS[start : start + 20], references=TRUTHS[start : start + 20])
    for row in range(40, 60):
        metric.add(prediction=ANSWERS[row], reference=TRUTHS[row])
    assert metric.compute() == diagnosis_summary(diagnose_items(ANSWERS, TRUTHS))


@pytest.mark.parametrize(
    ("answers", "truths", "named"),
    [
        ([], [], "No rows"),
        (["Bo", None], ["Ada", "Ada"], "Row 1: prediction None"),
        (["Bo", 3], ["Ada", "Ada"], "Row 1: prediction 3"),
        (["Bo", "Bo"], ["Ada", []], "Row 1: no accepted name"),
        (["Bo", "Bo"], ["Ada", None], "Row 1: reference None"),
    ],
)
def test_bad_rows_are_named_and_the_metric_survives(metric, answers, truths, named):
    with pytest.raises(ValueError, match=named):
        metric.compute(predictions=answers, references=truths)
    assert metric.compute(predictions=["Bo"], references=["Ada"])["forgotten"] == 1.0


def test_a_copied_space_loads_alone(evaluate, spaces, monkeypatch):
    monkeypatch.chdir(spaces)
    monkeypatch.setitem(sys.modules, "crossmem_hf", None)  # importing it would fail
    copied = evaluate.load("crossmem/forget_diagnosis")
    assert copied.compute(predictions=ANSWERS, references=TRUTHS) == diagnosis_summary(diagnose_items(ANSWERS, TRUTHS))


def card(root):
    return (root / "metrics/forget_diagnosis/README.md").read_text(encoding="utf-8")


def test_card_explains_every_result(root):
    items = diagnose_items(["Bo"], ["Ada"], truth_rank=[2], num_candidates=3)
    keys = {re.sub("_ci_(low|high)$", "", key) for key in diagnosis_summary(items) | items.as_lists()}
    assert not [key for key in sorted(keys) if f"`{key}`" not in card(root)]


def test_card_lists_the_rules_in_the_order_in_which_they_are_tried(root):
    listed = re.findall(r"^\| \d \| `(\w+)` \| `(\w+)` \|", card(root), flags=re.MULTILINE)
    assert listed == list(REASONS.items())
