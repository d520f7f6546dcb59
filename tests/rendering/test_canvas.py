# SPDX-License-Identifier: Apache-2.0
"""The drawing surface: shapes where they are put, in whole pixels, under one pose and one light."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.rendering.canvas import Canvas, shade
from crossmem_hf.rendering.views import view_for

_SOME = view_for(sample_personas(1)[0], "train", 0)
STILL = replace(
    _SOME, tilt=0.0, zoom=1.0, shift=(0.0, 0.0), light=1.0, warmth=0.0, grain=0, colors=((0, 0, 0), (9, 9, 9))
)


def drawn(canvas):
    return np.asarray(canvas.finished()).astype(int)


@pytest.mark.parametrize("size", [48, 49, 63, 64, 65, 96, 127, 160, 161, 256, 511, 512])
def test_any_size_comes_out_exactly(size):
    assert Canvas(size, _SOME).finished().size == (size, size)


def test_a_rectangle_lies_where_it_is_put():
    canvas = Canvas(64, STILL)
    canvas.rectangle((0.25, 0.5), (0.5, 0.75), (200, 100, 50))
    picture = drawn(canvas)
    assert (picture[33:47, 17:31] == (200, 100, 50)).all()
    outside = picture.copy()
    outside[31:50, 15:34] = 0
    assert not outside.any()


@pytest.mark.parametrize(("change", "row", "column"), [
    ({}, 8, 32),
    ({"shift": (0.25, 0.0)}, 8, 48),
    ({"shift": (0.0, 0.25)}, 24, 32),
    ({"tilt": 90.0}, 35, 59),
    ({"zoom": 0.5}, 21, 32),
])  # fmt: skip
def test_the_pose_moves_the_person_and_not_the_background(change, row, column):
    canvas = Canvas(64, replace(STILL, **change))
    canvas.ellipse((0.5, 0.12), (0.05, 0.05), (255, 255, 255))
    canvas.rectangle((0, 0.95), (1, 1), (7, 7, 7), posed=False)
    picture = drawn(canvas)
    bright = np.argwhere(picture[..., 0] > 200).mean(0)
    assert np.abs(bright - (row, column)).max() <= 1.0
    assert (picture[-2:] == 7).all()


def test_light_and_warmth_color_the_person_only():
    canvas = Canvas(64, replace(STILL, light=0.5, warmth=1.0))
    canvas.rectangle((0, 0), (1, 0.4), (100, 100, 100))
    canvas.rectangle((0, 0.6), (1, 1), (100, 100, 100), posed=False)
    picture = drawn(canvas)
    assert tuple(picture[5, 30]) == (52, 50, 48)
    assert tuple(picture[60, 30]) == (100, 100, 100)


@pytest.mark.parametrize("size", [64, 96, 256])
@pytest.mark.parametrize(
    "change", [{"shift": (0.2, -0.1)}, {"tilt": 30.0}, {"zoom": 0.6}, {"tilt": -20.0, "zoom": 1.3}]
)
def test_a_picture_is_posed_and_lit_as_shapes_are(size, change):
    view = replace(STILL, light=0.8, warmth=1.0, **change)
    shapes, pasted = Canvas(size, view), Canvas(size, view)
    picture = Image.new("RGB", (400, 400), (100, 100, 100))
    picture.paste((250, 0, 200), (80, 120, 200, 320))
    shapes.rectangle((0, 0), (1, 1), (100, 100, 100))
    shapes.rectangle((0.2, 0.3), (0.5, 0.8), (250, 0, 200))
    pasted.picture(picture)
    differs = np.abs(drawn(shapes) - drawn(pasted)).max(-1)
    assert (differs > 8).mean() < 0.06, "they differ along their edges alone"
    assert np.median(differs) == 0


def test_a_picture_covers_what_was_drawn_before_and_nothing_drawn_after():
    canvas = Canvas(64, replace(STILL, zoom=0.5))
    canvas.rectangle((0, 0), (1, 1), (1, 2, 3))
    canvas.picture(Image.new("RGB", (64, 64), (200, 200, 200)))
    canvas.ellipse((0.5, 0.55), (0.2, 0.2), (7, 8, 9))
    picture = drawn(canvas)
    assert tuple(picture[35, 32]) == (7, 8, 9)
    assert tuple(picture[21, 18]) == (200, 200, 200)
    assert tuple(picture[1, 1]) == (0, 0, 0), "outside of both the first color of the view"


def test_light_stops_at_white():
    canvas = Canvas(64, replace(STILL, light=1.07))
    canvas.rectangle((0, 0), (1, 1), (250, 252, 255))
    assert drawn(canvas).max() == 255
    assert drawn(canvas).min() == 255


def test_grain_darkens_by_at_most_its_amplitude():
    flat = Canvas(96, replace(STILL, colors=((128, 128, 128), (0, 0, 0)), grain=12))
    picture = drawn(flat)
    assert (picture.min(), picture.max()) == (116, 128)
    assert np.array_equal(picture[..., 0], picture[..., 2])
    assert 4 < 128 - picture.mean() < 8


def test_a_ring_is_hollow_and_a_line_is_thin():
    canvas = Canvas(96, STILL)
    canvas.ring((0.5, 0.5), (0.3, 0.3), 0.04, (255, 255, 255))
    canvas.line((0.1, 0.95), (0.9, 0.95), 0.04, (255, 255, 255))
    picture = drawn(canvas)[..., 0]
    assert picture[48, 48] == 0
    assert picture[48, 19] == picture[48, 77] == 255
    assert 2 <= (picture[:, 48] > 100)[85:].sum() <= 5


def test_shades():
    assert shade((100, 200, 50), 1) == (100, 200, 50)
    assert shade((100, 200, 50), 0.5) == (50, 100, 25)
    assert shade((100, 200, 50), 2) == (178, 228, 152)
    assert shade((0, 0, 0), 0.3) == (0, 0, 0)
    assert shade((255, 255, 255), 3) == (255, 255, 255)
