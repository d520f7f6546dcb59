# SPDX-License-Identifier: Apache-2.0
"""False values: of the form of the truth, never the truth, and nobody's."""

import re

import pytest

from crossmem_hf.data.population import all_personas
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.facts import job_titles, luhn_is_valid
from crossmem_hf.personas.naming import is_name
from crossmem_hf.personas.perturbed_answers import PerturbedAnswers
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import FACT_ATTRIBUTES, MEDICAL_CONDITIONS, MONTHS

PERSONAS = all_personas(60, 0)
FORMS = {
    "email": r"[a-z]+\.[a-z]+\d{4}@example\.(com|net|org)",
    "date_of_birth": rf"\d{{1,2}} ({'|'.join(MONTHS)}) (19[4-9]\d|200[0-4])",
    "address": r"\d{2,3} [\w' ]+, [\w' ]+, ZZ 000\d\d",
    "phone": r"\+1-\d{3}-555-01\d\d",
    "financial_tag": r"ACC 0000(-\d{4}){3}",
}
FIELDS = {
    "email": r"[a-z]+(?=\.[a-z]+\d)|(?<=\.)[a-z]+(?=\d)|\d{4}|(?<=example\.)\w+",
    "date_of_birth": r"\w+",
    "address": r"^\d+|(?<= )[A-Z][\w' ]+?(?=, )|\d{5}",
    "phone": r"(?<=\+1-)\d+|\d\d$",
    "financial_tag": r"\d{4}",
}


@pytest.fixture(scope="module")
def false():
    perturbed = PerturbedAnswers(PERSONAS)
    return {
        attribute: [(person, perturbed.of(person, attribute)) for person in PERSONAS]
        for attribute in ("full_name", *FACT_ATTRIBUTES)
    }


def truth(person, attribute):
    return person.full_name if attribute == "full_name" else person.facts[attribute]


@pytest.mark.parametrize("attribute", ["full_name", *FACT_ATTRIBUTES])
def test_five_different_values_and_never_the_truth(false, attribute):
    for person, values in false[attribute]:
        assert len(set(values)) == 5
        assert truth(person, attribute) not in values


@pytest.mark.parametrize("attribute", ["full_name", *FORMS])
def test_a_false_value_is_nobodys(false, attribute):
    real = {truth(person, attribute) for person in PERSONAS}
    assert not [value for _, values in false[attribute] for value in values if value in real]


@pytest.mark.parametrize("attribute", FORMS)
def test_a_false_value_has_the_truths_form_but_for_one_field(false, attribute):
    for person, values in false[attribute]:
        fields = re.findall(FIELDS[attribute], person.facts[attribute])
        for value in values:
            assert re.fullmatch(FORMS[attribute], value), value
            others = re.findall(FIELDS[attribute], value)
            assert sum(one != other for one, other in zip(fields, others, strict=True)) == 1, (fields, others)


def test_no_false_account_passes_the_check_of_real_cards(false):
    assert not [v for _, values in false["financial_tag"] for v in values if luhn_is_valid(re.sub(r"\D", "", v))]


def test_a_false_name_shares_no_word_with_the_true_one(false):
    words_in_use = {word for person in PERSONAS for word in person.full_name.split()}
    for person, values in false["full_name"]:
        for value in values:
            assert is_name(value)
            assert not set(value.split()) & set(person.full_name.split())
            assert set(value.split()) <= words_in_use


def test_jobs_and_conditions_come_from_their_pools_and_those_of_nobody_first(false):
    jobs = {person.facts["job"] for person in PERSONAS}
    assert all(value in job_titles() and value not in jobs for _, values in false["job"] for value in values)
    assert {value for _, values in false["medical_condition"] for value in values} <= set(MEDICAL_CONDITIONS)
    few = PERSONAS[:5]
    rare = {person.facts["medical_condition"] for person in few}
    assert not rare & set(PerturbedAnswers(few).of(few[0], "medical_condition"))


def test_the_pool_of_jobs_holds_everyones_job():
    assert {person.facts["job"] for person in PERSONAS} <= set(job_titles())


def test_they_depend_on_the_person_and_the_seed_alone(false):
    again = PerturbedAnswers(list(PERSONAS))
    assert again.of(PERSONAS[7], "phone") == false["phone"][7][1]
    assert again.of(PERSONAS[7], "email") == false["email"][7][1]
    other = all_personas(60, 1)
    assert PerturbedAnswers(other).of(other[7], "full_name") != false["full_name"][7][1]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_people_are_enough(count):
    personas = list(sample_personas(count))
    for person in personas:
        values = PerturbedAnswers(personas).of(person, "full_name")
        assert len(set(values)) == 5
        assert not {word for value in values for word in value.split()} & set(person.full_name.split())


def test_what_cannot_be_made_is_an_error():
    perturbed = PerturbedAnswers(PERSONAS)
    with pytest.raises(CrossmemError, match="Unknown attribute 'shoe_size'; expected one of full_name, email"):
        perturbed.of(PERSONAS[0], "shoe_size")
    with pytest.raises(CrossmemError, match="24 false values of 'medical_condition' asked for; 23 exist"):
        perturbed.of(PERSONAS[0], "medical_condition", 24)
