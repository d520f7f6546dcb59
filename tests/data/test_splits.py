# SPDX-License-Identifier: Apache-2.0
import random

import pytest

from crossmem_hf.data.splits import check_disjoint, forget_ids, forget_order
from crossmem_hf.errors import CrossmemError

PERSONAS = [f"t0-{index:05d}" for index in range(200)]


def test_larger_fractions_contain_smaller_ones():
    five, ten, twenty = (forget_ids(PERSONAS, fraction) for fraction in (0.05, 0.1, 0.2))
    assert (len(five), len(ten), len(twenty)) == (10, 20, 40)
    assert five < ten < twenty < set(PERSONAS)


def test_the_order_of_listing_plays_no_part():
    shuffled = random.Random(1).sample(PERSONAS, len(PERSONAS))
    assert forget_ids(shuffled, 0.2) == forget_ids(PERSONAS, 0.2)


def test_adding_people_keeps_the_relative_order_of_the_others():
    few = forget_order(PERSONAS[:50])
    among_many = [person for person in forget_order(PERSONAS) if person in set(few)]
    assert few == among_many


def test_another_seed_forgets_other_people():
    assert forget_ids(PERSONAS, 0.2, seed=0) != forget_ids(PERSONAS, 0.2, seed=1)


def test_the_choice_has_no_eye_for_position():
    # Were ids forgotten in listing order, the mean position would be 19.5; 99.5 is expected, with a deviation of 8.2.
    chosen = [PERSONAS.index(person) for person in forget_ids(PERSONAS, 0.2)]
    assert abs(sum(chosen) / len(chosen) - 99.5) < 4 * 8.2


def test_half_people_round_up():
    assert len(forget_ids(PERSONAS[:50], 0.05)) == 3


@pytest.mark.parametrize("fraction", [0, 1, -0.2, 1.5, float("nan"), "0.2", True])
def test_a_fraction_outside_the_open_interval_is_an_error(fraction):
    with pytest.raises(CrossmemError, match="expected a share above 0 and below 1"):
        forget_ids(PERSONAS, fraction)


@pytest.mark.parametrize(("fraction", "empty"), [(0.05, "forget"), (0.95, "retain")])
def test_an_empty_set_is_an_error(fraction, empty):
    with pytest.raises(CrossmemError, match=f"of 5 people leaves an empty {empty} set"):
        forget_ids(PERSONAS[:5], fraction)


def test_nobody_at_all_is_an_error():
    with pytest.raises(CrossmemError, match="of 0 people"):
        forget_ids([], 0.2)


def test_the_same_person_twice_is_an_error():
    with pytest.raises(CrossmemError, match=r"\['t0-00001'\] occur more than once among 3"):
        forget_ids(["t0-00000", "t0-00001", "t0-00001"], 0.4)


def test_one_persona_in_both_sets_is_an_error():
    check_disjoint(["a"], ["b"])
    with pytest.raises(CrossmemError, match=r"2 persona\(s\) are in both the forget and the retain set: 'b', 'c'"):
        check_disjoint(["a", "b", "c"], ["d", "c", "b"])


@pytest.mark.parametrize(("forget", "retain", "name"), [([], ["a"], "forget"), (["a"], [], "retain")])
def test_an_empty_side_is_an_error(forget, retain, name):
    with pytest.raises(CrossmemError, match=f"The {name} set is empty"):
        check_disjoint(forget, retain)


COMPOSED, TAKEN_APART = "Jos\u00e9", "Jose\u0301"


def test_one_person_has_many_spellings():
    with pytest.raises(CrossmemError, match="occur more than once among 3"):
        forget_ids([COMPOSED, TAKEN_APART, "b"], 0.4)
    with pytest.raises(CrossmemError, match=r"1 persona\(s\) are in both"):
        check_disjoint([COMPOSED, "a"], ["b", TAKEN_APART])
    check_disjoint([COMPOSED], ["Jose", "\u0915\u093e"])


def test_the_spelling_plays_no_part_in_who_is_forgotten():
    others = [f"p{number}" for number in range(9)]
    places = [forget_order([name, *others], seed=3).index(name) for name in (COMPOSED, TAKEN_APART)]
    assert places[0] == places[1]
