# SPDX-License-Identifier: Apache-2.0
"""The Min-K% module through evaluate, its card and its page: same numbers as the library, nothing lost in Arrow."""

import json
import math
import re
import sys

import numpy as np
import pytest

from crossmem_hf.metrics.min_k_prob.membership_math import membership_summary
from crossmem_hf.metrics.min_k_prob.min_k_math import token_scores

RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 14, 30)
LISTS = [(-RNG.exponential(2.0, n)).tolist() for n in LENGTHS]
MEANS = [(-RNG.exponential(1.0, n)).tolist() for n in LENGTHS]
STDS = [RNG.exponential(1.0, n).tolist() for n in LENGTHS]
LABELS = [number % 2 for number in range(30)]
PERSONS = [f"p{number % 7}" for number in range(30)]


@pytest.fixture
def metric(evaluate, root, monkeypatch):
    monkeypatch.chdir(root)
    return evaluate.load("metrics/min_k_prob", keep_in_memory=True)


def test_equals_the_library(metric):
    assert metric.compute(predictions=LISTS, references=LABELS) == membership_summary(token_scores(LISTS), LABELS)


def test_options_reach_the_library(metric):
    options = {"confidence": 0.8, "persona_seed": [int(person[1:]) % 2 for person in PERSONS]}
    got = metric.compute(
        predictions=LISTS,
        references=LABELS,
        token_means=MEANS,
        token_stds=STDS,
        k=0.5,
        persona_id=PERSONS,
        return_items=True,
        **options,
    )
    scores = token_scores(LISTS, MEANS, STDS, k=0.5)
    wanted = membership_summary(scores, LABELS, persona_id=PERSONS, **options)
    assert got == wanted | scores.as_lists()
    assert json.loads(json.dumps(got, allow_nan=False)) == got


def test_added_in_pieces_equals_at_once(metric):
    for start in range(0, 20, 5):
        metric.add_batch(predictions=LISTS[start : start + 5], references=LABELS[start : start + 5])
    for row in range(20, 30):
        metric.add(prediction=LISTS[row], reference=LABELS[row])
    wanted = membership_summary(token_scores(LISTS), LABELS, persona_id=PERSONS)
    assert metric.compute(persona_id=PERSONS) == wanted


def test_arrow_keeps_what_float32_would_lose(metric):
    got = metric.compute(predictions=[[-7.0 + 1e-9], [-7.0]], references=[1, 0])
    assert got["auroc_min_k"] == 1.0


def test_arrays_are_accepted(metric):
    table = -np.random.default_rng(1).random((6, 4))
    assert metric.compute(predictions=table, references=np.arange(6) % 2)["n_members"] == 3


@pytest.mark.parametrize(
    ("lists", "labels", "named"),
    [
        ([], [], "No items"),
        ([[-1.0, -2.0], [math.nan, -1.0]], [0, 1], "Row 1: token log-probability of token 0 is nan"),
        ([[-1.0], [-1.0, None]], [0, 1], "Row 1: token log-probability of token 1 is nan"),
        ([[-1.0], []], [0, 1], "Row 1: 0 values of token log-probability"),
        ([[1.0], [2.0]], [0, 1], "Row 0: .* not -log p"),
        ([[-1.0], [-2.0]], [0, 2], "Row 1: reference 2"),
        ([[-1.0], [-2.0]], [0, None], "Row 1: reference None"),
    ],
)
def test_bad_rows_are_named_and_the_metric_survives(metric, lists, labels, named):
    with pytest.raises(ValueError, match=named):
        metric.compute(predictions=lists, references=labels)
    assert metric.compute(predictions=[[0.0, 0.0]], references=[1])["min_k_prob"] == 100.0


def test_bad_options_are_named(metric):
    with pytest.raises(ValueError, match="k=20"):
        metric.compute(predictions=[[-1.0]], references=[1], k=20)
    with pytest.raises(ValueError, match="token_means without token_stds"):
        metric.compute(predictions=[[-1.0]], references=[1], token_means=[[-1.0]])


def test_a_copied_space_loads_alone(evaluate, spaces, monkeypatch):
    monkeypatch.chdir(spaces)
    monkeypatch.setitem(sys.modules, "crossmem_hf", None)  # importing it would fail
    got = evaluate.load("crossmem/min_k_prob").compute(predictions=LISTS, references=LABELS)
    assert got == membership_summary(token_scores(LISTS), LABELS)


def test_card_explains_every_result(root):
    card = (root / "metrics/min_k_prob/README.md").read_text(encoding="utf-8")
    scores = token_scores(LISTS, MEANS, STDS, reference=LISTS, gradient_norms=[1.0] * len(LISTS))
    for key in membership_summary(scores, LABELS) | scores.as_lists():
        assert f"`{re.sub('_ci_(low|high)$', '', key)}`" in card
