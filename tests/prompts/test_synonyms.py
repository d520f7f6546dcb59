# SPDX-License-Identifier: Apache-2.0
"""Other words: one for every value and fact, no two alike, and none that says something else, a name or a secret."""

import re
from itertools import combinations, permutations

import pytest

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES
from crossmem_hf.prompts import questions, synonyms
from crossmem_hf.prompts.synonyms import FACT_SYNONYMS, SYNONYMS

SMALL = {"a", "and", "at", "full", "into", "of", "single", "up"}


def words(text):
    return set(re.findall("[a-z]+", text.lower()))


def test_there_is_one_for_every_value_and_every_fact():
    assert set(SYNONYMS) == set(VISUAL_ATTRIBUTES)
    for attribute, said in SYNONYMS.items():
        assert set(said) == {value for value in VISUAL_ATTRIBUTES[attribute] if value != "none"}
    assert tuple(FACT_SYNONYMS) == FACT_ATTRIBUTES


@pytest.mark.parametrize("attribute", SYNONYMS)
def test_no_two_values_share_one_and_none_has_a_plain_word(attribute):
    said = list(SYNONYMS[attribute].values())
    assert all(words(one) - words(other) - SMALL for one, other in permutations(said, 2))
    plain = set().union(*(words(value) for value in VISUAL_ATTRIBUTES[attribute]))
    assert not [text for text in said if (words(text) & plain) - SMALL]


def test_facts_are_told_apart_and_called_otherwise_than_usual():
    assert len(set(FACT_SYNONYMS.values())) == len(FACT_SYNONYMS)
    usual = questions.FACT_PHRASES
    assert not set(usual.values()) & set(FACT_SYNONYMS.values())
    for fact, other in permutations(FACT_ATTRIBUTES, 2):
        assert not words(FACT_SYNONYMS[fact]) & words(usual[other]) - SMALL, "it must not sound like another fact"


def test_far_and_wide_phrases_are_in_no_other_family():
    families = {"near": questions.TRAIT_PHRASES, **synonyms.TRAIT_PHRASES}
    for one, other in combinations(families, 2):
        assert set(families[one]) == set(families[other])
        for trait in families[one]:
            assert not set(families[one][trait]) & set(families[other][trait])


def test_they_hold_no_name_and_no_secret():
    personas = [*sample_personas(1000), *sample_personas(1000, 0, "background")]
    named = {word for person in personas for word in words(person.full_name)}
    secrets = {value.lower() for person in personas for value in person.facts.values()}
    texts = [text for said in SYNONYMS.values() for text in said.values()]
    texts += [text for family in synonyms.TRAIT_PHRASES.values() for ways in family.values() for text in ways]
    for text in (*texts, *FACT_SYNONYMS.values()):
        assert not words(text) & named
        assert not any(secret in text for secret in secrets)
