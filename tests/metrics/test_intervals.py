# SPDX-License-Identifier: Apache-2.0
"""The rule against hand-computed quantiles, its joins, its invariances, its edge cases. Coverage: test_coverage."""

import numpy as np
import pytest
from scipy.stats import beta, norm
from scipy.stats import t as student

from crossmem_hf.metrics.intervals import UNIT, Clusters, auroc_parts, interval_of, mean_interval, ratio_of


def by_hand(means, level_means, margin=1.0):
    """The ends for equally large units: leave one out, effective n, Beta quantiles."""
    value, units = float(np.mean(means)), len(level_means)
    left = [(sum(level_means) - one) / (units - 1) for one in level_means]
    variance = margin * sum((one - value) ** 2 for one in left)
    n = value * (1 - value) / variance * (norm.ppf(0.975) / student.ppf(0.975, units - 1)) ** 2
    return beta.ppf([0.025, 0.975], n * value + 0.5, n * (1 - value) + 0.5)


def test_one_population_by_hand():
    means = np.array([0.0, 0.25, 0.5, 0.25, 1.0, 0.75, 0.5, 0.0])
    values, persons = np.repeat(means, 4), np.repeat(np.arange(8), 4)
    low, high = by_hand(means, means)
    share = 1 - 0.025 ** (1 / 8)
    low, high = min(low, (1 - share) * means.mean()), max(high, (1 - share) * means.mean() + share)
    assert mean_interval(values, Clusters.of(persons, 32)) == pytest.approx((low, high))


def test_seeds_by_hand():
    """Three seeds of a hundred personas: the spread between seeds is all there is."""
    rates = (0.2, 0.5, 0.3)
    values = np.concatenate([np.arange(100) < 100 * rate for rate in rates]).astype(float)
    seeds = np.repeat([7, 8, 9], 100)
    assert mean_interval(values, Clusters.of(None, 300, seeds)) == pytest.approx(tuple(by_hand(values, rates, 1.25)))
    alone = mean_interval(values, Clusters.of(None, 300))
    assert alone == pytest.approx(tuple(by_hand(values, values)))


def test_lucky_seeds_are_not_certain():
    """Seed means that are equal by chance leave what personas and views vary."""
    values, seeds = np.tile(np.arange(20) < 10, 3).astype(float), np.repeat(np.arange(3), 20)
    assert mean_interval(values, Clusters.of(None, 60, seeds)) == mean_interval(values, Clusters.of(None, 60))


def test_persons_of_two_seeds_are_two():
    clusters = Clusters.of(["a", "b", "a"], 3, [0, 0, 1])
    assert clusters.persona.tolist() == [0, 2, 1]
    assert clusters.seed.tolist() == [0, 1, 0]
    assert Clusters.of(["a", "b", "a"], 3).seed.tolist() == [0, 0]


@pytest.mark.parametrize("right", [0, 1, 2, 3, 5])
def test_ends_grow_with_each_right_answer(right):
    """0, 1, 2 of 120 answers about 30 personas of 3 seeds."""
    persons, seeds = np.arange(120) // 4, np.arange(120) // 40

    def ends(count):
        rows = np.zeros(120)
        rows[4 * np.arange(count) % 119] = 1.0
        return mean_interval(rows, Clusters.of(persons, 120, seeds))

    assert ends(right)[0] <= ends(right + 1)[0]
    assert ends(right)[1] < ends(right + 1)[1]


