# SPDX-License-Identifier: Apache-2.0
"""PrivLeak: its orientation in known worlds, its AUC against loops and scipy, its interval, and its refusals."""

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from crossmem_hf.metrics.priv_leak.priv_leak_math import forget_auc, priv_leak, priv_leak_items, priv_leak_summary


def slow_auc(score, is_forget):
    """The chance that a holdout row has the higher score, pair by pair."""
    forget = [value for value, side in zip(score, is_forget, strict=True) if side]
    holdout = [value for value, side in zip(score, is_forget, strict=True) if not side]
    won = sum((h > f) + 0.5 * (h == f) for h in holdout for f in forget)
    return won / (len(forget) * len(holdout))


def simulated(seed, shift, rows=300):
    """Scores of half forget, half holdout rows; the forget rows' log-probabilities are shifted."""
    rng = np.random.default_rng(seed)
    sides = np.arange(rows) % 2 == 0
    return rng.normal(-3.0, 1.0, rows) + shift * sides, sides.astype(int)


def leak_of(seed, shift, **options):
    return priv_leak_summary(priv_leak_items(*simulated(seed, shift)), **options)


def test_fully_memorized_rows_leak_minus_100():
    """MUSE's orientation: forget rows likelier than all holdout rows, AUC 0."""
    summary = leak_of(1, +20.0, auc_retain_only=0.5)
    assert (summary["auc"], summary["priv_leak"]) == (0.0, -100.0)


def test_rows_as_likely_as_the_holdout_do_not_leak():
    summary = leak_of(2, 0.0, auc_retain_only=0.5)
    assert summary["auc"] == pytest.approx(0.5, abs=0.08)
    assert summary["priv_leak_ci_low"] < 0.0 < summary["priv_leak_ci_high"]


def test_rows_pushed_below_the_holdout_leak_plus_100():
    summary = leak_of(3, -20.0, auc_retain_only=0.5)
    assert (summary["auc"], summary["priv_leak"]) == (1.0, 100.0)


def test_leak_rises_with_forgetting():
    leaks = [leak_of(4, shift, auc_retain_only=0.5)["priv_leak"] for shift in (2.0, 1.0, 0.0, -1.0, -2.0)]
    assert leaks == sorted(leaks)
    assert leaks[1] < -30.0
    assert leaks[3] > 30.0


def test_it_is_one_minus_the_auc_of_a_membership_attack():
    """Likely rows taken for members, with scipy's U as the attack's AUC."""
    score, sides = simulated(5, 0.7)
    forget, holdout = score[sides == 1], score[sides == 0]
    attack = mannwhitneyu(forget, holdout).statistic / (len(forget) * len(holdout))
    assert attack > 0.6
    assert forget_auc(score, sides == 1) == pytest.approx(1.0 - attack)


@pytest.mark.parametrize("seed", range(5))
def test_auc_equals_the_loop_also_with_ties(seed):
    rng = np.random.default_rng(seed)
    score, sides = rng.integers(-4, 0, 40).astype(float), rng.integers(0, 2, 40)
    assert forget_auc(score, sides == 1) == pytest.approx(slow_auc(score, sides))


def test_all_ties_are_half():
    assert forget_auc(np.zeros(7), np.arange(7) < 3) == 0.5


def test_formula_by_hand():
    assert priv_leak(0.25, 0.5) == pytest.approx(-50.0)
    assert priv_leak(0.6, 0.48) == pytest.approx(25.0)
    items = priv_leak_items([-1.0, -2.0, -3.0, -1.5, -2.5], [1, 1, 1, 0, 0])  # holdout wins 2 + 1 of 6
    summary = priv_leak_summary(items, auc_retain_only=0.4)
    assert summary["auc"] == pytest.approx(0.5)
    assert summary["priv_leak"] == pytest.approx(25.0)
    assert [summary[name] for name in ("auc_retain_only", "n_forget", "n_holdout", "n")] == [0.4, 3, 2, 5]


def test_only_the_order_of_the_scores_matters():
    score, sides = simulated(6, 0.4)
    stretched = priv_leak_items(np.exp(score), sides)
    assert priv_leak_summary(stretched, auc_retain_only=0.5) == leak_of_default(score, sides)


def leak_of_default(score, sides):
    return priv_leak_summary(priv_leak_items(score, sides), auc_retain_only=0.5)


def test_the_retain_only_models_auc_comes_from_its_own_scores():
    score, sides = simulated(7, 1.0)
    retain_only, _ = simulated(8, 0.3)
    summary = priv_leak_summary(priv_leak_items(score, sides, retain_only_score=retain_only))
    base = slow_auc(retain_only, sides)
    assert summary["auc_retain_only"] == pytest.approx(base)
    assert summary["priv_leak"] == pytest.approx(100 * (slow_auc(score, sides) - base) / base)


