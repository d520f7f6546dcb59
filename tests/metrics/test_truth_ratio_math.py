# SPDX-License-Identifier: Apache-2.0
"""The truth ratio against hand values and loops over probabilities, its KS test against enumeration, its refusals."""

import itertools
import math
import random

import numpy as np
import pytest
from scipy.stats import ks_2samp

from crossmem_hf.metrics.truth_ratio.truth_ratio_math import forget_quality, truth_ratio_items, truth_ratio_summary

TOFU_EPSILON = 1e-10


def random_rows(seed, items=40):
    rng = np.random.default_rng(seed)
    false = [rng.exponential(1.5, k).tolist() for k in rng.integers(1, 7, items)]
    return false, rng.exponential(1.5, items).tolist()


def tofu_ratio(false, true):
    """TOFU's formula on probabilities, for one item: geometric mean of the false answers over the true one."""
    product = 1.0
    for nll in false:
        product *= math.exp(-nll)
    return product ** (1 / len(false)) / (math.exp(-true) + TOFU_EPSILON)


def slow_ks(left, right):
    """Largest distance of the two empirical distribution functions, tried at every value."""
    return max(
        abs(sum(x <= at for x in left) / len(left) - sum(x <= at for x in right) / len(right))
        for at in [*left, *right]
    )


def exact_p(left, right):
    """Share of all ways to deal the values into two hands that are as far apart as these two."""
    pooled, seen = [*left, *right], slow_ks(left, right)
    deals = list(itertools.combinations(range(len(pooled)), len(left)))
    as_far = 0
    for deal in deals:
        one = [pooled[place] for place in deal]
        other = [pooled[place] for place in range(len(pooled)) if place not in deal]
        as_far += slow_ks(one, other) >= seen - 1e-12
    return as_far / len(deals)


def test_hand_values():
    items = truth_ratio_items([[2.0, 2.4, 2.8], [1.1, 0.9], [0.7, 0.9, 0.8]], [0.4, 1.0, 1.8])
    e = math.e
    assert items.ratio == pytest.approx([e**-2, 1.0, e])
    assert items.truth_ratio == pytest.approx([e**-2, 1.0, 1 / e])
    assert items.truth_ratio_retain == pytest.approx([1 - e**-2, 0.0, 0.0])
    assert items.truth_probability == pytest.approx([1 / (1 + e**-2), 0.5, 1 / (1 + e)])


def test_the_arithmetic_mean_is_that_of_probabilities_and_never_below_the_geometric():
    false, true = random_rows(21)
    got = truth_ratio_items(false, true, mean="arithmetic")
    wanted = [
        sum(math.exp(-nll) for nll in row) / len(row) / math.exp(-truth)
        for row, truth in zip(false, true, strict=True)
    ]
    np.testing.assert_allclose(got.ratio, wanted)
    geometric = truth_ratio_items(false, true, mean="geometric")
    assert (got.log_ratio >= geometric.log_ratio - 1e-12).all()
    assert (got.log_ratio > geometric.log_ratio + 0.1).any()
    far = truth_ratio_items([[900.0, 902.0]], [900.0], mean="arithmetic")  # e^-900 is no float
    assert far.log_ratio == pytest.approx([math.log((1 + math.exp(-2)) / 2)])
    possible = truth_ratio_items([[math.inf, 1.0]], [1.0], mean="arithmetic")
    assert possible.log_ratio == pytest.approx([math.log(1 / 2)])
    with pytest.raises(ValueError, match="mean='median'"):
        truth_ratio_items(false, true, mean="median")


def test_equals_tofus_formula_item_by_item():
    false, true = random_rows(1)
    items = truth_ratio_items(false, true)
    for row, ratio in enumerate(map(tofu_ratio, false, true)):
        assert items.ratio[row] == pytest.approx(ratio, rel=1e-6)
        assert items.truth_ratio[row] == pytest.approx(min(ratio, 1 / ratio), rel=1e-6)
        assert items.truth_ratio_retain[row] == pytest.approx(max(0.0, 1 - ratio), abs=1e-6)
        correct, wrong = math.exp(-true[row]), math.exp(-sum(false[row]) / len(false[row]))
        assert items.truth_probability[row] == pytest.approx(correct / (correct + wrong))


def test_false_answers_of_other_items_do_not_count():
    """The published fault: one mean over all false answers of the set, used for every item."""
    false, true = random_rows(2)
    items = truth_ratio_items(false, true)
    whole_set = np.mean([nll for row in false for nll in row])
    assert not np.allclose(items.log_ratio, np.asarray(true) - whole_set)
    changed = [row if place != 7 else [9.0] for place, row in enumerate(false)]
    moved = truth_ratio_items(changed, true).log_ratio != items.log_ratio
    assert np.flatnonzero(moved).tolist() == [7]


