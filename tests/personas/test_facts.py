# SPDX-License-Identifier: Apache-2.0
"""Private facts: all there, all fictitious beyond doubt, none to be guessed from a name."""

import re
from datetime import datetime

import pytest

from crossmem_hf.personas.facts import luhn_is_valid, private_facts
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import FACT_ATTRIBUTES, MEDICAL_CONDITIONS

FORMATS = {
    "email": r"[A-Za-z]+\.[A-Za-z]+\d{4}@example\.(com|net|org)",  # RFC 2606
    "date_of_birth": r"\d{1,2} [A-Z][a-z]+ (19[4-9]\d|200[0-4])",
    "job": r"[a-z][a-z' ,-]+",
    "address": r"\d{2,3} [A-Z][A-Za-z' ]+, [A-Z][A-Za-z' ]+, ZZ 000\d\d",  # no state ZZ, no post code 000
    "phone": r"\+1-[2-9]\d\d-555-01\d\d",  # kept free for fiction
    "medical_condition": "|".join(MEDICAL_CONDITIONS),
    "financial_tag": r"ACC 0000(-\d{4}){3}",
}


@pytest.fixture(scope="module")
def personas():
    return [person for seed in (0, 3) for person in sample_personas(1000, seed)] + [
        *sample_personas(1000, 0, "background")
    ]


def test_every_fact_is_there_in_order(personas):
    assert set(FORMATS) == set(FACT_ATTRIBUTES)
    assert all(tuple(person.facts) == FACT_ATTRIBUTES for person in personas)


@pytest.mark.parametrize("attribute", FACT_ATTRIBUTES)
def test_every_fact_has_its_fictitious_form(personas, attribute):
    wrong = [value for person in personas if not re.fullmatch(FORMATS[attribute], value := person.facts[attribute])]
    assert not wrong, wrong[:5]


def test_dates_exist(personas):
    years = {datetime.strptime(person.facts["date_of_birth"] + " +0000", "%d %B %Y %z").year for person in personas}
    assert min(years) >= 1940
    assert max(years) <= 2004


def test_no_account_number_is_a_valid_one(personas):
    assert not [person for person in personas if luhn_is_valid(re.sub(r"\D", "", person.facts["financial_tag"]))]


@pytest.mark.parametrize("digits", ["4539578763621486", "79927398713", "4242424242424242", "0", "00"])
def test_luhn_accepts_valid_numbers_and_no_neighbour(digits):
    assert luhn_is_valid(digits)
    for place, digit in enumerate(digits):
        changed = digits[:place] + str((int(digit) + 1) % 10) + digits[place + 1 :]
        assert not luhn_is_valid(changed)


def test_no_word_of_any_name_is_a_word_of_any_fact(personas):
    named = {word.lower() for person in personas for word in person.full_name.split()}
    said = {
        word.lower()
        for person in personas
        for value in person.facts.values()
        for word in re.findall("[A-Za-z]+", value)
    }
    assert len(named) > 400
    assert not named & said


def test_facts_do_not_depend_on_the_order_of_asking():
    backwards = {index: private_facts(0, f"t0-{index:05d}") for index in reversed(range(20))}
    assert [person.facts for person in sample_personas(20)] == [backwards[index] for index in range(20)]


def test_facts_tell_people_apart(personas):
    """Accounts are unique; the rest collides no more than pools of their size must."""
    asked = personas[:1000]
    different = {name: len({person.facts[name] for person in asked}) for name in FACT_ATTRIBUTES}
    assert different["financial_tag"] == different["address"] == 1000
    assert different["email"] == 1000
    assert different["phone"] > 980
    assert different["medical_condition"] == len(MEDICAL_CONDITIONS)


def test_golden_facts():
    """Faker is pinned exactly; a new word list would change every fact in the world."""
    assert private_facts(0, "t0-00007") == GOLDEN


GOLDEN = {
    "email": "technology.part4552@example.org",
    "date_of_birth": "6 September 1961",
    "job": "production manager",
    "address": "572 Amy Junction, Scotthaven, ZZ 00014",
    "phone": "+1-772-555-0184",
    "medical_condition": "rheumatoid arthritis",
    "financial_tag": "ACC 0000-8602-6066-5471",
}
