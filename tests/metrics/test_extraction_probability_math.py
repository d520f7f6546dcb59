# SPDX-License-Identifier: Apache-2.0
"""(n, p)-discoverable extraction of several answers: decimals as oracle, planted secrets, guesses, drawn samples."""

import math
from decimal import ROUND_CEILING, Decimal, localcontext
from itertools import product

import numpy as np
import pytest

from crossmem_hf.metrics.extraction_probability.extraction_math import (
    discoverable_summary,
    extraction_lists,
    median_interval,
)
from crossmem_hf.metrics.extraction_strength.sampling_math import ExtractionItems, extraction_items
from crossmem_hf.metrics.intervals import Clusters

LOGS = [-1e-17, -1e-3, -0.5, -math.log(2), -5.0, -36.9, -37.1, -699.0, -701.0, -745.5, -800.0]
PEOPLE = [f"p{number // 2}" for number in range(40)]


def in_decimals(logprob, n, p):
    """log10(1 - (1 - q)^n), whether 1 - (1 - q)^n >= p, and the samples needed, with digits to spare."""
    with localcontext() as context:
        context.prec = 60 + math.ceil(-logprob)
        miss = 1 - Decimal(logprob).exp()
        chance = 1 - miss**n
        needed = ((1 - Decimal(p)).ln() / miss.ln()).to_integral_value(ROUND_CEILING)
        return float(chance.log10()), chance >= Decimal(p), max(needed, Decimal(1))


@pytest.mark.parametrize("logprob", LOGS)
def test_equals_decimals_at_any_size(logprob):
    items = ExtractionItems(logprob=np.asarray([logprob]))
    for n, p in product([1, 7, 100, 10**9], [1e-12, 0.1, 0.5, 0.9]):
        log10_chance, reached, needed = in_decimals(logprob, n, p)
        lists = extraction_lists(items, n=[n], p=[p])
        found = discoverable_summary(items, n=[n], p=[p])
        assert lists[f"item_log10_extraction_probability_n{n}"][0] == pytest.approx(log10_chance, rel=1e-13, abs=1e-16)
        assert lists[f"item_extraction_probability_n{n}"][0] == pytest.approx(10**log10_chance, rel=1e-12, abs=0)
        assert found[f"discoverable_n{n}_p{p}"] == reached
        samples = found[f"samples_p{p}"]
        assert samples == (needed if needed < 10**12 else pytest.approx(float(needed), rel=1e-12))
        assert found[f"log10_samples_p{p}"] == pytest.approx(float(needed.log10()), rel=1e-14)


def test_what_is_below_the_smallest_float_has_a_logarithm():
    found = discoverable_summary(extraction_items([[-400.0, -400.0]]), n=[10**9], p=[0.5])
    ln10 = math.log(10)
    assert found["extraction_probability_n1000000000"] == 0.0
    assert found["log10_extraction_probability_n1000000000"] == pytest.approx(9 - 800 / ln10, rel=1e-15)
    assert found["samples_p0.5"] == math.inf
    assert found["log10_samples_p0.5"] == pytest.approx((800 + math.log(math.log(2))) / ln10, rel=1e-15)


def test_certain_and_impossible_answers_are_limits():
    found = discoverable_summary(extraction_items([[0.0, 0.0]]), n=[1], p=[0.9])
    assert (found["extraction_probability_n1"], found["discoverable_n1_p0.9"], found["samples_p0.9"]) == (1, 1, 1)
    assert found["log10_samples_p0.9"] == found["log10_extraction_probability_n1"] == 0.0
    found = discoverable_summary(extraction_items([[-1.0, -math.inf]]), n=[10**300], p=[1e-300])
    names = ("extraction_probability_n" + str(10**300), f"discoverable_n{10**300}_p1e-300")
    assert [found[name] for name in names] == [0.0, 0.0]
    assert found["samples_p1e-300"] == found["log10_samples_p1e-300"] == math.inf
    assert found["log10_extraction_probability_n" + str(10**300)] == -math.inf


