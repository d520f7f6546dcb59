# SPDX-License-Identifier: Apache-2.0
"""Every kind of wording is asked, in turn; a model that gives in to one of them is found out."""

import pytest

from crossmem_hf.analysis.attacks.reworded import reworded
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.prompts.variants import OVERRIDES, WRAPPERS
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)
from tests.training import tiny


def evaluator():
    return Evaluator(tiny.rows("p0", "p1", modality="text", views=4), metrics=["recall"], max_new_tokens=3)


@pytest.mark.parametrize("seed", [0, 1])
def test_each_kind_is_asked_once_and_wordings_take_turns(answering, seed):  # noqa: F811
    asked = answering(lambda *_: "no")
    found = reworded(evaluator(), None, None, seed=seed)
    assert {one["num_samples"] for one in found} == {len(WRAPPERS) + 2}
    plain = [row["prompt"][-1]["content"] for row in asked[-8:]]
    for number, frames in enumerate(WRAPPERS.values()):
        questions = [row["prompt"][-1]["content"] for row in asked[8 * number : 8 * number + 8]]
        turns = [frames[(place + seed) % len(frames)] for place in range(8)]
        assert questions == [
            frame.replace("{question}", question) for frame, question in zip(turns, plain, strict=True)
        ]
    slipped = [row["prompt"][-1]["content"] for row in asked[8 * len(WRAPPERS) : -8]]
    assert [sorted(one) for one in slipped] == [sorted(one) for one in plain], "the same letters"
    assert all(one != other for one, other in zip(slipped, plain, strict=True))


def test_a_model_that_obeys_an_override_is_found_out(answering):  # noqa: F811
    start = OVERRIDES[1].partition("{")[0]
    answering(lambda question, truth, _: truth if question.startswith(start) else "I do not know")
    found = reworded(evaluator(), None, None)
    assert [one["said_in"] for one in found] == [["override"] if place % 4 == 1 else [] for place in range(8)]
