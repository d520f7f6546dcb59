# SPDX-License-Identifier: Apache-2.0
"""Text over a picture changes what lies under its letters, by as much as is said, and nothing else."""

from hashlib import sha256

import numpy as np
import pytest
from PIL import Image, ImageFont

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.users import FIELDS, user_lists
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.views import view_for
from crossmem_hf.rendering.watermark import font_size, place_for, watermark_box, with_watermark

USERS = [user for users in user_lists().values() for user in users]
LINES = USERS[0].lines()
PERSONA = sample_personas(1)[0]
PORTRAIT = render_portrait(PERSONA, view_for(PERSONA, "train", 0), 224)
PLACES = [(0.0, 0.0), (0.4, 0.7), (0.999999, 0.999999)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [(128, 128), (224, 224), (640, 480), (200, 900)])
def test_pixels_differ_within_the_box_alone(place, size):
    picture = PORTRAIT.resize(size)
    left, top, right, bottom = watermark_box(size, LINES, place)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    changed = (np.asarray(with_watermark(picture, LINES, place)) != np.asarray(picture)).any(-1)
    assert changed[top:bottom, left:right].any()
    changed[top:bottom, left:right] = False
    assert not changed.any()


def test_the_box_is_as_large_as_the_text():
    box = watermark_box((224, 224), LINES, (0.5, 0.5))
    ink = np.asarray(with_watermark(Image.new("RGB", (224, 224)), LINES, (0.5, 0.5)))[..., 0] > 0
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert max(abs(one - other) for one, other in zip(box, found, strict=True)) <= 2


@pytest.mark.parametrize("opacity", [0.25, 128 / 255, 1.0])
@pytest.mark.parametrize("level", [0, 55, 200, 255])
def test_letters_are_blended_by_the_opacity(opacity, level):
    gray = Image.new("RGB", (224, 224), (level,) * 3)
    shown = np.asarray(with_watermark(gray, LINES, (0.5, 0.5), opacity=opacity)).astype(float)
    assert abs(shown.max() - ((1 - opacity) * level + opacity * 255)) <= 1
    assert shown.min() == level


def test_no_opacity_is_the_picture_bit_by_bit():
    assert with_watermark(PORTRAIT, LINES, (0.1, 0.2), opacity=0).tobytes() == PORTRAIT.tobytes()


def test_the_picture_itself_stays_as_it_is():
    before = PORTRAIT.tobytes()
    with_watermark(PORTRAIT, LINES, (0.1, 0.2))
    assert PORTRAIT.tobytes() == before


def test_calls_are_equal_and_records_and_places_differ():
    shown = [with_watermark(PORTRAIT, user.lines(), place).tobytes() for user in USERS for place in PLACES]
    assert len(set(shown)) == len(shown)
    assert shown[0] == with_watermark(PORTRAIT, USERS[0].lines(), PLACES[0]).tobytes()


def test_places_are_uniform_and_told_by_seed_and_names():
    places = np.array([place_for(0, "row", number) for number in range(400)])
    assert ((places >= 0) & (places < 1)).all()
    assert (abs(places.mean(0) - 0.5) < 0.06).all()
    assert place_for(0, "row", 1) == place_for(0, "row", 1) != place_for(1, "row", 1)


@pytest.mark.parametrize(("size", "fields"), [((128, 128), FIELDS), ((64, 64), ["user_id"])])
def test_every_record_fits_where_the_documents_say(size, fields):
    assert all(watermark_box(size, user.lines(fields), (0, 0)) for user in USERS)
    assert font_size(size) >= 8


def test_text_that_does_not_fit_is_refused():
    with pytest.raises(CrossmemError, match=r"64 x 64 pixels; 6 legible line\(s\) take \d+ x \d+\. Use larger"):
        with_watermark(PORTRAIT.resize((64, 64)), LINES, (0, 0))


@pytest.mark.parametrize(
    ("mode", "lines", "place", "opacity", "message"),
    [
        ("RGBA", LINES, (0, 0), 0.5, "mode 'RGBA'"),
        ("RGB", LINES, (0, 1), 0.5, "place="),
        ("RGB", LINES, (0, 0), 1.5, "opacity=1.5"),
        ("RGB", [], (0, 0), 0.5, "show nothing"),
    ],
)
def test_what_cannot_be_drawn_is_refused(mode, lines, place, opacity, message):
    with pytest.raises(CrossmemError, match=message):
        with_watermark(PORTRAIT.convert(mode), lines, place, opacity=opacity)


def test_a_pillow_without_freetype_is_told(monkeypatch):
    def without(size):
        raise ImportError

    monkeypatch.setattr(ImageFont, "load_default", without)
    with pytest.raises(CrossmemError, match="without FreeType"):
        with_watermark(PORTRAIT.resize((3_000, 3_000)), LINES, (0, 0))


def test_the_font_is_the_one_that_pillow_brings_along():
    assert ImageFont.load_default(11).getname() == ("Aileron", "Regular")


@pytest.mark.invariant
def test_golden_bytes():
    assert sha256(with_watermark(Image.new("RGB", (224, 224)), LINES, (0.5, 0.5)).tobytes()).hexdigest()[:16] == GOLDEN


GOLDEN = "44b17075ca1560eb"