def test_scores_of_the_retain_only_model_widen_the_interval_unless_they_agree():
    """Unrelated noise in auc_retain_only adds; noise shared by both models, cancels."""
    score, sides = simulated(9, 0.5)
    unrelated, _ = simulated(10, 0.0)
    related = score + np.where(sides == 1, -0.5, 0.0)
    widths = {}
    for name, other in (("unrelated", unrelated), ("related", related)):
        summary = priv_leak_summary(priv_leak_items(score, sides, retain_only_score=other))
        fixed = leak_with(score, sides, summary["auc_retain_only"])
        widths[name] = width(summary) / width(fixed)
    assert widths["unrelated"] > 1.15
    assert widths["related"] < 0.7


def leak_with(score, sides, auc_retain_only):
    return priv_leak_summary(priv_leak_items(score, sides), auc_retain_only=auc_retain_only)


def width(summary, name="priv_leak"):
    return summary[f"{name}_ci_high"] - summary[f"{name}_ci_low"]


def test_interval_is_near_a_slow_bootstrap_over_persons():
    """Persons redrawn with all their rows, forget persons and holdout persons apart; another generator."""
    rng = np.random.default_rng(11)
    persons = np.repeat(np.arange(30), 4)
    sides = (persons < 14).astype(int)
    score = rng.normal(-3, 1, 30)[persons] + rng.normal(0, 0.3, 120) + 0.5 * sides
    summary = priv_leak_summary(priv_leak_items(score, sides), auc_retain_only=0.5, persona_id=persons.tolist())
    draws = []
    for _ in range(1_500):
        drawn = np.concatenate([rng.integers(0, 14, 14), rng.integers(14, 30, 16)])
        rows = np.concatenate([np.flatnonzero(persons == person) for person in drawn])
        forget, holdout = score[rows][sides[rows] == 1], score[rows][sides[rows] == 0]
        draws.append((holdout[:, None] > forget[None, :]).mean())
    wanted = np.quantile(draws, [0.025, 0.975])
    assert [summary["auc_ci_low"], summary["auc_ci_high"]] == pytest.approx(wanted.tolist(), abs=0.05)
    leaks = [priv_leak(summary[f"auc_ci_{end}"], 0.5) for end in ("low", "high")]
    assert [summary["priv_leak_ci_low"], summary["priv_leak_ci_high"]] == pytest.approx(leaks)


def test_several_rows_of_one_person_count_as_one_person():
    score, sides = simulated(12, 0.4, rows=40)
    items = priv_leak_items(np.tile(score, 6), np.tile(sides, 6))
    persons = [f"p{number}" for number in range(40)] * 6
    clustered = priv_leak_summary(items, auc_retain_only=0.5, persona_id=persons)
    naive = priv_leak_summary(items, auc_retain_only=0.5)
    assert clustered["auc"] == naive["auc"]
    assert width(clustered) > 1.8 * width(naive)


