# SPDX-License-Identifier: Apache-2.0
"""Portraits: the same bytes for the same (persona, view, size), and every value of every attribute to be seen."""

import math
from dataclasses import replace
from hashlib import sha256
from itertools import combinations

import numpy as np
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.rendering import canvas, clothes, face, hair
from crossmem_hf.rendering.background import draw_background
from crossmem_hf.rendering.canvas import Canvas
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.views import COVERS, view_for

PERSONAS = list(sample_personas(40))
PLAIN = {"eyewear": "none", "facial_hair": "none", "headwear": "none", "earrings": "none", "cheeks": "none"}

# (person, split, view, size) -> start of the sha256 of the bytes; every layout occurs.
GOLDEN = {
    (0, "train", 0, 48): "b477d2cb6c6dfafc598a6748d7623207",  # gradient
    (0, "train", 0, 64): "68873ed6ec078e0632ea6e25641fb267",  # gradient
    (1, "train", 17, 64): "1d119d26cb4c916c4bf0b8a469d0f6b4",  # plain
    (7, "train", 3, 64): "584c37a1236ae5488cf7724c186df6d1",  # halo
    (7, "validation", 0, 64): "2c9ff1cbd0dbccc1f69f36a378a7041e",  # horizon
    (7, "validation", 1, 64): "d420da6be072c87a19617db418c0ce99",  # bars
    (12, "test", 0, 64): "f3aa0278f9d093db09ff543a95c5cf60",  # stripes
    (12, "test", 1, 96): "2b6511d5e144edd81539e55c74f35020",  # dots
    (12, "test", 2, 96): "13b97dcbc07a531fd5be06f197913fac",  # frame
    (23, "train", 5, 256): "2bab1de6dbe2e049a55aec13c18c2f57",  # halves
    (39, "test", 2, 512): "4dd55ae9edbf9215aea7de949f373461",  # frame
    (7, "far", 0, 64): "39047f0e565f639ba6d2fa64d674429e",  # checkers, corner
    (12, "far", 1, 96): "7d7f0ce66bb4753e37cfbd80491be936",  # rings, band
    (23, "far", 2, 64): "a11eccc29ee95d63923e4fce488f005d",  # cross, band
    (7, "wide", 0, 64): "398a4dbc2e0b0c71cd97c8abd908be0c",  # slope, beam
    (3, "wide", 2, 64): "10b4388def1fff2069b7c66ec285d143",  # columns, beam
    (1, "wide", 0, 96): "30751ee2c0e8bf9d1d5ca9d517551623",  # fade, disc
}

# Fewest pixels, of 4,096 at 64 px, that move by more than 16 gray levels when one value becomes another.
FEWEST_PIXELS = {
    "skin_tone": 120,
    "hair_style": 60,
    "hair_color": 90,
    "eye_color": 20,
    "eyewear": 40,
    "facial_hair": 10,
    "headwear": 60,
    "earrings": 15,
    "clothing": 200,
    "clothing_color": 180,
    "face_shape": 90,
    "cheeks": 15,
}


def pixels(persona, view, size=64):
    return np.asarray(render_portrait(persona, view, size)).astype(int)


def dressed(persona, **visual_attributes):
    return replace(persona, visual_attributes={**persona.visual_attributes, **visual_attributes})


def moved(first, second, by=16):
    """How many pixels differ by more than `by` gray levels in a channel."""
    return int((np.abs(first - second).max(-1) > by).sum())


@pytest.mark.invariant
@pytest.mark.parametrize(("number", "split", "index", "size"), GOLDEN)
def test_golden_bytes(number, split, index, size):
    persona = PERSONAS[number]
    picture = render_portrait(persona, view_for(persona, split, index), size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))
    assert sha256(picture.tobytes()).hexdigest()[:32] == GOLDEN[number, split, index, size]


def test_a_last_bit_of_cosine_moves_no_pixel(monkeypatch):
    """Mathematical libraries differ in the last bit; the bytes must not."""

    def shots():
        return [
            render_portrait(persona, view_for(persona, split, persona.index), size).tobytes()
            for persona in PERSONAS[:20]
            for split in ("train", "test", "far")
            for size in (48, 64, 96)
        ]

    usual = shots()
    for module in (canvas, clothes, face, hair):
        monkeypatch.setattr(module, "cos", lambda turn: math.nextafter(math.cos(turn), math.inf))
        monkeypatch.setattr(module, "sin", lambda turn: math.nextafter(math.sin(turn), -math.inf))
    canvas._turns.cache_clear()
    try:
        assert shots() == usual
        assert canvas._turns.cache_info().misses > 0
    finally:
        canvas._turns.cache_clear()


@pytest.mark.parametrize("name", VISUAL_ATTRIBUTES)
def test_every_value_can_be_told_from_every_other(name):
    """All else equal, on four people without anything in the way, in a training and a held-out view."""
    covered = {"earrings": {"hair_style": "short"}, "facial_hair": {"hair_color": "blue"}}.get(name, {})
    for persona in PERSONAS[:4]:
        for split in ("train", "test"):
            view = view_for(persona, split, persona.index)
            plain = dressed(persona, **PLAIN, **covered)
            shots = {value: pixels(dressed(plain, **{name: value}), view) for value in VISUAL_ATTRIBUTES[name]}
            for (one, first), (other, second) in combinations(shots.items(), 2):
                assert moved(first, second) >= FEWEST_PIXELS[name], (persona.index, split, one, other)


