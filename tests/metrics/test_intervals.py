# SPDX-License-Identifier: Apache-2.0
"""The bootstrap against enumeration, its invariances, its edge cases, and its coverage."""

import itertools

import numpy as np
import pytest

from crossmem_hf.metrics import intervals
from crossmem_hf.metrics.intervals import Resampling, bootstrap_interval, cluster_codes, mean_interval, resampled_means

UNIT = (0.0, 1.0)


def gap(means):
    return means[:, 0] - means[:, 1]


def ratio(means):
    return np.divide(means[:, 1], means[:, 0], out=np.full(len(means), np.nan), where=means[:, 0] > 0)


def test_resamples_follow_the_enumerated_distribution():
    """All 4^4 resamples of four clusters of unlike size, against 40,000 drawn ones."""
    sums, counts = np.array([[3.0], [0.0], [1.0], [5.0]]), np.array([[4.0], [1.0], [2.0], [5.0]])
    every = np.array(list(itertools.product(range(4), repeat=4)))
    exact = sums[every, 0].sum(axis=1) / counts[every, 0].sum(axis=1)
    drawn = resampled_means(sums, counts, Resampling(num_resamples=40_000))[:, 0]
    assert set(np.round(drawn, 12)) <= set(np.round(exact, 12))
    assert drawn.mean() == pytest.approx(exact.mean(), abs=0.005)
    assert drawn.std() == pytest.approx(exact.std(), rel=0.02)
    share = [(drawn <= value).mean() - (exact <= value).mean() for value in (0.4, 0.6, 0.8)]
    assert np.abs(share).max() < 0.01


def test_columns_share_each_draw():
    sums = np.random.default_rng(1).integers(0, 3, size=(9, 1)).astype(float)
    means = resampled_means(np.hstack([sums, sums]), np.full((9, 2), 3.0), Resampling(num_resamples=50))
    np.testing.assert_array_equal(means[:, 0], means[:, 1])


def test_chunks_change_nothing(monkeypatch):
    values, codes = np.random.default_rng(0).random(40), np.arange(40) % 7
    whole = mean_interval(values, codes, bounds=UNIT)
    monkeypatch.setattr(intervals, "_ELEMENTS_AT_ONCE", 50)
    assert mean_interval(values, codes, bounds=UNIT) == whole


def test_seed_decides_the_interval():
    values, codes = np.random.default_rng(0).random(30), np.arange(30)
    first, again, other = (mean_interval(values, codes, bounds=UNIT, resampling=Resampling(seed=s)) for s in (3, 3, 4))
    assert first == again
    assert first != other


def test_row_order_changes_nothing():
    rng = np.random.default_rng(5)
    values, persons = rng.random(60), np.array([f"p{number}" for number in rng.integers(0, 12, 60)])
    order = rng.permutation(60)
    straight = mean_interval(values, cluster_codes(persons, 60), bounds=UNIT)
    shuffled = mean_interval(values[order], cluster_codes(persons[order], 60), bounds=UNIT)
    assert shuffled == pytest.approx(straight, abs=1e-12)


def test_repeating_a_persons_rows_adds_no_certainty():
    values, codes = np.random.default_rng(2).random(20), np.arange(20)
    once = mean_interval(values, codes, bounds=UNIT)
    often = mean_interval(np.repeat(values, 10), np.repeat(codes, 10), bounds=UNIT)
    assert often == pytest.approx(once, abs=1e-12)
    naive = mean_interval(np.repeat(values, 10), np.arange(200), bounds=UNIT)
    assert naive[1] - naive[0] < 0.5 * (often[1] - often[0])


def test_higher_confidence_is_wider():
    values, codes = np.random.default_rng(2).random(20), np.arange(20)
    narrow, wide = (
        mean_interval(values, codes, bounds=UNIT, resampling=Resampling(confidence=c)) for c in (0.5, 0.99)
    )
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("persons", [1, 2, 10, 50, 1000])
def test_all_right_gives_the_exact_binomial_bound(persons):
    """At the lower end, 2.5 % of the samples of that many persons would be all right."""
    low, high = mean_interval(np.ones(3 * persons), np.arange(3 * persons) % persons, bounds=UNIT)
    assert high == 1.0
    assert low**persons == pytest.approx(0.025)
    wrong = mean_interval(np.zeros(persons), np.arange(persons), bounds=UNIT)
    assert wrong == pytest.approx((0.0, 1.0 - low))


