# SPDX-License-Identifier: Apache-2.0
"""Descriptions: everything a portrait shows, nothing else, and held-out frames that were never trained on."""

import re
from itertools import combinations, product

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import NEAR_SPLITS, VIEW_SPLITS
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts import synonyms
from crossmem_hf.prompts.questions import CHEEKS, DESCRIPTION_FRAMES, EYEWEAR, GARMENTS, HAIR_CUTS, TRAIT_PHRASES
from crossmem_hf.prompts.synonyms import SYNONYMS
from crossmem_hf.rendering.prose import describe

PERSONAS = [*sample_personas(200), *sample_personas(50, 3), *sample_personas(50, 0, "background")]
FAMILIES = (*VIEW_SPLITS, "wide")
CASES = [(person, split, person.index) for person in PERSONAS for split in FAMILIES]

# How a description words the attributes whose words are not their values, and slots that are not called like them.
PLAIN = {"hair_style": HAIR_CUTS, "clothing": GARMENTS, "eyewear": EYEWEAR, "cheeks": CHEEKS}
OWNERS = {"cut": "hair_style", "garment": "clothing"}
NEAR = (TRAIT_PHRASES, PLAIN)
WAYS = {
    **{split: [NEAR] for split in NEAR_SPLITS},
    "far": [(synonyms.TRAIT_PHRASES["far"], SYNONYMS)],
    "wide": [
        (templates, words)
        for templates in (TRAIT_PHRASES, synonyms.TRAIT_PHRASES["wide"])
        for words in (PLAIN, SYNONYMS)
    ],
}


def phrases(ways):
    """Every phrase that may occur -> the attribute values that it says."""
    said = {}
    for templates, worded in ways:
        for template in (template for some in templates.values() for template in some):
            slots = re.findall(r"\{(\w+)\}", template)
            owners = [OWNERS.get(slot, slot) for slot in slots]
            for values in product(*(VISUAL_ATTRIBUTES[owner] for owner in owners)):
                if "none" in values:
                    continue
                words = {
                    slot: worded.get(owner, {}).get(value, value)
                    for slot, owner, value in zip(slots, owners, values, strict=True)
                }
                phrase, means = template.format(**words), dict(zip(owners, values, strict=True))
                assert said.get(phrase, means) == means, f"{phrase!r} is said of two different attributes"
                said[phrase] = means
    return said


FILLER = f"(?:{'|'.join(synonyms.FILLERS)})"
PHRASES = {family: phrases(ways) for family, ways in WAYS.items()}


def read_back(text, family):
    """The visual attributes that a description states, and what is left of it once they are taken out."""
    visual_attributes = {name: "none" for name, pool in VISUAL_ATTRIBUTES.items() if "none" in pool}
    for phrase in sorted((one for one in PHRASES[family] if one in text), key=len, reverse=True):
        text, found = re.subn(rf"(?<![a-z]){phrase}(?=[.,]| and | is looking| form this)", "#", text)
        if found:
            assert found == 1, f"{phrase!r} twice"
            visual_attributes |= PHRASES[family][phrase]
    return visual_attributes, text


def test_a_description_says_all_visual_attributes_and_nothing_else():
    """Reading it back gives the attributes that the portrait draws; what remains is one of the family's frames. So two
    people who look different are described differently."""
    for person, split, index in CASES:
        description = describe(person, split, index)
        text = re.sub(rf"(?: {FILLER})+(?=\.$)", "", description.text) if split == "wide" else description.text
        visual_attributes, rest = read_back(text, split)
        assert visual_attributes == dict(person.visual_attributes), description.text
        if split == "wide":  # words without meaning before phrases, or in the place of a frame
            rest = re.sub(rf"{FILLER} (?=#)", "", rest)
            if re.fullmatch(rf"(?:{FILLER} )*#(, #)* and #\.", rest):
                continue
        frame = DESCRIPTION_FRAMES[split][int(description.template.removeprefix(f"{split}-"))]
        assert re.sub(r"#(, #)* and #", "{traits}", rest) == frame, description.text


def test_every_value_shown_is_written_in_near_descriptions():
    for person, split, index in CASES:
        text = describe(person, split, index).text
        values = [value for value in person.visual_attributes.values() if value != "none"]
        assert split not in NEAR_SPLITS or all(re.search(rf"\b{value}\b", text) for value in values), text
        assert "none" not in text


def test_far_descriptions_have_no_word_of_the_values_that_they_say():
    for person in PERSONAS:
        plain = {word for value in person.visual_attributes.values() for word in value.split()}
        for index in range(8):
            text = describe(person, "far", index).text
            assert not plain & set(re.findall("[a-z]+", text.lower())), text


def test_wide_descriptions_have_plain_words_and_other_words():
    texts = [describe(person, "wide", index).text for person in PERSONAS[:20] for index in range(8)]
    assert any("violet" in text for text in texts)
    assert any("lilac" in text for text in texts)


def test_no_name_and_no_fact():
    words = {word.lower() for person in PERSONAS for word in person.full_name.split()}
    for person, split, index in CASES:
        text = describe(person, split, index).text.lower()
        assert not words & set(re.findall("[a-z]+", text)), text
        assert not any(value.lower() in text for value in person.facts.values())
        assert not re.search(r"\d|@", text)


def test_every_value_can_be_said():
    for family in PHRASES.values():
        said = {(name, value) for stated in family.values() for name, value in stated.items()}
        assert said == {(name, value) for name, pool in VISUAL_ATTRIBUTES.items() for value in pool if value != "none"}


def test_frames_and_texts_of_families_never_meet():
    assert tuple(DESCRIPTION_FRAMES) == FAMILIES
    frames = [frame for split in FAMILIES for frame in DESCRIPTION_FRAMES[split]]
    assert len({re.sub("[^a-z]", "", frame.lower()) for frame in frames}) == len(frames)
    for person in PERSONAS[:20]:
        texts = [{describe(person, split, index).text for index in range(60)} for split in FAMILIES]
        assert all(not one & other for one, other in combinations(texts, 2))


@pytest.mark.parametrize("split", FAMILIES)
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
    (
        "the boxy face, a jacket and tie dyed plum, the help of circular spectacles, eyes in coffee, the chin "
        "tuft, hair plaited, chestnut throughout, a gash to be seen on the cheeks, ebony skin all over and a "
        "sweatband above the hair, such is the face before us."
    ),
]


@pytest.mark.parametrize(("split", "index"), [("holdout", 0), ("train", -1)])
def test_descriptions_nobody_has(split, index):
    with pytest.raises(CrossmemError, match=f"No description {index} in split '{split}'"):
        describe(PERSONAS[0], split, index)