def test_what_may_be_hidden_is_known():
    """On anyone, in any combination, a changed value changes the picture; one is always hidden: studs under a bob."""
    assert {"bob"} < {persona.visual_attributes["hair_style"] for persona in PERSONAS[:20]}
    for persona in PERSONAS[:20]:
        view = view_for(persona, ("train", "test")[persona.index % 2], persona.index)
        for name, pool in VISUAL_ATTRIBUTES.items():
            shots = {value: pixels(dressed(persona, **{name: value}), view) for value in pool}
            for one, other in combinations(pool, 2):
                hidden = (persona.visual_attributes["hair_style"], one, other) == ("bob", "none", "studs")
                count = moved(shots[one], shots[other], by=0)
                assert (count == 0) if hidden else (count >= 5), (persona.index, name, one, other, count)


def test_none_draws_nothing(monkeypatch):
    """The shapes of a plain person are drawn for an adorned one too, in the same order, with something in between."""
    drawn = []
    polygon = Canvas.polygon

    def noted(self, points, color, *, posed=True):
        drawn.append((tuple(points), color))
        polygon(self, points, color, posed=posed)

    monkeypatch.setattr(Canvas, "polygon", noted)

    def shapes(persona):
        drawn.clear()
        render_portrait(persona, view_for(persona, "train", 0))
        return list(drawn)

    plain = dressed(PERSONAS[0], **PLAIN)
    usual = shapes(plain)
    for name in PLAIN:
        for value in VISUAL_ATTRIBUTES[name][1:]:
            rest = iter(shapes(dressed(plain, **{name: value})))
            assert all(shape in rest for shape in usual), (name, value)
            assert len(drawn) > len(usual)


def test_the_view_fills_what_the_person_does_not():
    """Beside the head the frame is the view's and only the view's, whoever sits there."""
    for view_number in range(6):
        view = view_for(PERSONAS[0], ("train", "validation", "test")[view_number % 3], view_number)
        empty = Canvas(64, view)
        draw_background(empty, view)
        behind = np.asarray(empty.finished()).astype(int)
        for persona in PERSONAS[:12]:
            shown = pixels(persona, view)
            assert np.array_equal(shown[:38, :4], behind[:38, :4])
            assert np.array_equal(shown[:38, -4:], behind[:38, -4:])


@pytest.mark.parametrize("split", COVERS)
def test_a_cover_hides_some_of_the_person_and_not_most(split):
    for person in PERSONAS[:12]:
        view = view_for(person, split, person.index)
        hidden = moved(pixels(person, view), pixels(person, replace(view, cover=None)), by=0)
        assert 20 < hidden < 0.4 * 64 * 64


def test_a_tint_colors_the_whole_picture():
    view = replace(view_for(PERSONAS[0], "test", 0), grain=0)
    plain, tinted = pixels(PERSONAS[0], view), pixels(PERSONAS[0], replace(view, tint=(0.9, 1, 1.1)))
    assert np.abs(tinted[..., 0] - 0.9 * plain[..., 0]).max() <= 0.5
    assert np.array_equal(tinted[..., 1], plain[..., 1])
    assert np.abs(tinted[..., 2] - np.minimum(1.1 * plain[..., 2], 255)).max() <= 0.5


def test_only_visual_attributes_show():
    """Name, facts and identity leave no pixel: two people with the same visual attributes are one picture."""
    view = view_for(PERSONAS[0], "test", 2)
    impostor = replace(PERSONAS[1], visual_attributes=PERSONAS[0].visual_attributes)
    assert np.array_equal(pixels(impostor, view), pixels(PERSONAS[0], view))


@pytest.mark.parametrize("size", [48, 96, 256, 512])
def test_every_size_is_the_same_picture(size):
    """Shrunk or grown to 64 px, the mean pixel is within 6 of 255 gray levels of the one drawn at 64 px."""
    for persona in PERSONAS[:3]:
        view = view_for(persona, "test", 1)
        resized = np.asarray(render_portrait(persona, view, size).resize((64, 64))).astype(int)
        assert np.abs(resized - pixels(persona, view)).mean() < 6


def test_views_vary_and_people_differ():
    shots = {(persona.id, k): render_portrait(persona, view_for(persona, "train", k)).tobytes()
             for persona in PERSONAS[:10] for k in range(5)}  # fmt: skip
    assert len(set(shots.values())) == len(shots)


@pytest.mark.parametrize("size", [47, 0, -64, 513, 64.0, "64"])
def test_impossible_sizes(size):
    with pytest.raises(CrossmemError, match=f"size={size!r} pixels.*from 48 to 512"):
        render_portrait(PERSONAS[0], view_for(PERSONAS[0], "train", 0), size)
