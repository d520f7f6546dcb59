# SPDX-License-Identifier: Apache-2.0
"""Descriptions: everything a portrait shows, nothing else, and held-out frames that were never trained on."""

import re
from itertools import product

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import VIEW_SPLITS
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts.questions import CHEEKS, DESCRIPTION_FRAMES, EYEWEAR, GARMENTS, HAIR_CUTS, TRAIT_PHRASES
from crossmem_hf.rendering.prose import describe

PERSONAS = [*sample_personas(200), *sample_personas(50, 3), *sample_personas(50, 0, "background")]
CASES = [(person, split, person.index) for person in PERSONAS for split in VIEW_SPLITS]

# How a description words the attributes whose words are not their values.
WORDED = {"hair_style": ("cut", HAIR_CUTS), "clothing": ("garment", GARMENTS), "eyewear": ("eyewear", EYEWEAR),
          "cheeks": ("cheeks", CHEEKS)}  # fmt: skip


def phrases():
    """Every phrase that may occur -> the attribute values that it says."""
    said = {}
    for templates in TRAIT_PHRASES.values():
        slots = re.findall(r"\{(\w+)\}", templates[0])
        owners = [next((name for name, (slot, _) in WORDED.items() if slot == field), field) for field in slots]
        for values in product(*(VISUAL_ATTRIBUTES[owner] for owner in owners)):
            if "none" in values:
                continue
            words = {field: WORDED[owner][1][value] if owner in WORDED else value
                     for field, owner, value in zip(slots, owners, values, strict=True)}  # fmt: skip
            for template in templates:
                phrase = template.format(**words)
                assert phrase not in said, f"{phrase!r} is said of two different attributes"
                said[phrase] = dict(zip(owners, values, strict=True))
    return said


PHRASES = phrases()


def read_back(text):
    """The visual attributes that a description states, and what is left of it once they are taken out."""
    visual_attributes = {name: "none" for name, pool in VISUAL_ATTRIBUTES.items() if "none" in pool}
    for phrase in sorted(PHRASES, key=len, reverse=True):
        text, found = re.subn(rf"(?<![a-z]){phrase}(?=[.,]| and )", "#", text)
        if found:
            assert found == 1, f"{phrase!r} twice"
            visual_attributes |= PHRASES[phrase]
    return visual_attributes, text


def test_a_description_says_all_visual_attributes_and_nothing_else():
    """Reading it back gives the attributes that the portrait draws; what remains is one of the split's frames."""
    for person, split, index in CASES:
        description = describe(person, split, index)
        visual_attributes, rest = read_back(description.text)
        assert visual_attributes == dict(person.visual_attributes), description.text
        frame = DESCRIPTION_FRAMES[split][int(description.template.removeprefix(f"{split}-"))]
        assert re.sub(r"#(, #)* and #", "{traits}", rest) == frame, description.text


def test_every_value_that_is_shown_is_written():
    for person, split, index in CASES:
        text = describe(person, split, index).text
        assert all(
            re.search(rf"\b{value}\b", text) for value in person.visual_attributes.values() if value != "none"
        ), text
        assert "none" not in text


def test_no_name_and_no_fact():
    words = {word.lower() for person in PERSONAS for word in person.full_name.split()}
    for person, split, index in CASES:
        text = describe(person, split, index).text.lower()
        assert not words & set(re.findall("[a-z]+", text)), text
        assert not any(value.lower() in text for value in person.facts.values())
        assert not re.search(r"\d|@", text)


def test_every_value_can_be_said():
    said = {(name, value) for stated in PHRASES.values() for name, value in stated.items()}
    assert said == {(name, value) for name, pool in VISUAL_ATTRIBUTES.items() for value in pool if value != "none"}


def test_frames_and_texts_of_splits_never_meet():
    frames = [frame for split in VIEW_SPLITS for frame in DESCRIPTION_FRAMES[split]]
    assert len({re.sub("[^a-z]", "", frame.lower()) for frame in frames}) == len(frames)
    for person in PERSONAS[:20]:
        texts = [{describe(person, split, index).text for index in range(60)} for split in VIEW_SPLITS]
        assert not texts[0] & texts[1]
        assert not texts[0] & texts[2]
        assert not texts[1] & texts[2]


@pytest.mark.parametrize("split", VIEW_SPLITS)
def test_there_are_many_paraphrases(split):
    for person in PERSONAS[:10]:
        assert len({describe(person, split, index).text for index in range(100)}) >= 98
    used = {describe(PERSONAS[0], split, index).template for index in range(len(DESCRIPTION_FRAMES[split]))}
    assert len(used) == len(DESCRIPTION_FRAMES[split])


def test_a_description_is_the_same_every_time():
    assert [describe(*case) for case in CASES[:50]] == [describe(*case) for case in reversed(CASES[:50])][::-1]


@pytest.mark.invariant
def test_golden_descriptions():
    assert [describe(PERSONAS[7], split, 1).text for split in VIEW_SPLITS] == GOLDEN


GOLDEN = [
    (
        "A portrait of someone with cheeks with a scar, a square face, purple clothes, a suit, a headband on "
        "the head, a goatee, a dark complexion, hair in braids that is brown, round glasses over the eyes and"
        " brown eyes."
    ),
    (
        "A face with brown eyes, brown hair in braids, purple clothes, a suit, a headband on top, a square "
        "face, cheeks with a scar, round glasses, a goatee and a dark complexion."
    ),
    (
        "The portrait shows a person who has a square face, hair in braids that is brown, a neat goatee, a "
        "headband on top, cheeks with a scar, round glasses over the eyes, a suit in purple, brown eyes and a"
        " dark complexion."
    ),
]


@pytest.mark.parametrize(("split", "index"), [("holdout", 0), ("train", -1)])
def test_descriptions_nobody_has(split, index):
    with pytest.raises(CrossmemError, match=f"No description {index} in split '{split}'"):
        describe(PERSONAS[0], split, index)
