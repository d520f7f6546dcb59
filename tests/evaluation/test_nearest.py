# SPDX-License-Identifier: Apache-2.0
"""The control without a model: the nearest training row answers, the first of equals, whatever form rows are in."""

from io import BytesIO

import numpy as np
import pytest
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Picture

from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation import nearest
from crossmem_hf.evaluation.nearest import nearest_answers

COLORS = {"Ada": (250, 10, 10), "Bo": (10, 250, 10), "Cy": (10, 10, 250)}
WORDS = {"Ada": "red hair, blue eyes", "Bo": "red hair, green eyes", "Cy": "black hair, a beard"}


def shown(color, answer=None, side=64):
    buffer = BytesIO()
    Picture.new("RGB", (side, side), color).save(buffer, "PNG")
    return {"images": [{"bytes": buffer.getvalue(), "path": None}], "prompt": "Who is this?", "answer": answer}


def said(words, answer=None, question="Who is described?"):
    return {"images": [], "prompt": [{"role": "user", "content": f"{words}. {question}"}], "answer": answer}


SHOWN = [shown(color, name) for name, color in COLORS.items()]
SAID = [said(words, name) for name, words in WORDS.items()]


def test_the_nearest_picture_answers():
    asked = [shown(color) for color in ((0, 0, 200), (200, 100, 0), (0, 130, 120))]
    assert nearest_answers(SHOWN, asked) == ["Cy", "Ada", "Bo"]


def test_pictures_of_many_sizes_are_brought_to_the_smallest():
    asked = [shown((0, 0, 200), side=side) for side in (16, 64, 300)]
    assert nearest_answers(SHOWN, asked) == ["Cy"] * 3
    half = Picture.new("RGB", (8, 8), (250, 10, 10))
    half.paste((0, 0, 0), (4, 0, 8, 8))
    assert nearest_answers(SHOWN, [{"images": [half], "prompt": "x"}]) == ["Ada"]


def test_distances_are_those_of_raw_pixels():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    rows = [{"images": [Picture.fromarray(one)], "prompt": "x", "answer": str(k)} for k, one in enumerate(pixels)]
    known, asked = rows[:20], rows[20:]
    far = ((pixels[20:, None].astype(int) - pixels[None, :20].astype(int)) ** 2).sum((2, 3, 4))
    assert nearest_answers(known, asked) == [str(place) for place in far.argmin(1)]


def test_the_description_of_most_shared_words_answers():
    asked = [said("A BEARD and black hair"), said("eyes that are green; red hair"), said("blue, blue, blue eyes")]
    assert nearest_answers(SAID, asked) == ["Cy", "Bo", "Ada"]


def test_words_of_all_training_rows_do_not_count():
    """With them a row in the question's words would be nearest to the shortest prompt."""
    known = [said("red hair, blue eyes, freckles, a scarf", "Ada"), said("a beard", "Bo")]
    assert nearest_answers(known, [said("blue eyes, a monocle, a crown")]) == ["Ada"]
    assert nearest_answers(known, [said("who is described? Blue")]) == ["Ada"]


def test_of_equally_near_rows_the_first_answers(monkeypatch):
    twins = [SHOWN[1], {**SHOWN[1], "answer": "Twin"}, *SHOWN]
    wordy = [SAID[1], {**SAID[1], "answer": "Twin"}, *SAID]
    for size in (512, 1, 2):
        monkeypatch.setattr(nearest, "_BLOCK", size)
        assert nearest_answers(twins, [shown(COLORS["Bo"])] * 3) == ["Bo"] * 3
        assert nearest_answers(wordy, [said(WORDS["Bo"])] * 3) == ["Bo"] * 3
        assert nearest_answers(SAID, [said("nothing of that")]) == ["Ada"]


def test_blocks_change_nothing(monkeypatch):
    rows = load_rows(None, "recall_text", "train", num_personas=7)
    asked = load_rows(None, "recall_text", "far", num_personas=7)
    whole = nearest_answers(rows, asked)
    monkeypatch.setattr(nearest, "_BLOCK", 5)
    assert nearest_answers(rows, asked) == whole


def test_a_dataset_is_read_as_its_rows_are():
    turns = List({"role": Value("string"), "content": Value("string")})
    features = Features({"images": List(Image()), "prompt": turns, "answer": Value("string")})
    rows = [{**row, "prompt": [{"role": "user", "content": row["prompt"]}]} for row in SHOWN]
    data = Dataset.from_list(rows, features=features)
    assert nearest_answers(data, data) == list(COLORS)
    assert nearest_answers(data, []) == []


@pytest.mark.parametrize(
    ("known", "asked", "fault"),
    [
        ([], SAID, "no training rows"),
        (SAID, SHOWN, "0 and 1 pictures; expected one"),
        (SHOWN, [*SHOWN, *SAID], "0 and 1 pictures"),
        ([{**SHOWN[0], "images": SHOWN[0]["images"] * 2}], [], "have 2 pictures"),
        ([said("red hair")], SAID, "Row 0 of the training set has the answer None"),
        ([{**SAID[0], "attribute": "job"}], [{**SAID[0], "attribute": "email"}], "ask for email, job; expected one"),
        ([said("red hair", "Ada"), said("red hair", "Bo")], SAID, "All 2 training prompts have the same words"),
        (SHOWN, [{"images": [{"bytes": b"x", "path": None}], "prompt": "x"}], "cannot be shown"),
    ],
)
def test_rows_that_cannot_be_compared(known, asked, fault):
    with pytest.raises(CrossmemError, match=fault):
        nearest_answers(known, asked)
