# SPDX-License-Identifier: Apache-2.0
"""Names: one each, and no word of a target's name anywhere in the background."""

import re
from math import gcd

import pytest

from crossmem_hf.personas.naming import (
    FIRST_NAMES_PER_POPULATION,
    LAST_NAMES_PER_POPULATION,
    NAMES_PER_POPULATION,
    full_name,
)

SEEDS = (0, 1, 2, 77)


def names(seed, population):
    return [full_name(index, seed, population) for index in range(NAMES_PER_POPULATION)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("population", ["target", "background"])
def test_every_name_of_a_population_is_different(seed, population):
    assert gcd(FIRST_NAMES_PER_POPULATION, LAST_NAMES_PER_POPULATION) == 1
    assert len(set(names(seed, population))) == NAMES_PER_POPULATION == 11_021


def test_target_and_background_share_no_word_in_any_population():
    """Also across worlds: a base model trained on one background world knows no word of any target world."""
    words = {
        population: {word for seed in SEEDS for name in names(seed, population) for word in name.split()}
        for population in ("target", "background")
    }
    assert not words["target"] & words["background"]
    assert not {word.lower() for word in words["target"]} & {word.lower() for word in words["background"]}


def test_first_and_last_names_cannot_be_confused():
    firsts, lasts = zip(*(name.split() for name in names(0, "target") + names(0, "background")), strict=True)
    assert not {word.lower() for word in firsts} & {word.lower() for word in lasts}
    assert all(re.fullmatch("[A-Z][a-z]{3,}", word) for word in (*firsts, *lasts))


def test_populations_pair_the_words_differently():
    assert len(set(names(0, "target")[:1000]) & set(names(1, "target")[:1000])) < 200  # 91 by chance


def test_golden_names():
    assert [full_name(index, 0, "target") for index in range(3)] == GOLDEN_TARGET
    assert [full_name(index, 5, "background") for index in range(2)] == GOLDEN_BACKGROUND


GOLDEN_TARGET = ["Gophar Murgacho", "Dezan Lombimo", "Zephar Frimothe"]
GOLDEN_BACKGROUND = ["Dewy Threlovar", "Rewy Ilvaby"]
