# SPDX-License-Identifier: Apache-2.0
"""Scores of a picture are those of what it shows, whatever file it is in and whoever it is scored with."""

from io import BytesIO

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pictures

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.pictures.keys import picture_keys, pictures_key
from crossmem_hf.pictures.reading import as_seen
from crossmem_hf.scoring.candidates import score_candidates
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.scoring.inputs import encode
from crossmem_hf.scoring.prefill import PromptQueue
from tests.data import profiles
from tests.scoring.tiny import CANDIDATES, NAMES, image_row, llava, naive, processor

PORTRAIT = image_row(0)["images"][0]
GRAY = PORTRAIT.convert("L")
FEATURES = Features({"images": List(Image()), "number": Value("int64")})


def palettes():
    """The same numbers, all red or all blue."""
    numbers = Pictures.new("P", (48, 48), 1)
    for color in ([255, 0, 0], [0, 0, 255]):
        numbers.putpalette([0, 0, 0, *color])
        yield numbers.copy()


def deep(gray):
    """Its twin of 16 bits."""
    return Pictures.fromarray(np.asarray(gray).astype(np.uint16) * 257)


def stored(picture, kind="PNG", **options):
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return {"bytes": buffer.getvalue(), "path": None}


def queried(*pictures):
    return [{**image_row(0), "images": [picture]} for picture in pictures]


def expected(*pictures):
    """A plain forward pass over the pixels of each, alone."""
    rows = queried(*(picture.convert("RGB") for picture in pictures))
    return naive(llava(), processor(), rows, CANDIDATES)


def scored(*pictures):
    scores = score_candidates(llava(), processor(), queried(*pictures), CANDIDATES)
    return scores.nll_nats


def test_two_palettes_in_one_call_are_two_pictures():
    red, blue = palettes()
    right = expected(red, blue)
    assert np.abs(right[0] - right[1]).max() > 0.1
    assert np.abs(scored(red, blue) - right).max() < 1e-3


def test_a_deep_gray_scores_as_its_twin_of_eight_bits():
    right = expected(GRAY)
    assert np.abs(expected(Pictures.new("L", GRAY.size, 255)) - right).max() > 0.1  # clipped to white it would be seen
    found = scored(deep(GRAY), GRAY, stored(deep(GRAY)), stored(deep(GRAY), "TIFF"))
    assert np.abs(found - right).max() < 1e-3


def same():
    """Files and objects that show one portrait."""
    yield from (PORTRAIT, PORTRAIT.copy(), PORTRAIT.convert("RGBA"), stored(PORTRAIT), stored(PORTRAIT, "TIFF"))
    yield from (stored(PORTRAIT, "WEBP", lossless=True), stored(PORTRAIT, "BMP"))
    exif = Pictures.Exif()
    exif[0x0112] = 3
    yield stored(PORTRAIT.rotate(180), exif=exif)


def others():
    """Files and objects that show something else each, some of them of the same bytes."""
    yield from palettes()
    yield from (PORTRAIT, GRAY, Pictures.new("LA", (48, 48), (0, 0)), Pictures.new("LA", (48, 48), (0, 255)))
    yield from (stored(PORTRAIT, icc_profile=profiles.swapped()), PORTRAIT.rotate(180), PORTRAIT.resize((24, 96)))
    clear = PORTRAIT.copy()
    clear.info["transparency"] = PORTRAIT.getpixel((0, 0))
    yield clear


def test_work_is_shared_if_and_only_if_what_is_seen_is_equal():
    rows = queried(*same(), *others())
    queue = PromptQueue(processor(), rows, share=True, device="cpu")
    groups = sorted(len(group.rows) for group in queue.take(100).groups)
    assert groups == [1] * (len(list(others())) - 1) + [len(list(same())) + 1]


def test_rows_of_a_dataset_have_the_keys_of_what_they_show():
    pictures = [*same(), *others(), deep(GRAY)]
    files = [picture if isinstance(picture, dict) else stored(as_seen(picture)) for picture in pictures]
    rows = Dataset.from_list([{"images": [file], "number": 0} for file in files], features=FEATURES)
    keys = picture_keys(rows)
    assert keys == [pictures_key([picture]).hex() for picture in pictures]
    assert keys == picture_keys(list(rows))
    assert len(set(keys)) == len(list(others()))


def test_the_processor_is_given_what_is_seen():
    row = queried(deep(GRAY))[0]
    text = prompt_text(processor(), row)
    ours = encode(processor(), [text], [row["images"]])["pixel_values"]
    theirs = processor()(text=[text], images=[[GRAY.convert("RGB")]], return_tensors="pt")["pixel_values"]
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("ask", [score_candidates, generate_answers])
def test_what_cannot_be_shown_is_named_by_its_row(ask):
    rows = queried(PORTRAIT, Pictures.new("F", (48, 48)))
    given = [NAMES[:2]] if ask is score_candidates else []
    with pytest.raises(CrossmemError, match="Row 1: A picture cannot be shown: its pixels are floating-point"):
        ask(llava(), processor(), rows, *given)
