# SPDX-License-Identifier: Apache-2.0
"""The extraction strength module through evaluate, its card and its page: same numbers as the library."""

import json
import re
import sys

import numpy as np
import pytest

from crossmem_hf.metrics.extraction_strength.sampling_math import extraction_items, extraction_summary
from crossmem_hf.metrics.extraction_strength.strength_math import strength_items, strength_summary, token_matches

RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 12, 30)
ANSWERS = [RNG.integers(0, 3, n).tolist() for n in LENGTHS]
CHOSEN = [RNG.integers(0, 3, n).tolist() for n in LENGTHS]
PERSONS = [f"p{number % 7}" for number in range(30)]
ITEMS = strength_items(token_matches(CHOSEN, ANSWERS))


@pytest.fixture
def metric(evaluate, root, monkeypatch):
    monkeypatch.chdir(root)
    return evaluate.load("metrics/extraction_strength", keep_in_memory=True)


def test_equals_the_library(metric):
    assert metric.compute(predictions=CHOSEN, references=ANSWERS) == strength_summary(ITEMS)


def test_options_reach_the_library(metric):
    options = {"confidence": 0.8, "persona_seed": [int(person[1:]) % 2 for person in PERSONS]}
    got = metric.compute(predictions=CHOSEN, references=ANSWERS, persona_id=PERSONS, return_items=True, **options)
    wanted = strength_summary(ITEMS, persona_id=PERSONS, **options) | ITEMS.as_lists()
    assert got == wanted
    assert json.loads(json.dumps(got, allow_nan=False)) == got


def test_logprobs_add_extraction_by_sampling(metric):
    logprobs = [(-RNG.exponential(1.0, n)).tolist() for n in LENGTHS]
    options = {"num_samples": 7, "probability": 0.25}
    got = metric.compute(
        predictions=CHOSEN, references=ANSWERS, logprobs=logprobs, persona_id=PERSONS, return_items=True, **options
    )
    sampled = extraction_items(logprobs)
    wanted = extraction_summary(sampled, persona_id=PERSONS, **options)
    assert {name: got[name] for name in wanted} == wanted
    assert got["item_extraction_probability"] == sampled.extraction_probability(7).tolist()
    with pytest.raises(ValueError, match="Row 2: "):
        metric.compute(predictions=CHOSEN, references=ANSWERS, logprobs=[*logprobs[:2], [-1.0] * 20, *logprobs[3:]])


def test_added_in_pieces_equals_at_once(metric):
    for start in range(0, 20, 5):
        metric.add_batch(predictions=CHOSEN[start : start + 5], references=ANSWERS[start : start + 5])
    for row in range(20, 30):
        metric.add(prediction=CHOSEN[row], reference=ANSWERS[row])
    assert metric.compute(persona_id=PERSONS) == strength_summary(ITEMS, persona_id=PERSONS)


def test_arrays_and_large_ids_are_accepted(metric):
    table = np.arange(12).reshape(3, 4) + 2**40
    assert metric.compute(predictions=table, references=table)["all_match"] == 1.0
    assert metric.compute(predictions=table, references=table + 1)["token_match"] == 0.0


@pytest.mark.parametrize(
    ("chosen", "answers", "named"),
    [
        ([], [], "No items"),
        ([[1], []], [[1], []], "Row 1: predictions without tokens"),
        ([[1], [1, 2]], [[1], [1]], "Row 1: 2 predicted tokens for an answer of 1"),
        ([[1], [2]], [[1], [-100]], "Row 1: references holds -100"),
        ([[1], [2, None]], [[1], [2, 3]], "Row 1: predictions .* token ids"),
    ],
)
def test_bad_rows_are_named_and_the_metric_survives(metric, chosen, answers, named):
    with pytest.raises(ValueError, match=named):
        metric.compute(predictions=chosen, references=answers)
    assert metric.compute(predictions=[[4, 2]], references=[[3, 2]])["extraction_strength"] == 0.5


def test_a_copied_space_loads_alone(evaluate, spaces, monkeypatch):
    monkeypatch.chdir(spaces)
    monkeypatch.setitem(sys.modules, "crossmem_hf", None)  # importing it would fail
    got = evaluate.load("crossmem/extraction_strength").compute(predictions=CHOSEN, references=ANSWERS)
    assert got == strength_summary(ITEMS)


def test_card_explains_every_result(root):
    card = (root / "metrics/extraction_strength/README.md").read_text(encoding="utf-8")
    sampled = extraction_summary(extraction_items([[-1.0]]), num_samples=1, probability=0.5)
    for key in (*strength_summary(ITEMS), *ITEMS.as_lists(), *sampled, "item_extraction_probability"):
        assert f"`{re.sub('_ci_(low|high)$', '', key)}`" in card