def test_persons_with_rows_on_both_sides_are_drawn_whole():
    """A person's level moves both of its rows alike, so it adds nothing to the uncertainty of the difference."""
    rng = np.random.default_rng(13)
    level = np.repeat(rng.normal(-20, 5, 40), 2)
    sides = np.arange(80) % 2
    items = priv_leak_items(level + 0.1 * sides, sides)
    together = priv_leak_summary(items, auc_retain_only=0.5, persona_id=[row // 2 for row in range(80)])
    apart = priv_leak_summary(items, auc_retain_only=0.5, persona_id=list(range(80)))
    assert together["auc"] == apart["auc"]
    assert width(together) < 0.4 * width(apart)


def test_row_order_does_not_matter():
    score, sides = simulated(14, 0.5, rows=60)
    persons = np.arange(60) % 20
    order = np.random.default_rng(14).permutation(60)
    plain = priv_leak_summary(priv_leak_items(score, sides), auc_retain_only=0.5, persona_id=persons.tolist())
    moved = priv_leak_items(score[order], sides[order])
    assert priv_leak_summary(moved, auc_retain_only=0.5, persona_id=persons[order].tolist()) == pytest.approx(plain)


def test_complete_separation_is_not_certain():
    """Ten persons a side are ten pairs, all ordered alike: the exact binomial bound."""
    items = priv_leak_items([-1.0] * 10 + [-5.0] * 30, [1] * 10 + [0] * 30)
    persons = [f"f{row}" for row in range(10)] + [f"h{row // 2}" for row in range(30)]
    summary = priv_leak_summary(items, auc_retain_only=0.5, persona_id=persons)
    assert summary["auc"] == summary["auc_ci_low"] == 0.0
    assert summary["auc_ci_high"] == pytest.approx(1 - 0.025 ** (1 / 10))
    assert summary["priv_leak_ci_low"] == -100.0
    assert summary["priv_leak_ci_high"] == pytest.approx(100 * (2 * summary["auc_ci_high"] - 1))
    turned = priv_leak_summary(
        priv_leak_items(-items.score - 9, items.is_forget), auc_retain_only=0.5, persona_id=persons
    )
    assert (turned["auc"], turned["auc_ci_high"]) == (1.0, 1.0)
    assert turned["auc_ci_low"] == pytest.approx(0.025 ** (1 / 10))


def test_one_row_a_side():
    summary = priv_leak_summary(priv_leak_items([-1.0, -2.0], [1, 0]), auc_retain_only=0.5)
    assert summary["priv_leak"] == -100.0
    assert not [name for name in summary if "_ci_" in name]  # one pair bounds nothing


def test_a_model_equal_to_the_retain_only_one_leaks_nothing():
    score, sides = simulated(15, 0.5)
    summary = priv_leak_summary(priv_leak_items(score, sides, retain_only_score=score))
    assert summary["priv_leak"] == 0.0
    assert summary["priv_leak_ci_low"] < 0.0 < summary["priv_leak_ci_high"]


def test_a_small_auc_of_retain_only_leaves_the_leak_wide_open():
    """The retain-only model's AUC is 1/9, by one pair: the leak may be many times as large."""
    items = priv_leak_items(
        [-1.0, -2.0, -3.0, -1.5, -2.5, -3.5],
        [1, 1, 1, 0, 0, 0],
        retain_only_score=[-1.0, -2.0, -4.0, -3.5, -5.0, -6.0],
    )
    summary = priv_leak_summary(items)
    assert summary["auc_retain_only"] == pytest.approx(1 / 9)
    assert summary["priv_leak"] == pytest.approx(100 * (3 / 9 - 1 / 9) / (1 / 9))
    assert summary.get("priv_leak_ci_high", math.inf) > 1_000
    assert not any(math.isnan(value) for value in summary.values())


def test_nothing_to_compare_with_is_an_error():
    items = priv_leak_items([-1.0, -2.0], [1, 0])
    with pytest.raises(ValueError, match="Pass auc_retain_only or retain_only_predictions, one of them"):
        priv_leak_summary(items)
    both = priv_leak_items([-1.0, -2.0], [1, 0], retain_only_score=[-2.0, -1.0])
    with pytest.raises(ValueError, match="Pass auc_retain_only or retain_only_predictions, one of them"):
        priv_leak_summary(both, auc_retain_only=0.5)


@pytest.mark.parametrize("options", [{"auc_retain_only": 0.0}, {}])
def test_a_retain_only_auc_of_zero_is_an_error(options):
    items = priv_leak_items([-1.0, -2.0], [1, 0], retain_only_score=None if options else [-1.0, -2.0])
    with pytest.raises(ValueError, match=r"auc_retain_only is 0: .* expected about 0\.5"):
        priv_leak_summary(items, **options)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, 47.72])
def test_an_impossible_retain_only_auc_is_an_error(value):
    with pytest.raises(ValueError, match=r"auc_retain_only=.*; expected a number from 0 to 1"):
        priv_leak_summary(priv_leak_items([-1.0, -2.0], [1, 0]), auc_retain_only=value)


@pytest.mark.parametrize(
    ("scores", "sides", "retain_only", "named"),
    [
        ([], [], None, "No scores"),
        ([-1.0, math.nan], [1, 0], None, "Row 1: score nan"),
        ([-1.0, None], [1, 0], None, "Row 1: score None"),
        ([-1.0, "a"], [1, 0], None, "Row 1: score 'a'"),
        ([-1.0, -2.0], [1], None, "1 references for 2 rows"),
        ([-1.0, -2.0], [1, 2], None, "Row 1: reference 2; expected 1"),
        ([-1.0, -2.0], [1, None], None, "Row 1: reference None"),
        ([-1.0, -2.0], [1, 0.0], None, "Row 1: reference 0.0"),
        ([-1.0, -2.0], [1, 1], None, r"No holdout rows \(0\)"),
        ([-1.0, -2.0], [0, 0], None, r"No forget rows \(1\)"),
        ([-1.0, -2.0], [1, 0], [-1.0], "1 retain-only rows for 2 rows"),
        ([-1.0, -2.0], [1, 0], [-1.0, math.nan], "Row 1: retain-only score nan"),
    ],
)
def test_bad_rows_are_named(scores, sides, retain_only, named):
    with pytest.raises(ValueError, match=named):
        priv_leak_items(scores, sides, retain_only_score=retain_only)


def test_personas_must_fit():
    with pytest.raises(ValueError, match="persona_id has 1 entries for 2 rows"):
        priv_leak_summary(priv_leak_items([-1.0, -2.0], [1, 0]), auc_retain_only=0.5, persona_id=["a"])
