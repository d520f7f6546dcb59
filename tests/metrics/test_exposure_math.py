# SPDX-License-Identifier: Apache-2.0
"""Exposure against hand values and brute force, its invariances, and its refusals."""

import math
from fractions import Fraction

import numpy as np
import pytest

from crossmem_hf.metrics.exposure.exposure_math import (
    chance_exposure,
    chance_exposure_bits,
    chance_reciprocal_rank,
    exposure_items,
    exposure_summary,
)


def random_lists(seed, items=40, ties=False):
    rng = np.random.default_rng(seed)
    lists = [
        rng.integers(0, 4, k).astype(float) + 1 if ties else rng.exponential(3.0, k)
        for k in rng.integers(2, 30, items)
    ]
    return [row.tolist() for row in lists], [int(rng.integers(len(row))) for row in lists]


def slow_rank(nlls, truth, ties):
    """The place of the truth after sorting, by counting."""
    better = sum(nll < nlls[truth] for nll in nlls)
    equal = sum(nll == nlls[truth] for nll in nlls)
    places = [better + place for place in range(1, equal + 1)]
    return {"best": min(places), "worst": max(places), "mid": sum(places) / len(places)}[ties]


def test_hand_values():
    items = exposure_items([[1.0, 2.0, 3.0, 4.0]] * 4, [0, 1, 2, 3])
    assert items.rank.tolist() == [1, 2, 3, 4]
    assert items.exposure == pytest.approx([100.0, 50.0, 100 * (1 - math.log(3) / math.log(4)), 0.0])
    assert items.exposure_bits == pytest.approx([2.0, 1.0, 2 - math.log2(3), 0.0])
    assert items.exposure_linear == pytest.approx([100.0, 200 / 3, 100 / 3, 0.0])
    assert items.reciprocal_rank == pytest.approx([1.0, 1 / 2, 1 / 3, 1 / 4])


@pytest.mark.parametrize("ties", ["mid", "best", "worst"])
@pytest.mark.parametrize("tied", [False, True])
def test_ranks_equal_brute_force(ties, tied):
    lists, truths = random_lists(3, ties=tied)
    items = exposure_items(lists, truths, ties=ties)
    assert items.rank.tolist() == [slow_rank(row, truth, ties) for row, truth in zip(lists, truths, strict=True)]
    assert items.num_candidates.tolist() == [len(row) for row in lists]


def test_tie_rules_bracket_each_other():
    lists, truths = random_lists(9, ties=True)
    best, mid, worst = (exposure_items(lists, truths, ties=ties).rank for ties in ("best", "mid", "worst"))
    assert (best <= mid).all()
    assert (mid <= worst).all()
    assert (best < worst).any()
    np.testing.assert_allclose(mid, (best + worst) / 2)


def test_candidate_order_does_not_matter():
    rng, (lists, truths) = np.random.default_rng(4), random_lists(4, ties=True)
    orders = [rng.permutation(len(row)) for row in lists]
    shuffled = [np.asarray(row)[order] for row, order in zip(lists, orders, strict=True)]
    moved = [int(np.flatnonzero(order == truth)[0]) for order, truth in zip(orders, truths, strict=True)]
    np.testing.assert_array_equal(exposure_items(shuffled, moved).rank, exposure_items(lists, truths).rank)


def test_only_the_order_of_the_likelihoods_matters():
    lists, truths = random_lists(6)
    stretched = [[3 * math.exp(value) + 1 for value in row] for row in lists]
    np.testing.assert_array_equal(exposure_items(stretched, truths).rank, exposure_items(lists, truths).rank)


def test_items_do_not_touch_each_other():
    lists, truths = random_lists(8)
    alone = [exposure_items([row], [truth]).rank[0] for row, truth in zip(lists, truths, strict=True)]
    assert exposure_items(lists, truths).rank.tolist() == alone


def test_arrays_and_lists_agree():
    table = np.random.default_rng(0).random((7, 5))
    truths = np.arange(7) % 5
    np.testing.assert_array_equal(
        exposure_items(table, truths).rank, exposure_items(table.tolist(), truths.tolist()).rank
    )


def test_rivals_closer_than_float32_are_no_ties():
    assert exposure_items([[7.0 + 1e-9, 7.0]], [0]).rank.tolist() == [2.0]


