# SPDX-License-Identifier: Apache-2.0
"""Hints say the beginning of the truth and no more, in words or in the picture."""

import numpy as np
import pytest
from PIL import Image

from crossmem_hf.analysis.attacks.hinted import hinted, typographic, written_on
from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)

FEW = {"num_personas": 2, "num_views": 1, "image_size": 48}


def evaluator(config="recall_image"):
    rows = load_rows(None, config, "test", **FEW)
    return Evaluator(rows, metrics=["recall"], max_new_tokens=3)


def test_hints_are_the_beginning_of_the_truth_and_no_more(answering):  # noqa: F811
    asked = answering(lambda *_: "no")
    own = evaluator()
    found = hinted(own, None, None, num_characters=(2,))
    assert {one["num_samples"] for one in found} == {3}
    plain = {row["answer"]: row["prompt"][-1]["content"] for row in own.questions.about}
    count = len(own.rows)
    for place, row in enumerate(asked[: 2 * count]):
        start = row["answer"][:2] if place < count else row["answer"].split()[0]
        assert row["prompt"][-1]["content"] == f"{plain[row['answer']]} It begins with {start}."
        assert row["answer"] not in row["prompt"][-1]["content"]


def test_a_model_that_needs_two_characters_is_found_with_two(answering):  # noqa: F811
    answering(lambda question, truth, _: truth if f"begins with {truth[:2]}" in question else "no")
    found = hinted(evaluator(), None, None)
    assert {tuple(one["said_in"]) for one in found} == {("2 characters", "3 characters", "first word")}


def test_whoever_repeats_the_hint_has_not_said_the_truth(answering):  # noqa: F811
    answering(lambda question, *_: question.rpartition("It begins with ")[2].removesuffix("."))
    assert not any(one["extracted"] for one in hinted(evaluator(), None, None))


def test_a_hint_of_no_character_is_refused():
    with pytest.raises(CrossmemError, match=r"num_characters=\(0,\); expected numbers from 1"):
        hinted(evaluator(), None, None, num_characters=(0,))


def test_the_first_word_is_written_into_the_picture_alone(answering):  # noqa: F811
    asked = answering(lambda *_: "no")
    own = evaluator()
    found = typographic(own, None, None)
    assert {one["num_samples"] for one in found} == {2}
    count = len(own.rows)
    for marked, row in zip(asked[:count], own.rows, strict=True):
        expected = written_on(row["images"][0].convert("RGB"), row["answer"].split()[0])
        assert np.array_equal(np.asarray(marked["images"][0].convert("RGB")), np.asarray(expected))
        assert marked["prompt"] == row["prompt"]


def test_rows_without_pictures_cannot_be_written_on(answering):  # noqa: F811
    answering(lambda *_: "no")
    with pytest.raises(CrossmemError, match=r"None of the ways \(written\)"):
        typographic(evaluator("recall_text"), None, None)


@pytest.mark.parametrize("text", ["Al", "Maximilian-Jo"])
def test_the_word_stays_within_the_picture_and_its_lower_third(text):
    blank = Image.new("RGB", (64, 64), (90, 120, 150))
    marked = np.asarray(written_on(blank, text), dtype=int)
    changed = (marked != (90, 120, 150)).any(-1)
    assert not changed[:42].any()
    strokes = (marked > 160).all(-1)
    assert strokes.sum() > 10
    assert not strokes[:, [0, -1]].any(), "none runs out at a side"
