# SPDX-License-Identifier: Apache-2.0
"""A picture taken again: the same bytes for the same view, changed as far views are, still the same picture."""

from hashlib import sha256

import numpy as np
import pytest

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.retaken import retaken
from crossmem_hf.rendering.views import view_for

PERSONAS = list(sample_personas(6))
PHOTOS = [render_portrait(person, view_for(person, "test", 0), 128) for person in PERSONAS]


def again(number, index=0, size=64):
    return retaken(PHOTOS[number], view_for(PERSONAS[number], "far", index), size)


@pytest.mark.parametrize("size", [48, 64, 96, 256])
def test_it_has_the_size_that_is_asked_for(size):
    assert (again(0, size=size).size, again(0, size=size).mode) == ((size, size), "RGB")


@pytest.mark.invariant
def test_golden_bytes():
    assert sha256(again(2, 1).tobytes()).hexdigest()[:16] == GOLDEN


def test_views_differ_and_each_is_the_same_every_time():
    taken = {(number, index): again(number, index).tobytes() for number in range(6) for index in range(4)}
    assert len(set(taken.values())) == len(taken)
    assert all(taken[key] == again(*key).tobytes() for key in taken)


def test_the_cover_lies_over_the_picture_and_the_first_color_behind_it():
    for number, person in enumerate(PERSONAS):
        view = view_for(person, "far", 0)
        shown = np.asarray(again(number)).astype(int)
        tinted = np.minimum(np.array(view.cover.color) * view.tint, 255)
        assert (np.abs(shown - tinted).max(-1) <= view.grain + 1).mean() > 0.01
        behind = np.minimum(np.array(view.colors[0]) * view.tint, 255)
        if view.zoom < 0.85:
            assert (np.abs(shown - behind).max(-1) <= view.grain + 1).mean() > 0.05


GOLDEN = "7ffa7878abc5ae0e"
