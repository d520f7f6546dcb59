# SPDX-License-Identifier: Apache-2.0
"""Who is drawn: the same people whatever is asked, balanced, apart from each other, at constant memory."""

import re
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas import sampling
from crossmem_hf.personas.sampling import capacity, sample_personas
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES

POPULATIONS = ("target", "background")
MAX_EXCESS = {20: 5, 50: 6, 200: 8, 1000: 12}  # people more or fewer with a value than an even share


def codes(personas):
    """(people, 12) index of each person's value in its pool."""
    rows = [
        [pool.index(person.visual_attributes[name]) for name, pool in VISUAL_ATTRIBUTES.items()] for person in personas
    ]
    return np.array(rows, dtype=np.int8)


def smallest_distance(first, second, *, same=False):
    """Fewest attributes in which someone of `first` differs from someone of `second`."""
    best = len(VISUAL_ATTRIBUTES)
    for start in range(0, len(first), 500):
        part = first[start : start + 500]
        apart = np.zeros((len(part), len(second)), dtype=np.int8)
        for column in range(part.shape[1]):
            apart += part[:, column, None] != second[None, :, column]
        if same:  # nobody is compared with themselves
            apart[np.arange(len(part)), np.arange(start, start + len(part))] = best
        best = min(best, int(apart.min()))
    return best


def drawn(count, seed=0, population="target"):
    """People with the facts of one of them, which take most of the time and decide nothing else."""
    facts = sampling.private_facts(seed, "anyone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "private_facts", lambda *_: facts)
        return list(sample_personas(count, seed, population))


@pytest.fixture(scope="module")
def all_personas():
    """All ten thousand people of one population."""
    return drawn(10_000)


def test_a_population_is_the_same_every_time():
    assert list(sample_personas(20, seed=4)) == list(sample_personas(20, seed=4))
    assert list(sample_personas(20, seed=4)) != list(sample_personas(20, seed=5))


@pytest.mark.parametrize("population", POPULATIONS)
def test_people_stay_who_they_are_when_more_are_asked_for(population):
    assert list(sample_personas(1000, 2, population))[:20] == list(sample_personas(20, 2, population))


def test_nobody_needs_those_before_them(all_personas):
    """Person k is a function of k: drawn backwards, one by one, they are the same."""
    personas = list(sample_personas(124))
    assert all(sampling._persona(index, 0, "target") == personas[index] for index in (123, 0))
    for index in (9_999, 5_000, 123):
        one, other = sampling._persona(index, 0, "target"), all_personas[index]
        assert (one.id, one.full_name, one.visual_attributes) == (other.id, other.full_name, other.visual_attributes)


def test_it_is_an_iterator_that_keeps_nobody():
    personas = iter(sample_personas(10_000, seed=9))
    assert isinstance(personas, Iterator)
    next(personas)
    tracemalloc.start()
    try:
        for _ in range(100):
            next(personas)
        after_some = tracemalloc.get_traced_memory()[0]
        for _ in range(400):
            next(personas)
        after_many = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after_many - after_some < 50_000  # bytes; 400 kept people would take over 800,000


def test_ten_thousand_people_have_ten_thousand_names_and_ids(all_personas):
    assert len({person.full_name for person in all_personas}) == len({person.id for person in all_personas}) == 10_000
    assert [person.index for person in all_personas] == list(range(10_000))


def test_ten_thousand_people_differ_in_three_attributes(all_personas):
    seen = codes(all_personas)
    assert smallest_distance(seen, seen, same=True) >= 3


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("seed", [1, 2, 31])
def test_any_two_people_of_a_population_differ_in_three_attributes(population, seed):
    seen = codes(drawn(1000, seed, population))
    assert smallest_distance(seen, seen, same=True) >= 3


@pytest.mark.parametrize("seed", [0, 1, 31])
def test_no_target_looks_like_anyone_of_any_background(all_personas, seed):
    """Also across worlds: the base model saw one background, studies use any target world."""
    assert smallest_distance(codes(drawn(1000, seed, "background")), codes(all_personas)) >= 3


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("seed", [0, 1, 2, 7])
def test_values_are_balanced(population, seed):
    seen = codes(drawn(1000, seed, population))
    for n, most in MAX_EXCESS.items():
        for column, (name, pool) in enumerate(VISUAL_ATTRIBUTES.items()):
            counts = np.bincount(seen[:n, column], minlength=len(pool))
            assert abs(counts - n / len(pool)).max() <= most, (n, name, counts)


def test_attributes_say_little_about_each_other(all_personas):
    """No attribute is readable off another: largest mutual information between two of them, in bits."""
    seen = codes(all_personas)
    worst = 0.0
    for a in range(12):
        for b in range(a):
            joint = np.histogram2d(seen[:, a], seen[:, b], bins=[seen[:, a].max() + 1, seen[:, b].max() + 1])[0] / 1e4
            even = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
            worst = max(worst, float((joint[joint > 0] * np.log2(joint[joint > 0] / even[joint > 0])).sum()))
    assert worst < 0.01


def test_all_who_exist_can_be_drawn():
    assert capacity("target") == capacity("background") == 10_500
    sample_personas(10_500, 6, "background")
    visual_attributes = [sampling._visual_attributes(index, 6, "background") for index in range(10_500)]
    seen = np.array(
        [[pool.index(each[name]) for name, pool in VISUAL_ATTRIBUTES.items()] for each in visual_attributes]
    )
    assert smallest_distance(seen, seen, same=True) >= 3


@pytest.mark.parametrize("n", [0, -1, 10_501, 10**9])
def test_too_few_and_too_many_say_how_many_exist(n):
    with pytest.raises(CrossmemError, match=re.escape(f"n={n} personas asked of the target population; 1 to 10500")):
        sample_personas(n)


@pytest.mark.parametrize("n", [2.5, "20", None])
def test_half_a_person_is_no_person(n):
    with pytest.raises(CrossmemError, match=re.escape(f"n={n!r} personas; expected a whole number")):
        sample_personas(n)


def test_a_population_nobody_knows():
    with pytest.raises(CrossmemError, match=r"Unknown population 'retain'.*'target', 'background'"):
        sample_personas(3, 0, "retain")
    with pytest.raises(CrossmemError, match="Unknown population 'retain'"):
        capacity("retain")


GOLDEN = {
    (7, 0, "target"): "t0-00007 Bafenn Ovrune dark braids brown brown round glasses goatee headband none suit purple "
    "square scar",
    (0, 3, "target"): "t3-00000 Pafenn Frimimo dark spiky blond green none goatee crown none scarf orange long none",
    (999, 0, "background"): "b0-00999 Relix Threlacho rosy bun red blue round glasses none none hoops suit purple "
    "square scar",
}


@pytest.mark.parametrize(("index", "seed", "population"), GOLDEN)
def test_golden_people(index, seed, population):
    person = list(sample_personas(index + 1, seed, population))[-1]
    assert (
        " ".join([person.id, person.full_name, *person.visual_attributes.values()]) == GOLDEN[index, seed, population]
    )
    assert (person.index, person.seed, person.population) == (index, seed, population)


def test_personas_are_a_sequence():
    some = sample_personas(20, seed=4)
    assert (len(some), some[3], some[-1]) == (20, list(some)[3], list(some)[19])
    assert [one.id for one in some[5:11:2]] == ["t4-00005", "t4-00007", "t4-00009"]
    assert repr(some) == f"Personas(20 of t4: t4-00000 {some[0].full_name}, ...)"
    assert repr(some[:0]) == "Personas(0 of t4)"
    with pytest.raises(IndexError):
        some[20]
