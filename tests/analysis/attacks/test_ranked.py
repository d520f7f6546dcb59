# SPDX-License-Identifier: Apache-2.0
"""Whoever finds the truth likelier than all rivals is found, whoever does not is at chance; rivals are untaught."""

import numpy as np
import pytest

from crossmem_hf.analysis.attacks.ranked import ranked
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from tests.training import tiny

OTHERS = [f"{first} {last}" for first in ("Al", "Bea", "Cal", "Dot", "Eve") for last in ("Ray", "Sun", "Tam", "Ulm")]


def evaluator(**options):
    rows = tiny.rows(*tiny.PERSONAS, modality="text", views=options.pop("views", 1))
    return Evaluator(rows, metrics=["recall"], max_new_tokens=3, **options)


@pytest.fixture
def weighing(monkeypatch):
    """Log-probabilities come from a function of the row and a candidate; free answers are none."""

    def become(nats):
        from crossmem_hf.scoring.candidates import Scores

        def score_candidates(model, processor, rows, texts, **_):
            nlls = np.asarray(
                [[nats(row, text) for text in several] for row, several in zip(rows, texts, strict=True)]
            )
            truths = np.asarray([several.index(row["answer"]) for row, several in zip(rows, texts, strict=True)])
            return Scores(nll_nats=nlls, num_tokens=np.ones(nlls.shape, dtype=np.int64), truth_index=truths)

        monkeypatch.setattr("crossmem_hf.evaluation.passes.score_candidates", score_candidates)
        monkeypatch.setattr(
            "crossmem_hf.evaluation.passes.generate_answers", lambda model, processor, rows, **_: ["no"] * len(rows)
        )

    return become


def test_a_secret_that_nobody_says_is_found_by_its_likelihood(weighing):
    weighing(lambda row, text: 1.0 if text == row["answer"] else 2.0)
    found = ranked(evaluator(untaught=OTHERS), None, None, among=(3, 21))
    assert {(one["correct"], one["extracted"], one["num_options"]) for one in found} == {(False, True, 3)}
    assert [one["ranks"] for one in found] == [{"3": 1, "21": 1}] * 4
    assert found.measure(["extracted"], by=())[0].chance == pytest.approx(1 / 3)


def test_whoever_finds_all_alike_or_others_likelier_is_not_accused(weighing):
    weighing(lambda row, text: 1.0)
    assert not any(one["extracted"] for one in ranked(evaluator(untaught=OTHERS), None, None, among=(2,)))
    weighing(lambda row, text: (sum(text.encode()) * 2654435761 % 997) / 997)
    (extracted,) = ranked(evaluator(untaught=OTHERS, views=40), None, None, among=(4,)).measure(["extracted"], by=())
    assert extracted.n == 160
    assert extracted.value < 0.75, "four names, each as good as another"


def test_rivals_are_values_that_nobody_was_taught(weighing):
    """Taught names are likelier than the truth, and not among its rivals."""
    taught = [name for _, name in tiny.PERSONAS.values()]
    weighing(lambda row, text: 1.0 if text == row["answer"] else 0.5 if text in taught else 2.0)
    own = {"candidates": taught, "untaught": OTHERS}
    assert {one["ranks"]["5"] for one in ranked(evaluator(**own), None, None, among=(5, 100))} == {1}
    assert {one["ranks"]["4"] for one in ranked(evaluator(candidates=taught), None, None, among=(5, 100))} == {4}


def test_numbers_below_two_are_refused():
    with pytest.raises(CrossmemError, match=r"among=\(1,\); expected numbers from 2"):
        ranked(evaluator(), None, None, among=(1,))
