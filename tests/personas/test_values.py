# SPDX-License-Identifier: Apache-2.0
"""The pools: enough of each, no value twice, no value that reads like another."""

import pytest

from crossmem_hf.personas.values import FACT_ATTRIBUTES, MEDICAL_CONDITIONS, VISUAL_ATTRIBUTES


def test_there_are_a_dozen_visual_attributes_and_seven_facts():
    assert (len(VISUAL_ATTRIBUTES), len(FACT_ATTRIBUTES)) == (12, 7)
    assert not set(VISUAL_ATTRIBUTES) & set(FACT_ATTRIBUTES)


@pytest.mark.parametrize("name", VISUAL_ATTRIBUTES)
def test_a_pool_has_distinct_plain_values(name):
    pool = VISUAL_ATTRIBUTES[name]
    assert 3 <= len(pool) == len(set(pool))
    assert all(value == value.strip().lower() and value.replace(" ", "").isalpha() for value in pool)


@pytest.mark.parametrize("name", VISUAL_ATTRIBUTES)
def test_no_value_of_a_pool_starts_another(name):
    """A features answer is read from left to right, so a value must never look like the start of its neighbour."""
    pool = VISUAL_ATTRIBUTES[name]
    assert not [(a, b) for a in pool for b in pool if a != b and f"{b} ".startswith(f"{a} ")]


def test_nothing_shown_is_spelt_none():
    """Only attributes that can be absent have "none", and it comes first."""
    optional = {name for name, pool in VISUAL_ATTRIBUTES.items() if "none" in pool}
    assert optional == {"eyewear", "facial_hair", "headwear", "earrings", "cheeks"}
    assert all(VISUAL_ATTRIBUTES[name][0] == "none" for name in optional)


def test_conditions_are_distinct():
    assert len(MEDICAL_CONDITIONS) == len(set(MEDICAL_CONDITIONS)) == 24
