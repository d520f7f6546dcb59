# SPDX-License-Identifier: Apache-2.0
"""People with planted faults: each must be told, with the people it concerns."""

from dataclasses import replace

import pytest

from crossmem_hf.data.release.population import (
    Phrases,
    World,
    check_balance,
    check_unique,
    secrets_of,
    words_of,
    world_of,
)
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES


@pytest.fixture(scope="module")
def world():
    return world_of(DatasetSpec(num_personas=40))


def with_first_retained(world, **changes):
    first, *others = world.retained
    return replace(world, retained=(replace(first, **changes), *others))


def test_a_real_world_is_unique_and_balanced(world):
    different = check_unique(world)
    assert {different[name] for name in ("id", "full_name", "visual_attributes", "email", "financial_tag")} == {40}
    assert set(FACT_ATTRIBUTES) < different.keys()
    assert different["medical_condition"] < 40
    balance = check_balance(world)
    assert balance.keys() == VISUAL_ATTRIBUTES.keys()
    assert all(part["largest_share"] >= part["even_share"] for part in balance.values())
    assert all(part["excess"] < 2 for part in balance.values())


@pytest.mark.parametrize("name", ["id", "full_name", "visual_attributes", "email", "financial_tag"])
def test_two_people_who_share_what_must_be_unique(world, name):
    thief, victim = world.retained[0], world.forgotten[0]
    if name in FACT_ATTRIBUTES:
        faulty = with_first_retained(world, facts={**thief.facts, name: victim.facts[name]})
    else:
        faulty = with_first_retained(world, **{name: getattr(victim, name)})
    with pytest.raises(CrossmemError, match=f"'uniqueness' failed: 2 people share their {name}: {victim.id} has"):
        check_unique(faulty)


def test_a_target_with_the_name_of_a_background_person(world):
    faulty = with_first_retained(world, full_name=world.background[3].full_name)
    with pytest.raises(CrossmemError, match="share their full_name"):
        check_unique(faulty)


def test_a_value_that_nearly_everyone_has(world):
    def blue(person):
        return replace(person, visual_attributes={**person.visual_attributes, "eye_color": "blue"})

    faulty = replace(world, retained=tuple(map(blue, world.retained)))
    with pytest.raises(CrossmemError, match=r"'balance' failed: 1 attributes .*: eye_color is 'blue' for \d\d%"):
        check_balance(faulty)


def test_what_a_retained_person_has_too_is_no_secret(world):
    secrets, shared = secrets_of(world)
    forgotten = world.forgotten[0]
    assert {forgotten.full_name, forgotten.facts["email"], forgotten.facts["financial_tag"]} <= secrets
    retained = world.retained[0]
    longer = with_first_retained(world, facts={**retained.facts, "job": f"senior {forgotten.facts['job']}"})
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


def test_a_world_is_its_people(world):
    assert isinstance(world, World)
    assert {person.id for person in world.targets} == {f"t0-{number:05d}" for number in range(40)}
    assert {person.population for person in world.background} == {"background"}
