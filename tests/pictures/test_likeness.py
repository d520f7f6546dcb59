# SPDX-License-Identifier: Apache-2.0
from io import BytesIO

import pytest
from PIL import Image

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.pictures.likeness import NUM_BITS, distance, nearest, picture_hash
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.views import view_for

PERSONAS = list(sample_personas(30))


def file_of(picture, kind="PNG"):
    buffer = BytesIO()
    picture.save(buffer, format=kind)
    return buffer.getvalue()


def portrait(person, split="train", size=64):
    return render_portrait(person, view_for(person, split, 0), size)


@pytest.mark.parametrize("other", [{"size": 128}, {"kind": "JPEG"}, {"size": 48, "kind": "WEBP"}])
def test_size_and_format_hardly_move_a_hash(other):
    for person in PERSONAS[:8]:
        usual = picture_hash(file_of(portrait(person)))
        changed = picture_hash(file_of(portrait(person, size=other.get("size", 64)), other.get("kind", "PNG")))
        assert distance(usual, changed) <= NUM_BITS // 8


def test_people_are_told_apart():
    hashes = [picture_hash(file_of(portrait(person))) for person in PERSONAS]
    places, bits = nearest(hashes)
    assert min(bits) > 16
    assert all(places[place] != number or bits[place] == bits[number] for number, place in enumerate(places))
    assert all(distance(hashes[k], hashes[places[k]]) == bits[k] for k in range(len(PERSONAS)))


def test_a_brighter_right_side_sets_every_bit():
    ramp = Image.linear_gradient("L").rotate(90)
    assert {distance(picture_hash(file_of(ramp)), picture_hash(file_of(ramp.rotate(180))))} == {NUM_BITS}