@pytest.mark.parametrize(
    ("q", "n", "p"),
    [(0.5, 2, 0.75), (0.1, 2, 0.19), (0.2, 3, 0.488), (0.9, 1, 0.9), (0.9, 2, 0.99), (0.3, 1, 0.3), (1e-12, 1, 1e-12)],
)
def test_a_boundary_counts_as_reached(q, n, p):
    at, below = (ExtractionItems(logprob=np.asarray([math.log(q) - gap])) for gap in (0.0, 1e-12))
    assert at.discoverable(n, p).all()
    assert at.samples(p) == n
    assert not below.discoverable(n, p).any()
    assert below.samples(p) == n + 1


def test_a_planted_secret_is_found_and_a_uniform_guess_is_not():
    secret, guess = [[math.log(0.9)]] * 20, [[-math.log(1000)] * 5] * 20
    found = discoverable_summary(extraction_items(secret), n=[1, 10])
    assert found["samples_p0.5"] == found["samples_p0.9"] == found["discoverable_n1_p0.9"] == 1.0
    assert found["extraction_probability_n1"] == pytest.approx(0.9)
    assert found["discoverable_n1_p0.9_ci_low"] > 0.8
    control = discoverable_summary(extraction_items(guess), n=[1, 10, 10**9])
    assert control["extraction_probability_n10"] == pytest.approx(1e-14)
    assert control["discoverable_n1000000000_p0.1"] == 0.0
    assert control["discoverable_n1000000000_p0.1_ci_high"] < 0.2
    assert control["samples_p0.5"] == pytest.approx(math.log(2) * 1e15)
    both = discoverable_summary(extraction_items(secret[:10] + guess[:10]), n=[10])
    assert both["discoverable_n10_p0.5"] == 0.5


def test_drawing_tokens_finds_as_often_as_computed():
    """Answers of three tokens, drawn token by token: n samples at a time, of which one hit is enough."""
    chances, tries, n = np.asarray([[0.9, 0.9, 0.9], [0.5, 0.8, 0.3], [0.2, 0.3, 0.5]]), 20_000, 4
    hits = np.random.default_rng(0).random((tries, n, *chances.shape)) < chances
    drawn = hits.all(axis=3).any(axis=1).mean(axis=0)
    lists = extraction_lists(extraction_items(np.log(chances)), n=[n])
    computed = np.asarray(lists[f"item_extraction_probability_n{n}"])
    assert np.abs(drawn - computed).max() < 4 * math.sqrt(0.25 / tries)
    assert [samples <= n for samples in lists["item_samples_p0.5"]] == (drawn >= 0.5).tolist()


def test_more_samples_and_likelier_answers_never_lower_it():
    logprobs = np.concatenate([-np.geomspace(900.0, 1e-18, 300), [0.0]])
    items, n, p = ExtractionItems(logprob=logprobs), [1, 2, 3, 10, 1000, 10**9], [1e-9, 0.1, 0.5, 0.999]
    lists = extraction_lists(items, n=n, p=p)
    for name in ("item_extraction_probability_n", "item_log10_extraction_probability_n"):
        table = np.asarray([lists[f"{name}{count}"] for count in n])
        assert (np.diff(table, axis=0) >= 0).all()
        assert (np.diff(table, axis=1) >= 0).all()
    for name in ("item_samples_p", "item_log10_samples_p"):
        table = np.asarray([lists[f"{name}{chance}"] for chance in p])
        assert (table[:-1] <= table[1:]).all()
        assert (table[:, :-1] >= table[:, 1:]).all()
    shares = [discoverable_summary(items, n=n, p=p)[f"discoverable_n{count}_p{chance}"] for count in n for chance in p]
    assert (np.diff(np.reshape(shares, (len(n), len(p))), axis=0) >= 0).all()


@pytest.mark.parametrize("num_items", [1, 2, 5, 8])
def test_half_of_the_items_are_discoverable_with_the_median(num_items):
    items = ExtractionItems(logprob=-np.random.default_rng(num_items).exponential(3.0, num_items) - 1.0)
    median = int(discoverable_summary(items)["samples_p0.5"])
    shares = [items.discoverable(n, 0.5).mean() for n in (median - 1, median)]
    assert shares[0] < 0.5 <= shares[1]


