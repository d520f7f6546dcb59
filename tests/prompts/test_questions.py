# SPDX-License-Identifier: Apache-2.0
"""The words shown to a model: complete, apart between splits, and without names."""

import re
import string
from itertools import combinations

import pytest

from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import MODALITIES, NEAR_SPLITS, VIEW_SPLITS
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES
from crossmem_hf.prompts import questions as prompts
from crossmem_hf.prompts.questions import (
    FACT_PHRASES,
    MULTI_HOP_QUESTIONS,
    REFUSALS,
    SINGLE_HOP_QUESTIONS,
    fact_question,
    features_answer,
    name_question,
    parse_features,
)
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS
from crossmem_hf.seeding import rng_for

QUESTIONS = [(template, split, hops) for hops, table in ((1, SINGLE_HOP_QUESTIONS), (2, MULTI_HOP_QUESTIONS))
             for split, templates in table.items() for template in templates]  # fmt: skip


def words(text):
    return set(re.findall("[a-z]+", text.lower()))


def templates():
    """Every string of the module that is shown to a model."""
    found = []
    stack = [value for name, value in vars(prompts).items() if name.isupper() and name != "VISUAL_ATTRIBUTES"]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            found.append(value)
        else:
            stack += value.values() if isinstance(value, dict) else value
    return found


# features


@pytest.mark.parametrize("start", range(4))
def test_features_are_read_back_exactly(start):
    """Over random visual attributes, not only those of personas."""
    for number in range(start, 2000, 4):
        rng = rng_for(0, "looks", number)
        visual_attributes = {name: rng.choice(pool) for name, pool in VISUAL_ATTRIBUTES.items()}
        answer = features_answer(visual_attributes)
        assert parse_features(answer) == visual_attributes
        assert parse_features(f"  {answer}\n") == visual_attributes


def test_a_cut_answer_is_read_up_to_the_cut():
    rng = rng_for(0, "cuts")
    names = list(VISUAL_ATTRIBUTES)
    for persona in sample_personas(200):
        pieces = list(persona.visual_attributes.values())
        kept = rng.randrange(12)
        read = parse_features(
            " ".join([*pieces[:kept], rng.choice(["", "mauve", "no", "sho", "none none none none none none"])])
        )
        assert [read[name] for name in names[:kept]] == pieces[:kept]
        if kept < 4:  # nothing among these attributes may be absent, so none of the tails can be read
            assert read[names[kept]] is None


@pytest.mark.parametrize(
    "text", ["", " ", "I do not know this person.", "Pale short black", "paleshort", "short pale"]
)
def test_nonsense_states_nothing(text):
    assert set(parse_features(text).values()) == {None}


def test_one_wrong_value_does_not_hide_those_before_it():
    visual_attributes = sample_personas(1)[0].visual_attributes
    read = parse_features(features_answer({**visual_attributes, "clothing": "toga"}))
    assert read["headwear"] == visual_attributes["headwear"]
    assert (read["clothing"], read["cheeks"]) == (None, None)


# questions


@pytest.mark.parametrize(("template", "split", "hops"), QUESTIONS)
@pytest.mark.parametrize("modality", MODALITIES)
def test_a_question_names_the_person_with_one_hop_only(template, split, hops, modality):
    persona = sample_personas(1)[0]
    for fact in FACT_ATTRIBUTES:
        queried = fact_question(template, modality, fact, name=persona.full_name, description="Someone with red hair.")
        assert (persona.full_name in queried) == (hops == 1), split
        assert FACT_PHRASES[fact] in queried
        other = fact_question(
            template, modality, fact, name=persona.full_name, description="Someone with red hair.", synonym=True
        )
        assert other == queried.replace(FACT_PHRASES[fact], FACT_SYNONYMS[fact])
        assert queried.startswith("Someone with red hair. ") == (modality == "text")
        assert "{" not in queried
        if hops == 2:
            assert ("in this image" in queried, "described" in queried) == (modality == "image", modality == "text")


def test_no_question_is_asked_in_two_splits():
    for table in (SINGLE_HOP_QUESTIONS, MULTI_HOP_QUESTIONS):
        assert all(not set(table[one]) & set(table[other]) for one, other in combinations(table, 2))
    assert not {t for t, _, hops in QUESTIONS if hops == 1} & {t for t, _, hops in QUESTIONS if hops == 2}


def test_every_fact_can_be_asked_for_in_different_words():
    assert tuple(FACT_PHRASES) == FACT_ATTRIBUTES
    assert len(set(FACT_PHRASES.values())) == len(FACT_PHRASES)


def test_both_modalities_have_each_question():
    assert set(prompts.NAME_QUESTIONS) == set(prompts.FEATURE_QUESTIONS) == set(MODALITIES)
    assert set(prompts.DESCRIPTION_FRAMES) == {*VIEW_SPLITS, "wide"}


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_far_view_asks_for_the_name_in_words_of_its_own(modality):
    near = {name_question(modality, split, view) for split in NEAR_SPLITS for view in range(NUM_HELD_OUT_VIEWS)}
    far = [name_question(modality, "far", view) for view in range(NUM_HELD_OUT_VIEWS)]
    assert near == {prompts.NAME_QUESTIONS[modality]}
    assert len(set(far) - near) == NUM_HELD_OUT_VIEWS
    assert all(text.startswith("{description} ") == (modality == "text") for text in far)
    assert all(prompts._WHO[modality] in text or "an image of a person" in text for text in far)


def test_an_unknown_fact_cannot_be_asked_for():
    with pytest.raises(KeyError, match="shoe_size"):
        fact_question(QUESTIONS[0][0], "image", "shoe_size", name="", description="")


# what must not be said


def test_no_template_holds_a_name_or_a_fact():
    personas = [*sample_personas(1000), *sample_personas(1000, 0, "background")]
    named = {word for person in personas for word in words(person.full_name)}
    fixed = {word for text in templates() for word in words(text)}
    assert len(templates()) > 60
    assert not fixed & named
    secrets = {value.lower() for person in personas for value in person.facts.values()}
    assert not [text for text in templates() if any(secret in text.lower() for secret in secrets)]


def test_refusals_say_nothing_about_anyone():
    values = {word for pool in VISUAL_ATTRIBUTES.values() for value in pool for word in words(value)} - {"none"}
    for refusal in REFUSALS:
        assert not words(refusal) & values
        assert not re.search(r"[\d@{}]", refusal)
        assert not any(phrase in refusal for phrase in FACT_PHRASES.values())
    assert len(set(REFUSALS)) == len(REFUSALS) >= 5


def test_slots_are_the_known_ones():
    known = {"description", "traits", "name", "fact", "who", "cut", "garment"} | set(VISUAL_ATTRIBUTES)
    used = {slot for text in templates() for _, slot, _, _ in string.Formatter().parse(text) if slot is not None}
    assert used <= known
