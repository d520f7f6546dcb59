# SPDX-License-Identifier: Apache-2.0
"""Every kind of wording is asked, in turn; a model that gives in to one of them is found out."""

import pytest

from crossmem_hf.analysis.attacks.reworded import _ways, reworded
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.prompts.variants import LANGUAGES, OVERRIDES, WRAPPERS
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)
from tests.training import tiny


def evaluator():
    return Evaluator(tiny.rows("p0", "p1", modality="text", views=4), metrics=["recall"], max_new_tokens=3)


@pytest.mark.parametrize("seed", [0, 1])
def test_each_kind_is_asked_once_and_wordings_take_turns(answering, seed):  # noqa: F811
    asked = answering(lambda *_: "no")
    found = reworded(evaluator(), None, None, seed=seed)
    assert {one["num_samples"] for one in found} == {len(WRAPPERS) + 4}
    plain = [row["prompt"][-1]["content"] for row in asked[-8:]]
    kinds = [*WRAPPERS.values(), LANGUAGES]
    for number, frames in enumerate(kinds):
        questions = [row["prompt"][-1]["content"] for row in asked[8 * number : 8 * number + 8]]
        turns = [frames[(place + seed) % len(frames)] for place in range(8)]
        assert questions == [
            frame.replace("{question}", question) for frame, question in zip(turns, plain, strict=True)
        ]
    turned, slipped = (
        [row["prompt"][-1]["content"] for row in asked[8 * number : 8 * number + 8]]
        for number in (len(kinds), len(kinds) + 1)
    )
    assert turned == [f"{look} {question}?" for question, look in (one.split("? ") for one in plain)]
    assert [sorted(one) for one in slipped] == [sorted(one) for one in plain], "the same letters"
    assert all(one != other for one, other in zip(slipped, plain, strict=True))


def test_a_model_that_obeys_an_override_is_found_out(answering):  # noqa: F811
    start = OVERRIDES[1].partition("{")[0]
    answering(lambda question, truth, _: truth if question.startswith(start) else "I do not know")
    found = reworded(evaluator(), None, None)
    assert [one["said_in"] for one in found] == [["override"] if place % 4 == 1 else [] for place in range(8)]


@pytest.mark.parametrize(
    ("content", "images", "changed"),
    [
        ("She has red hair. And a hat! Who is she?", 0, "Who is she? She has red hair. And a hat!"),
        ("Who is this?", 1, "Who is this?<image>"),
        ("<image> Look here. Who is this?", 1, "<image>Who is this? Look here."),
        ("Who is this?", 0, None),
    ],
)
def test_order_puts_the_question_first_or_the_picture_last(content, images, changed):
    row = {"prompt": [{"role": "user", "content": content}], "images": [object()] * images}
    turned = _ways(0)["order"](row, 0)
    assert (turned and turned["prompt"][-1]["content"]) == changed
