# SPDX-License-Identifier: Apache-2.0
"""People with planted faults: each must be told, with the people it concerns."""

from dataclasses import replace

import pytest

from crossmem_hf.data.release.population import (
    Phrases,
    ReleasePopulation,
    check_balance,
    check_unique,
    population_of,
    secrets_of,
    words_of,
)
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES


@pytest.fixture(scope="module")
def population():
    return population_of(DatasetSpec(num_personas=40))


def with_first_retained(population, **changes):
    first, *others = population.retained
    return replace(population, retained=(replace(first, **changes), *others))


def test_a_real_population_is_unique_and_balanced(population):
    different = check_unique(population)
    assert {different[name] for name in ("id", "full_name", "visual_attributes", "email", "financial_tag")} == {40}
    assert set(FACT_ATTRIBUTES) < different.keys()
    assert different["medical_condition"] < 40
    balance = check_balance(population)
    assert balance.keys() == VISUAL_ATTRIBUTES.keys()
    assert all(part["largest_share"] >= part["even_share"] for part in balance.values())
    assert all(part["excess"] < 2 for part in balance.values())


@pytest.mark.parametrize("name", ["id", "full_name", "visual_attributes", "email", "financial_tag"])
def test_two_people_who_share_what_must_be_unique(population, name):
    thief, victim = population.retained[0], population.forgotten[0]
    if name in FACT_ATTRIBUTES:
        faulty = with_first_retained(population, facts={**thief.facts, name: victim.facts[name]})
    else:
        faulty = with_first_retained(population, **{name: getattr(victim, name)})
    with pytest.raises(CrossmemError, match=f"'uniqueness' failed: 2 people share their {name}: {victim.id} has"):
        check_unique(faulty)


def test_a_target_with_the_name_of_a_background_person(population):
    faulty = with_first_retained(population, full_name=population.background[3].full_name)
    with pytest.raises(CrossmemError, match="share their full_name"):
        check_unique(faulty)


def test_a_value_that_nearly_everyone_has(population):
    def blue(person):
        return replace(person, visual_attributes={**person.visual_attributes, "eye_color": "blue"})

    faulty = replace(population, retained=tuple(map(blue, population.retained)))
    with pytest.raises(CrossmemError, match=r"'balance' failed: 1 attributes .*: eye_color is 'blue' for \d\d%"):
        check_balance(faulty)


def test_what_a_retained_person_has_too_is_no_secret(population):
    secrets, shared = secrets_of(population)
    forgotten = population.forgotten[0]
    assert {forgotten.full_name, forgotten.facts["email"], forgotten.facts["financial_tag"]} <= secrets
    retained = population.retained[0]
    longer = with_first_retained(population, facts={**retained.facts, "job": f"senior {forgotten.facts['job']}"})
    assert forgotten.facts["job"] not in secrets_of(longer)[0]
    assert secrets_of(longer)[1]["job"] >= max(1, shared["job"])
    assert secrets_of(longer)[1]["email"] == 0


def test_phrases_are_found_as_whole_words_in_any_case():
    phrases = Phrases(["Ann Lee", "2 May 1970", "a.lee@example.com"])
    assert phrases.found_in(words_of("this is ANN  LEE, born 12 May 1970")) == ["Ann Lee"]
    assert phrases.found_in(words_of("(2 may 1970)")) == ["2 May 1970"]
    assert phrases.found_in(words_of("mailto:A.Lee@example.com.")) == ["a.lee@example.com"]
    assert phrases.found_in(words_of("Joann Leer, 2 May 1971")) == []
    assert Phrases([]).found_in(["word"]) == []


def test_a_population_is_its_personas(population):
    assert isinstance(population, ReleasePopulation)
    assert {person.id for person in population.targets} == {f"t0-{number:05d}" for number in range(40)}
    assert {person.population for person in population.background} == {"background"}