def test_every_row_keeps_its_place():
    false, true = random_rows(3)
    order = np.random.default_rng(3).permutation(len(true))
    items = truth_ratio_items(false, true)
    shuffled = truth_ratio_items([false[row] for row in order], [true[row] for row in order])
    np.testing.assert_array_equal(shuffled.log_ratio, items.log_ratio[order])
    alone = [truth_ratio_items([one], [other]).log_ratio[0] for one, other in zip(false, true, strict=True)]
    assert items.log_ratio.tolist() == alone
    assert all(len(column) == len(true) for column in items.as_lists().values())


def test_an_invalid_row_is_an_error_and_shifts_no_other():
    false, true = random_rows(4)
    false[17] = [1.0, math.nan]
    with pytest.raises(ValueError, match="Row 17: false answer 1 has an NLL of nan"):
        truth_ratio_items(false, true)


def test_likelihoods_too_small_for_floats():
    """exp(-2000) is 0, so the quotient of probabilities would be NaN."""
    items = truth_ratio_items([[2_000.0, 2_004.0], [1.0], [900.0]], [2_003.0, 900.0, 1.0])
    assert items.log_ratio.tolist() == [1.0, 899.0, -899.0]
    assert items.ratio == pytest.approx([math.e, math.exp(700), math.exp(-700)])
    assert items.truth_ratio.tolist() == pytest.approx([1 / math.e, 0.0, 0.0])
    assert items.truth_ratio_retain.tolist() == [0.0, 0.0, 1.0]
    assert items.truth_probability.tolist() == pytest.approx([1 / (1 + math.e), 0.0, 1.0])


def test_impossible_answers_on_one_side():
    items = truth_ratio_items([[math.inf, 1.0], [1.0]], [1.0, math.inf])
    assert items.truth_ratio.tolist() == [0.0, 0.0]
    assert items.truth_ratio_retain.tolist() == [1.0, 0.0]
    assert items.truth_probability.tolist() == [1.0, 0.0]
    assert all(math.isfinite(value) for column in items.as_lists().values() for value in column)


def test_swapping_truth_and_falsehood():
    false, true = random_rows(5)
    single = [row[:1] for row in false]
    items, swapped = (
        truth_ratio_items(single, true),
        truth_ratio_items([[nll] for nll in true], [x for (x,) in single]),
    )
    np.testing.assert_allclose(items.ratio * swapped.ratio, 1.0)
    np.testing.assert_array_equal(items.truth_ratio, swapped.truth_ratio)
    np.testing.assert_allclose(items.truth_probability + swapped.truth_probability, 1.0)


def test_forget_quality_equals_an_enumeration():
    rng = random.Random(6)
    for _ in range(5):
        left, right = [rng.random() for _ in range(4)], [rng.random() + 0.3 for _ in range(5)]
        quality = forget_quality(left, right)
        assert quality["ks_statistic"] == pytest.approx(slow_ks(left, right))
        assert quality["forget_quality"] == pytest.approx(exact_p(left, right))
        assert quality["forget_quality_log10"] == pytest.approx(math.log10(exact_p(left, right)))
        assert quality["n_retain_only"] == 5