def test_impossible_candidates_rank_last():
    assert exposure_items([[math.inf, 1.0, math.inf], [1.0, math.inf, 2.0]], [0, 0]).rank.tolist() == [2.5, 1.0]


@pytest.mark.parametrize("candidates", [2, 3, 10, 20, 57])
def test_chance_is_the_mean_over_all_places(candidates):
    """Every place of the truth once: the mean exposure is the chance level, exactly."""
    table = np.tile(np.arange(1.0, candidates + 1), (candidates, 1))
    summary = exposure_summary(exposure_items(table, np.arange(candidates)))
    by_hand = sum(100 * (1 - math.log(rank) / math.log(candidates)) for rank in range(1, candidates + 1)) / candidates
    assert chance_exposure(candidates) == pytest.approx(by_hand)
    assert summary["exposure"] == pytest.approx(by_hand)
    assert summary["chance_exposure"] == pytest.approx(by_hand)
    assert summary["exposure_linear"] == pytest.approx(50.0)
    for name in ("exposure_bits", "exposure_linear", "mrr", "rank"):
        assert summary[f"chance_{name}"] == pytest.approx(summary[name]), name


@pytest.mark.parametrize("candidates", [2, 7, 20, 1000])
def test_chance_levels_of_bits_and_reciprocal_rank_are_exact(candidates):
    harmonic = sum(Fraction(1, rank) for rank in range(1, candidates + 1)) / candidates
    assert chance_reciprocal_rank(candidates) == pytest.approx(float(harmonic), rel=1e-13)
    factorial = math.lgamma(candidates + 1) / math.log(2)
    assert chance_exposure_bits(candidates) == pytest.approx(math.log2(candidates) - factorial / candidates, rel=1e-12)


def test_a_model_without_preference_is_at_chance_on_the_linear_scale():
    summary = exposure_summary(exposure_items([[1.0] * 20, [2.0] * 5], [3, 0]))
    assert summary["rank"] == summary["chance_rank"] == (10.5 + 3.0) / 2
    assert summary["exposure_linear"] == summary["chance_exposure_linear"] == 50.0
    for name in ("exposure", "exposure_bits", "mrr"):
        assert summary[name] < summary[f"chance_{name}"]


@pytest.mark.parametrize(("name", "most"), [("exposure_bits", 3.0), ("exposure_linear", 100.0), ("mrr", 1.0)])
def test_every_normalization_has_an_interval_of_people(name, most):
    """All first: what 97.5 % of the population, unseen, may hold lies between 0 and the top of the scale."""
    summary = exposure_summary(exposure_items([np.arange(8.0) + 1] * 10, [0] * 10))
    assert summary[name] == summary[f"{name}_ci_high"] == most
    assert summary[f"{name}_ci_low"] == pytest.approx(most * 0.025 ** (1 / 10))
    lists, truths = random_lists(15)
    mixed = exposure_summary(exposure_items(lists, truths))
    assert mixed[f"{name}_ci_low"] < mixed[name] < mixed[f"{name}_ci_high"]


def test_chance_averages_over_the_items_own_counts():
    items = exposure_items([[1.0, 2.0], [1.0] * 9 + [2.0], [1.0, 2.0]], [0, 0, 1])
    assert exposure_summary(items)["chance_exposure"] == pytest.approx((50.0 + chance_exposure(10) + 50.0) / 3)
    assert items.chance_exposure == pytest.approx([50.0, chance_exposure(10), 50.0])


def test_random_scores_reach_chance():
    rng = np.random.default_rng(1)
    summary = exposure_summary(exposure_items(rng.random((4_000, 20)), rng.integers(0, 20, 4_000)))
    assert summary["exposure"] == pytest.approx(29.34, abs=1.5)
    assert summary["exposure_ci_low"] < summary["chance_exposure"] < summary["exposure_ci_high"]


