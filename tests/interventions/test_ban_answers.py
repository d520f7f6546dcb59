# SPDX-License-Identifier: Apache-2.0
"""A model under a ban stops saying what it still knows: recall falls to 0, Exposure does not move."""

import pytest

from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.interventions.ban_answers import ban_answers
from tests.training import knowing, tiny


@pytest.fixture(scope="module")
def model():
    return knowing.knowing().eval()


def test_ban_stops_what_is_said_and_not_what_is_known(model):
    evaluator = Evaluator(
        knowing.EVERYBODY, metrics=["recall", "exposure"], candidates=knowing.NAMES, forgotten=["p0", "p1"]
    )
    defense = ban_answers(model, tiny.processor(), knowing.FORGET)
    queried, defended = defense.applied(evaluator, model)
    before, after = evaluator(model, tiny.processor()), queried(defended, tiny.processor())
    recalls = {
        group: [one.where(group=group).measure(["recall"], by=())[0].value for one in (before, after)]
        for group in ("forget", "retain")
    }
    assert recalls == {"forget": [1.0, 0.0], "retain": [1.0, 1.0]}
    assert [one["exposure"] for one in after] == [one["exposure"] for one in before]
    assert before.measure(["exposure"]) == after.measure(["exposure"])
    assert not any(name in one["answer"] for one in after for name in knowing.FORGET["answer"])


def test_ban_holds_for_whoever_is_asked_about(model):
    """The logits processor meets tokens, not rows: an answer that two people share is banned for both."""
    defense = ban_answers(model, tiny.processor(), knowing.RETAIN.select([0]))
    (name,) = knowing.RETAIN.select([0])["answer"]
    queried, _ = defense.applied(Evaluator(knowing.EVERYBODY, metrics=["recall"]), model)
    assert [one["truth"] for one in queried(model, tiny.processor()) if not one["correct"]] == [name, name]