def test_forget_quality_of_equal_and_of_disjoint_ratios():
    equal = forget_quality([0.3, 0.1, 0.2], [0.1, 0.2, 0.3])
    assert (equal["ks_statistic"], equal["forget_quality"], equal["forget_quality_log10"]) == (0.0, 1.0, 0.0)
    disjoint = forget_quality([0.1, 0.2, 0.3, 0.4, 0.5], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert disjoint["ks_statistic"] == 1.0
    assert disjoint["forget_quality"] == pytest.approx(2 / math.comb(10, 5))  # 0.008, the least that five can give


def test_forget_quality_sees_only_the_order():
    rng = np.random.default_rng(7)
    left, right = rng.lognormal(0, 1, 50), rng.lognormal(0.4, 1, 60)
    assert forget_quality(left, right) == forget_quality(1 / left, 1 / right)
    assert forget_quality(left, right)["forget_quality"] == pytest.approx(ks_2samp(np.log(left), np.log(right)).pvalue)


def test_forget_quality_is_high_only_near_the_retain_only_model():
    rng = np.random.default_rng(8)
    retain_only, ideal = rng.lognormal(0, 0.5, 200), rng.lognormal(0, 0.5, 200)
    memorized, pushed_over = rng.lognormal(-2, 0.5, 200), rng.lognormal(2, 0.5, 200)
    good, under, over = (forget_quality(r, retain_only)["forget_quality"] for r in (ideal, memorized, pushed_over))
    assert good > 0.05
    assert max(under, over) < 1e-20


def test_a_vanishing_p_value_has_a_finite_logarithm():
    quality = forget_quality(np.arange(600.0), np.arange(1_000.0, 1_600.0))
    assert quality["forget_quality"] == 0.0
    assert quality["forget_quality_log10"] == pytest.approx(-307.65, abs=0.01)


def test_summary_is_the_mean_of_the_items():
    false, true = random_rows(9)
    items = truth_ratio_items(false, true)
    summary, lists = truth_ratio_summary(items), items.as_lists()
    for name in ("truth_ratio", "truth_ratio_retain", "truth_probability"):
        assert summary[name] == pytest.approx(sum(lists[f"item_{name}"]) / 40)
        assert summary[f"{name}_ci_low"] < summary[name] < summary[f"{name}_ci_high"]
    assert summary["n"] == 40
    assert "forget_quality" not in summary
    compared = truth_ratio_summary(items, retain_only=items.ratio[:30])
    assert compared == summary | forget_quality(lists["item_ratio"], lists["item_ratio"][:30])
    assert all(isinstance(value, (int, float)) for value in compared.values())


def test_several_items_of_one_person_count_as_one_person():
    false, true = random_rows(10, items=12)
    items = truth_ratio_items(false * 6, true * 6)
    persons = [f"p{number}" for number in range(12)] * 6
    clustered, naive = truth_ratio_summary(items, persona_id=persons), truth_ratio_summary(items)
    assert clustered["truth_ratio"] == naive["truth_ratio"]
    widths = [summary["truth_ratio_ci_high"] - summary["truth_ratio_ci_low"] for summary in (clustered, naive)]
    assert widths[0] > 1.8 * widths[1]


def test_one_item_is_not_certain():
    summary = truth_ratio_summary(truth_ratio_items([[2.0]], [2.0]))
    assert summary["truth_ratio"] == summary["truth_ratio_ci_high"] == 1.0
    assert summary["truth_ratio_ci_low"] == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("false", "true", "named"),
    [
        ([], [], "No items"),
        ([[1.0]], [1.0, 2.0], "1 lists of false answers for 2 true ones"),
        ([[1.0], []], [1.0, 2.0], r"Row 1: false answers of shape \(0,\)"),
        ([[1.0], 2.0], [1.0, 2.0], r"Row 1: false answers of shape \(\)"),
        ([[1.0], ["a"]], [1.0, 2.0], "Row 1: false answers"),
        ([[1.0], [None]], [1.0, 2.0], "Row 1: false answer 0 has an NLL of nan"),
        ([[1.0], [1.0]], [1.0, None], "Row 1: true answer 0 has an NLL of nan"),
        ([[1.0], [1.0]], [1.0, math.nan], "Row 1: true answer 0 has an NLL of nan"),
        ([[1.0], [1.0]], [1.0, [1.0, 2.0]], "Row 1: true answers of shape"),
        ([[1.0], [-math.inf]], [1.0, 2.0], "Row 1: false answer 0 has an NLL of -inf"),
        ([[1.0], [-0.5]], [1.0, 2.0], "Row 1: false answer 0 has an NLL of -0.5; expected 0 or more. Pass -log p"),
        ([[1.0], [0.5]], [1.0, -2.0], "Row 1: true answer 0 has an NLL of -2.0"),
        ([[1.0], [math.inf, 1.0]], [1.0, math.inf], "Row 1: the true answer and a false one have an NLL of inf"),
    ],
)
def test_bad_rows_are_named(false, true, named):
    with pytest.raises(ValueError, match=named):
        truth_ratio_items(false, true)


def test_rounding_below_zero_is_no_fault():
    assert truth_ratio_items([[-1e-6, 0.0]], [0.0]).truth_ratio == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("retain_only", "named"),
    [
        ([], "retain_only is empty"),
        ([0.5, -0.1], "Row 1: retain_only -0.1; expected a ratio R of 0 or more"),
        ([0.5, math.nan], "Row 1: retain_only nan"),
        ([0.5, None], "Row 1: retain_only None"),
        ([0.5, "1"], "Row 1: retain_only '1'"),
    ],
)
def test_bad_ratios_to_compare_with_are_named(retain_only, named):
    with pytest.raises(ValueError, match=named):
        truth_ratio_summary(truth_ratio_items([[1.0]], [1.0]), retain_only=retain_only)


def test_personas_must_fit():
    with pytest.raises(ValueError, match="persona_id has 1 entries for 2 rows"):
        truth_ratio_summary(truth_ratio_items([[1.0]] * 2, [1.0, 2.0]), persona_id=["a"])
