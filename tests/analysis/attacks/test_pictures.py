# SPDX-License-Identifier: Apache-2.0
"""What each change does to a picture, that it is the same for a seed, and that rows without pictures stay apart."""

from random import Random

import numpy as np
import pytest
from PIL import Image

from crossmem_hf.analysis.attacks.pictures import CHANGES, pictures
from crossmem_hf.data.loading import load_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)

FEW = {"num_personas": 2, "num_views": 1, "image_size": 48}


def portrait():
    return load_rows(None, "recall_image", "test", **FEW)[0]["images"][0].convert("RGB")


def array(picture):
    return np.asarray(picture, dtype=float)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_keeps_the_size_and_most_of_the_picture(name):
    picture = portrait()
    before = array(picture)
    changed = CHANGES[name](picture, Random(1))
    assert (changed.size, changed.mode) == (picture.size, "RGB")
    assert (array(picture) == before).all(), "the picture itself stays"
    difference = np.abs(array(changed) - before).mean()
    assert 0.5 < difference < 80, "of 255 gray levels"
    assert (array(CHANGES[name](picture, Random(1))) == array(changed)).all()


def test_changes_do_what_they_are_called():
    picture = portrait()
    before = array(picture)
    gray = array(CHANGES["grayed"](picture, Random(0)))
    assert (gray[..., 0] == gray[..., 1]).all()
    assert (array(CHANGES["mirrored"](picture, Random(0))) == before[:, ::-1]).all()
    covered = (array(CHANGES["covered"](picture, Random(0))) != before).any(-1)
    assert 0.5 * 14 * 14 < covered.sum() <= 14 * 14, "a square of three tenths of 48 pixels"
    flat = Image.new("RGB", (40, 20), (10, 200, 90))
    assert np.abs(array(CHANGES["cropped"](flat, Random(0))) - array(flat)).max() == 0
    assert (
        np.ptp(array(CHANGES["blurred"](portrait(), Random(0))), axis=(0, 1)).max() < np.ptp(before, axis=(0, 1)).max()
    )


def test_a_model_that_knows_gray_pictures_is_found(answering):  # noqa: F811
    rows = load_rows(None, "recall_image", "test", **FEW).select(range(4))

    def answer(question, truth, images):
        pixels = array(images[0].convert("RGB"))
        return truth if (pixels[..., 0] == pixels[..., 1]).all() else "I do not know"

    answering(answer)
    found = pictures(Evaluator(rows, metrics=["recall"], max_new_tokens=3), None, None)
    assert {(one["num_samples"], *one["said_in"]) for one in found} == {(len(CHANGES) + 1, "grayed")}


def test_rows_without_a_picture_are_refused_if_none_has_one(answering):  # noqa: F811
    answering(lambda *_: "no")
    rows = load_rows(None, "recall_text", "test", **FEW)
    with pytest.raises(CrossmemError, match=r"None of the ways \(cropped, blurred"):
        pictures(Evaluator(rows, metrics=["recall"], max_new_tokens=3), None, None)
