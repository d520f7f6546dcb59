# SPDX-License-Identifier: Apache-2.0
"""The words said to image models: whole, apart between splits, and without a person in them."""

from itertools import combinations
from string import Formatter

import pytest

from crossmem_hf.personas.schema import NEAR_SPLITS
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts import portraits as words

FAMILIES = {
    "layouts": {split: set(places) for split, places in words.PLACES.items()},
    "places": {split: set(places.values()) for split, places in words.PLACES.items()},
    "poses": words.POSES,
    "lights": words.LIGHTS,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_phrase_occurs_in_two_splits(family):
    phrases = FAMILIES[family]
    assert set(phrases) == set(NEAR_SPLITS)
    for one, other in combinations(NEAR_SPLITS, 2):
        assert len(phrases[one]) > 1
        assert not set(phrases[one]) & set(phrases[other])


def test_no_scene_says_anything_of_visual_attributes():
    """A place or a light with a look's word in it would change who is seen."""
    visual_attributes = {word for pool in VISUAL_ATTRIBUTES.values() for value in pool for word in value.split()} - {
        "none"
    }
    said = {
        word
        for family in ("places", "poses", "lights")
        for phrases in FAMILIES[family].values()
        for phrase in phrases
        for word in phrase.split()
    }
    assert not visual_attributes & said


def test_every_value_has_its_words():
    assert set(words.HAIR) == set(VISUAL_ATTRIBUTES["hair_style"])
    assert set(words.CLOTHES) == set(VISUAL_ATTRIBUTES["clothing"])
    assert {*words.EYEWEAR, "none"} == set(VISUAL_ATTRIBUTES["eyewear"])
    assert {*words.CHEEKS, "none"} == set(VISUAL_ATTRIBUTES["cheeks"])


def test_frames_have_room_for_attributes_and_scenes_only():
    assert slots(words.ANCHOR_PROMPT) == {"attributes"}
    assert slots(words.VIEW_PROMPT) == {"attributes", "pose", "place", "light"}
    known = {*VISUAL_ATTRIBUTES, "hair", "clothes"}
    assert {slot for phrase in words.TRAITS.values() for slot in slots(phrase)} <= known
    assert words.VIEW_PROMPT.index("{attributes}") < words.VIEW_PROMPT.index("{pose}"), "what may be lost stands last"


def slots(template):
    return {name for _, name, _, _ in Formatter().parse(template) if name}