def test_no_answer_of_120_is_right():
    rows, personas = np.zeros(120), np.arange(120) // 4
    assert mean_interval(rows, Clusters.of(personas, 120)) == pytest.approx((0.0, 1 - 0.025 ** (1 / 30)))
    assert mean_interval(rows, Clusters.of(personas, 120))[1] == pytest.approx(0.1157, abs=1e-4)
    rows[0] = 1.0
    assert mean_interval(rows, Clusters.of(personas, 120))[1] == pytest.approx(0.1231, abs=1e-4)
    assert mean_interval(rows, Clusters.of(personas, 120, np.arange(120) // 40))[1] == pytest.approx(0.1889, abs=1e-4)


@pytest.mark.parametrize("level", [0.0, 30.0, 100.0])
@pytest.mark.parametrize("seeds", [1, 3])
def test_nearly_equal_values_have_nearly_the_interval_of_equal_ones(level, seeds):
    """Exposures that differ by 1e-12 to 0.0001 of 100."""
    clusters = Clusters.of(np.arange(120) // 4, 120, np.arange(120) % seeds if seeds == 1 else np.arange(120) // 40)
    bounds = (0.0, 100.0)
    equal = mean_interval(np.full(120, level), clusters, bounds=bounds)
    noise = np.random.default_rng(0).random(120) * (-1 if level else 1)
    for step in (1e-12, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4):
        one = np.full(120, level)
        one[17] += step if not level else -step
        for values in (one, level + step * noise):
            assert mean_interval(values, clusters, bounds=bounds) == pytest.approx(equal, abs=3 * step)


def test_a_continuous_change_moves_the_ends_continuously():
    """One persona's Exposure from 0 to 100 in steps of 0.01."""
    clusters = Clusters.of(None, 30, np.arange(30) // 10)
    values = np.random.default_rng(1).random(30) * 40
    ends = []
    for moved in np.linspace(0, 100, 10_001):
        values[3] = moved
        ends.append(mean_interval(values, clusters, bounds=(0.0, 100.0)))
    assert np.abs(np.diff(ends, axis=0)).max() < 0.05


def test_row_order_changes_nothing():
    rng = np.random.default_rng(5)
    values, persons = rng.random(60), np.array([f"p{number}" for number in rng.integers(0, 12, 60)])
    order = rng.permutation(60)
    straight = mean_interval(values, Clusters.of(persons, 60))
    assert mean_interval(values[order], Clusters.of(persons[order], 60)) == pytest.approx(straight, abs=1e-12)


def test_repeating_a_persons_rows_adds_no_certainty():
    values, persons = np.random.default_rng(2).random(20), np.arange(20)
    once = mean_interval(values, Clusters.of(persons, 20))
    often = mean_interval(np.repeat(values, 10), Clusters.of(np.repeat(persons, 10), 200))
    assert often == pytest.approx(once, abs=1e-12)
    naive = mean_interval(np.repeat(values, 10), Clusters.of(None, 200))
    assert naive[1] - naive[0] < 0.5 * (often[1] - often[0])


def test_higher_confidence_is_wider():
    values = np.random.default_rng(2).random(20)
    narrow, wide = (mean_interval(values, Clusters.of(None, 20), confidence=c) for c in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("persons", [1, 2, 10, 50, 1000])
def test_all_right_gives_the_exact_binomial_bound(persons):
    """At the lower end, 2.5 % of the samples of that many persons would be all right."""
    low, high = mean_interval(np.ones(3 * persons), Clusters.of(np.arange(3 * persons) % persons, 3 * persons))
    assert high == 1.0
    assert low**persons == pytest.approx(0.025)
    assert mean_interval(np.zeros(persons), Clusters.of(None, persons)) == pytest.approx((0.0, 1.0 - low))


def gap(means):
    return means[:, 0] - means[:, 1]


def ratio(means):
    return np.divide(means[:, 1], means[:, 0], out=np.full(len(means), np.nan), where=means[:, 0] > 0)


def of(sums, counts, statistic, **options):
    return interval_of(sums, counts, np.zeros(len(sums), dtype=np.intp), statistic, **options)


def test_agreement_of_a_gap_and_of_a_ratio():
    ones, share = np.ones((50, 2)), 1 - 0.025 ** (1 / 50)
    assert of(ones * [1, 0], ones, gap, bounds=(-1, 1)) == pytest.approx((1 - 2 * share, 1.0))
    assert of(ones, ones, gap, bounds=(-1, 1)) == pytest.approx((-share, share))
    assert of(ones, ones, ratio, bounds=(0, np.inf)) == pytest.approx((1 - share, 1 / (1 - share)))


def test_gap_by_hand():
    same, other = np.array([1.0, 1, 1, 0, 1, 1, 0, 1, 1, 1]), np.array([0.0, 1, 0, 0, 1, 0, 0, 0, 1, 0])
    low, high = by_hand((same - other + 1) / 2, (same - other + 1) / 2)
    share, mean = 1 - 0.025 ** (1 / 10), float((same - other).mean())
    wanted = min(2 * low - 1, (1 - share) * mean - share), max(2 * high - 1, (1 - share) * mean + share)
    assert of(np.stack([same, other], 1), np.ones((10, 2)), gap, bounds=(-1, 1)) == pytest.approx(wanted)


def test_an_unbounded_mean_has_students_interval():
    values = np.random.default_rng(3).normal(-3, 1, 12)
    wanted = student.interval(0.95, 11, values.mean(), values.std(ddof=1) / np.sqrt(11))  # not 12: a twelfth wider
    free = {"bounds": (-np.inf, np.inf), "row_bounds": (-np.inf, np.inf)}
    assert of(values[:, None], np.ones((12, 1)), lambda m: m[:, 0], **free) == pytest.approx(wanted)
    assert of(np.full((12, 1), -3.0), np.ones((12, 1)), lambda m: m[:, 0], **free) is None


def test_undefined_statistics_have_no_interval():
    ones = np.ones((6, 2))
    assert of(ones * [0, 1], ones, ratio) is None  # nothing to divide by
    assert of(np.array([[1.0, 0.0]] + [[0.0, 1.0]] * 5), ones, ratio) is None  # nothing without the first
    apart = np.array([[1.0, 0.0], [0.0, 1.0]])  # a column that only one seed has
    assert interval_of(apart, apart, np.arange(2), gap, bounds=(-1, 1)) is None


def test_interval_contains_the_value_and_stays_in_bounds():
    rng = np.random.default_rng(11)
    for _ in range(300):
        rows = int(rng.integers(2, 40))
        values, seeds = rng.integers(0, 2, rows).astype(float), rng.integers(0, 4, rows)
        low, high = mean_interval(values, Clusters.of(rng.integers(0, 8, rows), rows, seeds))
        assert 0 <= low <= values.mean() <= high <= 1


def test_parts_give_the_auroc():
    parts = auroc_parts(np.array([3.0, 1.0, 1.0]), np.array([True, True, False]))
    assert parts.tolist() == [1.0, 0.5, 0.75]


def test_ratios_of_shares():
    assert (ratio_of(0.0), ratio_of(0.5), ratio_of(1.0)) == (0.0, 1.0, np.inf)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95])
def test_bad_confidence_is_named(confidence):
    with pytest.raises(ValueError, match=f"confidence={confidence}"):
        mean_interval(np.ones(3), Clusters.of(None, 3), bounds=UNIT, confidence=confidence)


def test_bad_clusters_are_named():
    with pytest.raises(ValueError, match="persona_id has 2 entries for 3 rows"):
        Clusters.of(["a", "b"], 3)
    with pytest.raises(ValueError, match="Row 1: persona_id is None"):
        Clusters.of(["a", None, "b"], 3)
    with pytest.raises(ValueError, match="Row 1: persona_id is nan"):
        Clusters.of(["a", float("nan")], 2)
    with pytest.raises(ValueError, match="Row 2: persona_seed is None"):
        Clusters.of(["a", "b", "c"], 3, [0, 1, None])


def test_some_rows_keep_their_persons_and_seeds():
    clusters = Clusters.of(["a", "b", "c", "a"], 4, [0, 1, 2, 0]).among(np.array([True, False, True, True]))
    assert clusters.persona.tolist() == [0, 1, 0]
    assert clusters.seed.tolist() == [0, 2]


def test_a_cluster_has_one_code_in_every_spelling():
    assert Clusters.of(["Jos\u00e9", "b", "Jose\u0301", "Jose"], 4).persona.tolist() == [1, 2, 1, 0]


def test_the_maths_exists_once(root):
    """Each Space carries a link to the one file, relative, so that a clone keeps it."""
    for name in ("exposure", "cross_modal_recall"):
        link = root / "metrics" / name / "intervals.py"
        assert link.is_symlink()
        assert str(link.readlink()) == "../intervals.py"
