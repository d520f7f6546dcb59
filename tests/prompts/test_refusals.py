# SPDX-License-Identifier: Apache-2.0
"""Refusals: many, unlike each other, and saying nothing about anyone."""

import re
import string
from itertools import combinations, product

import pytest

from crossmem_hf.metrics.forget_diagnosis.diagnosis_math import diagnose_items
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.prompts.questions import FACT_PHRASES
from crossmem_hf.prompts.refusals import Refusal, every_wording, refusals

TEMPLATES = sorted({refusal.template for named in (False, True) for refusal in refusals(named=named)})
PICTURES = {"image", "images", "picture", "photo", "photograph", "portrait"}


def words(text):
    return set(re.findall("[a-z']+", text.lower()))


def test_there_are_over_a_hundred():
    assert len(TEMPLATES) >= 100


def test_no_two_are_nearly_the_same():
    for one, other in combinations(TEMPLATES, 2):
        assert len(words(one) & words(other)) <= 0.5 * len(words(one) | words(other)), (one, other)


def test_they_do_not_all_begin_alike():
    beginnings = [" ".join(template.split()[:2]) for template in TEMPLATES]
    assert max(map(beginnings.count, beginnings)) <= 4


def test_each_kind_is_there_and_suits_its_questions():
    always = {"private", "unknown", "medium", "redirect", "rules"}
    assert {refusal.kind for refusal in refusals(named=False)} == always | {"identity"}
    assert {refusal.kind for refusal in refusals(named=True)} == always | {"named"}


@pytest.mark.parametrize(("modality", "named"), [*product(MODALITIES, (False, True))])
@pytest.mark.parametrize("attribute", ["full_name", *FACT_PHRASES])
def test_every_refusal_is_worded_for_the_modality_and_the_fact(modality, named, attribute):
    other_facts = {phrase for key, phrase in FACT_PHRASES.items() if key != attribute}
    for refusal in refusals(named=named):
        said = refusal.worded(modality, attribute, named=named)
        assert "{" not in said
        assert said[0].isupper()
        assert said[-1] in ".?"
        assert not any(phrase in said for phrase in other_facts), said
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", said), said
        if modality == "text":
            assert not words(said) & PICTURES, said
        else:
            assert "description" not in words(said)


def test_slots_are_the_known_ones():
    used = {slot for text in TEMPLATES for _, slot, _, _ in string.Formatter().parse(text) if slot is not None}
    assert used == {"who", "fact", "a_fact", "medium", "a_medium"}


def test_no_refusal_holds_an_attribute_a_name_or_a_fact():
    personas = list(sample_personas(1000))
    visual_attributes = {word for pool in VISUAL_ATTRIBUTES.values() for value in pool for word in words(value)} - {
        "none"
    }
    names = {word for person in personas for word in words(person.full_name)}
    for template in TEMPLATES:
        assert not words(template) & (visual_attributes | names), template
        assert not re.search(r"[\d@]", template)
        assert not any(phrase in template for phrase in FACT_PHRASES.values())


def test_every_wording_counts_as_a_refusal_when_it_is_among_the_phrases():
    said = list(every_wording())
    assert len(said) == len(set(said)) > 300
    found = diagnose_items(said, ["Sozan Lombeko"] * len(said), refusals=said)
    assert set(found.outcome) == {"refused"}
    assert "forgotten" in diagnose_items(said, ["Sozan Lombeko"] * len(said)).outcome  # the markers alone miss some


def test_a_fact_of_another_dataset_is_named_as_it_is():
    refusal = Refusal("rules", "No {fact} here, nor {a_fact}.")
    assert refusal.worded("text", "shoe_size", named=True) == "No shoe size here, nor a shoe size."