def test_agreement_between_the_bounds():
    """Every person at 30 of 0-100: the unseen share may pull the mean to either end."""
    share = 1 - 0.025 ** (1 / 20)
    low, high = mean_interval(np.full(20, 30.0), np.arange(20), bounds=(0.0, 100.0))
    assert (low, high) == pytest.approx((30 * (1 - share), 30 * (1 - share) + 100 * share))


def test_agreement_of_a_gap_and_of_a_ratio():
    ones, share = np.ones((50, 2)), 1 - 0.025 ** (1 / 50)
    assert bootstrap_interval(ones * [1, 0], ones, gap) == pytest.approx((1 - 2 * share, 1.0))
    assert bootstrap_interval(ones, ones, gap) == pytest.approx((-share, share))
    assert bootstrap_interval(ones, ones, ratio) == pytest.approx((1 - share, 1 / (1 - share)))


def test_undefined_statistics_have_no_interval():
    ones = np.ones((6, 2))
    assert bootstrap_interval(ones * [0, 1], ones, ratio) is None  # nothing to divide by
    rare = np.array([[1.0, 0.0]] + [[0.0, 1.0]] * 5)  # a third of the resamples miss the only denominator
    assert bootstrap_interval(rare, ones, ratio) is None
    common = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    low, high = bootstrap_interval(common, ones, ratio)
    assert 0 < low < 4 / 5 < high


def test_a_person_without_rows_in_a_column_is_no_zero():
    sums, counts = (
        np.array([[4.0, 0.0], [2.0, 3.0], [1.0, 2.0], [3.0, 1.0]]),
        np.array([[4.0, 0.0]] + [[4.0, 4.0]] * 3),
    )
    means = resampled_means(sums, counts, Resampling(num_resamples=5_000))
    assert np.nanmin(means[:, 1]) >= 0.25
    assert np.isnan(means[:, 1]).any()


def test_interval_contains_the_value():
    rng = np.random.default_rng(11)
    for _ in range(100):
        persons = int(rng.integers(2, 8))
        values, codes = rng.integers(0, 2, 15).astype(float), np.arange(15) % persons
        low, high = mean_interval(values, codes, bounds=UNIT, resampling=Resampling(num_resamples=50))
        assert 0 <= low <= values.mean() + 1e-12
        assert values.mean() - 1e-12 <= high <= 1


def coverage(recall, clusters_of_rows):
    """Share of 400 worlds of 50 persons with 4 rows each whose interval holds the true recall."""
    rng, resampling, held = np.random.default_rng(7), Resampling(num_resamples=400), 0
    for _ in range(400):
        chances = rng.beta(2 * recall, 2 * (1 - recall), 50)
        values = (rng.random(200) < np.repeat(chances, 4)).astype(float)
        low, high = mean_interval(values, clusters_of_rows, bounds=UNIT, resampling=resampling)
        held += low <= recall <= high
    return held / 400


def test_coverage_is_what_the_cards_say():
    persons = np.repeat(np.arange(50), 4)
    assert 0.92 <= coverage(0.5, persons) <= 0.98
    assert 0.92 <= coverage(0.2, persons) <= 0.98
    assert 0.82 <= coverage(0.98, persons) <= 0.93
    assert coverage(0.5, np.arange(200)) < 0.85  # rows as their own clusters: what clustering is for


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"confidence": 1.0}, "confidence=1.0"),
        ({"confidence": 95}, "confidence=95"),
        ({"num_resamples": 0}, "num_resamples=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_bad_resampling_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        Resampling(**arguments)


def test_bad_clusters_are_named():
    with pytest.raises(ValueError, match="2 entries for 3 rows"):
        cluster_codes(["a", "b"], 3)
    with pytest.raises(ValueError, match="Row 1: persona_id is None"):
        cluster_codes(["a", None, "b"], 3)


def test_the_maths_exists_once(root):
    """Each Space carries a link to the one file, relative, so that a clone keeps it."""
    for name in ("exposure", "cross_modal_recall"):
        link = root / "metrics" / name / "intervals.py"
        assert link.is_symlink()
        assert str(link.readlink()) == "../intervals.py"


def test_a_cluster_has_one_code_in_every_spelling():
    assert cluster_codes(["Jos\u00e9", "b", "Jose\u0301", "Jose"], 4).tolist() == [1, 2, 1, 0]
    with pytest.raises(ValueError, match="Row 1: persona_id is nan"):
        cluster_codes(["a", float("nan")], 2)