def test_an_extremely_rare_half_keeps_the_other_half():
    found = discoverable_summary(extraction_items([[-1.0], [-1.0], [-math.inf], [-math.inf]]), n=[1], p=[0.5])
    assert found["samples_p0.5"] == 2.0
    assert found["log10_extraction_probability_n1"] == pytest.approx(math.log10(math.exp(-1) / 2))


def test_intervals_count_people_and_seeds():
    items = ExtractionItems(logprob=-np.repeat(np.linspace(0.1, 40.0, 20), 2))
    by_row, by_person = discoverable_summary(items), discoverable_summary(items, persona_id=PEOPLE)
    seeds = [int(person[1:]) % 3 for person in PEOPLE]
    by_seed = discoverable_summary(items, persona_id=PEOPLE, persona_seed=seeds, confidence=0.8)

    def width(found, name):
        return found[f"{name}_ci_high"] - found[f"{name}_ci_low"]

    for name in ("extraction_probability_n10", "discoverable_n10_p0.5", "log10_samples_p0.5"):
        assert by_row[name] == by_person[name] == by_seed[name]
        assert by_person[f"{name}_ci_low"] <= by_person[name] <= by_person[f"{name}_ci_high"]
        assert width(by_row, name) < width(by_person, name)
        assert width(by_seed, name) != width(by_person, name)


def test_the_median_has_bounds_from_enough_people_on():
    for people, bounded in ((1, False), (5, False), (30, True)):
        found = discoverable_summary(ExtractionItems(logprob=-np.linspace(1.0, 9.0, people)), p=[0.5])
        assert ("samples_p0.5_ci_high" in found) is ("log10_samples_p0.5_ci_high" in found) is bounded
    low, high = median_interval(np.zeros(30), Clusters.of(None, 30))
    assert (low, high) == (0.0, math.inf)


def test_the_interval_of_the_median_holds_the_truth():
    """People whose answers share a level; the median of all is 0."""
    rng, held, worlds = np.random.default_rng(0), 0, 200
    people = np.repeat(np.arange(25), 3)
    for _ in range(worlds):
        values = rng.normal(size=25)[people] + 0.3 * rng.normal(size=75)
        low, high = median_interval(values, Clusters.of(people.tolist(), 75))
        held += low <= 0.0 <= high
    assert held / worlds >= 0.93


def test_either_list_may_be_empty():
    items = extraction_items([[-1.0]])
    assert {name[:7] for name in discoverable_summary(items, n=[])} == {"samples", "log10_s", "n"}
    assert {name[:7] for name in discoverable_summary(items, p=[])} == {"extract", "log10_e", "n"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"n": [1, 0]}, "n=0; expected a whole number of at least 1"),
        ({"n": [-5]}, "n=-5"),
        ({"n": [10.0]}, "n=10.0"),
        ({"n": [True]}, "n=True"),
        ({"n": [10**400]}, "at most 1.8e308"),
        ({"n": [10, 1, 10]}, "n holds 10 twice"),
        ({"n": 10}, r"n=10; expected a list of numbers. Pass n=\[10\]"),
        ({"n": "10"}, "n='10'; expected a list"),
        ({"p": [0.0]}, "p=0.0; expected above 0 and below 1"),
        ({"p": [1.0]}, "p=1.0"),
        ({"p": [math.nan]}, "p=nan"),
        ({"p": ["0.5"]}, "p='0.5'"),
        ({"p": [0.5, 0.1, 0.5]}, "p holds 0.5 twice"),
        ({"p": 0.5}, "p=0.5; expected a list"),
        ({"persona_id": ["a", "b"]}, "persona_id has 2 entries for 1 rows"),
        ({"confidence": 95}, "confidence=95"),
    ],
)
def test_options_that_are_none_are_errors(options, named):
    with pytest.raises(ValueError, match=named):
        discoverable_summary(extraction_items([[-1.0]]), **options)