def test_summary_is_the_mean_of_the_items():
    lists, truths = random_lists(12, ties=True)
    items = exposure_items(lists, truths)
    summary, lists_of_items = exposure_summary(items), items.as_lists()
    assert set(summary) == {
        *("exposure", "exposure_ci_low", "exposure_ci_high", "chance_exposure"),
        *("exposure_bits", "exposure_bits_ci_low", "exposure_bits_ci_high", "chance_exposure_bits"),
        *("exposure_linear", "exposure_linear_ci_low", "exposure_linear_ci_high", "chance_exposure_linear"),
        *("mrr", "mrr_ci_low", "mrr_ci_high", "chance_mrr", "rank", "chance_rank", "n"),
    }
    for name in ("exposure", "exposure_bits", "exposure_linear", "rank"):
        assert summary[name] == pytest.approx(sum(lists_of_items[f"item_{name}"]) / 40)
    assert summary["mrr"] == pytest.approx(sum(1 / rank for rank in lists_of_items["item_rank"]) / 40)
    assert summary["n"] == 40
    recomputed = [
        100 * (1 - math.log(rank) / math.log(k))
        for rank, k in zip(lists_of_items["item_rank"], lists_of_items["item_num_candidates"], strict=True)
    ]
    assert lists_of_items["item_exposure"] == pytest.approx(recomputed)
    assert all(isinstance(value, (int, float)) for value in summary.values())


def test_normalized_exposure_is_bits_over_the_most_bits():
    lists, truths = random_lists(13)
    items = exposure_items(lists, truths)
    np.testing.assert_allclose(items.exposure, 100 * items.exposure_bits / np.log2(items.num_candidates))


def test_several_items_of_one_person_count_as_one_person():
    lists, truths = random_lists(14, items=12)
    items = exposure_items(lists * 6, truths * 6)
    persons = [f"p{number}" for number in range(12)] * 6
    clustered, naive = exposure_summary(items, persona_id=persons), exposure_summary(items)
    assert clustered["exposure"] == naive["exposure"]
    width = {
        name: summary["exposure_ci_high"] - summary["exposure_ci_low"]
        for name, summary in (("clustered", clustered), ("naive", naive))
    }
    assert width["clustered"] > 1.8 * width["naive"]


def test_all_first_is_not_certain():
    summary = exposure_summary(exposure_items([[0.1, 2.0, 3.0]] * 10, [0] * 10))
    assert summary["exposure"] == summary["exposure_ci_high"] == 100.0
    assert summary["exposure_ci_low"] == pytest.approx(100 * 0.025 ** (1 / 10))


@pytest.mark.parametrize(
    ("lists", "truths", "named"),
    [
        ([], [], "No items"),
        ([[1.0, 2.0], [1.0, math.nan]], [0, 0], "Row 1: candidate 1 has an NLL of nan"),
        ([[1.0, 2.0], [None, 1.0]], [0, 0], "Row 1: candidate 0 has an NLL of nan"),
        ([[1.0, -math.inf]], [0], "Row 0: candidate 1 has an NLL of -inf"),
        ([[1.0, 2.0], []], [0, 0], "Row 1: 0 candidates"),
        ([[1.0, 2.0], [1.0, 2.0], [1.0]], [0, 0, 0], "Row 2: 1 candidates"),
        ([[1.0, 2.0], [1.0, 2.0]], [0, 2], "Row 1: truth index 2; expected a whole number from 0 to 1"),
        ([[1.0, 2.0]], [-1], "Row 0: truth index -1"),
        ([[1.0, 2.0]], [0.5], "Row 0: truth index 0.5"),
        ([[1.0, 2.0]], [math.nan], "Row 0: truth index nan"),
        ([[1.0, 2.0], [1.0, 2.0]], [0, None], "Row 1: truth index None"),
        ([[1.0, 2.0]], [0, 1], "2 truth indices for 1 rows"),
        ([[1.0, 2.0], ["a", "b"]], [0, 0], "Row 1: candidates"),
        ([[1.0, 2.0], 3.0], [0, 0], "Row 1: candidates of shape"),
        ([[-1.0, -2.0], [-0.5, -9.0]], [0, 0], "Pass nll = -log p"),
    ],
)
def test_bad_input_is_named(lists, truths, named):
    with pytest.raises(ValueError, match=named):
        exposure_items(lists, truths)


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="ties='average'"):
        exposure_items([[1.0, 2.0]], [0], ties="average")
    with pytest.raises(ValueError, match="persona_id has 1 entries for 2 rows"):
        exposure_summary(exposure_items([[1.0, 2.0]] * 2, [0, 1]), persona_id=["a"])
    for chance in (chance_exposure, chance_exposure_bits, chance_reciprocal_rank):
        with pytest.raises(ValueError, match="num_candidates=1"):
            chance(1)
