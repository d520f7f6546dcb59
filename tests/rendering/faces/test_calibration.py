# SPDX-License-Identifier: Apache-2.0
"""A threshold for people who are known, on planted vectors, against loops over all pairs."""

import itertools

import numpy as np
import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.rendering.faces.calibration import LARGEST, Calibration
from tests.rendering.planted_faces import at


def planted(num_personas=8, num_pictures=4, spread=0.35, seed=0):
    """Names and unit vectors: noise around a direction a person."""
    draw = np.random.default_rng(seed)
    personas, vectors = [], []
    for person in range(num_personas):
        middle = draw.normal(size=6)
        for _ in range(num_pictures):
            vector = middle / np.linalg.norm(middle) + spread * draw.normal(size=6)
            vectors.append(list(vector / np.linalg.norm(vector)))
            personas.append(f"p{person}")
    return personas, vectors


def by_hand(personas, vectors):
    pairs = list(itertools.combinations(range(len(personas)), 2))
    cosine = {(i, j): float(np.dot(vectors[i], vectors[j])) for i, j in pairs}
    within = [cosine[pair] for pair in pairs if personas[pair[0]] == personas[pair[1]]]
    return within, [cosine[pair] for pair in pairs if personas[pair[0]] != personas[pair[1]]]


def test_cosines_and_errors_are_those_of_all_pairs():
    personas, vectors = planted()
    within, between = by_hand(personas, vectors)
    calibration = Calibration(personas, vectors)
    assert calibration.within == pytest.approx(sorted(within))
    assert calibration.between == pytest.approx(sorted(between))
    errors = calibration.errors(0.7)
    assert errors.false_reject.value == pytest.approx(np.mean([cosine <= 0.7 for cosine in within]))
    assert errors.false_accept.value == pytest.approx(np.mean([cosine >= 0.7 for cosine in between]))
    assert (errors.false_reject.num_pairs, errors.false_accept.num_pairs) == (8 * 6, 28 * 16)
    for rate in (errors.false_reject, errors.false_accept):
        assert 0 <= rate.low < rate.value < rate.high < 1
    reported = calibration.as_dict()
    assert (sum(reported["within"]["counts"]), sum(reported["between"]["counts"])) == (len(within), len(between))
    assert reported["between"]["quantiles"][-1] == pytest.approx(max(between))


def test_no_threshold_has_a_smaller_larger_error():
    personas, vectors = planted()
    within, between = by_hand(personas, vectors)

    def worst(threshold):
        rejected = np.mean([cosine <= threshold for cosine in within])
        return max(rejected, np.mean([cosine >= threshold for cosine in between]))

    suggested = Calibration(personas, vectors).suggested()
    assert worst(suggested) == pytest.approx(min(worst(t) for t in np.linspace(-0.999, 0.999, 4001)), abs=1e-9)


def test_people_who_are_apart_are_parted_in_the_middle_of_the_gap():
    calibration = Calibration(["a", "a", "b", "b"], [at(0), at(10), at(60), at(80)])
    low, high = np.cos(np.radians([50, 20]))  # the likest of two people, the least alike of one
    assert calibration.suggested() == pytest.approx((low + high) / 2, abs=1e-4)
    errors = calibration.errors(calibration.suggested())
    assert (errors.false_reject.value, errors.false_accept.value) == (0, 0)
    share = 1 - 0.025 ** (1 / 2)  # of two people who all agree: the exact bound
    assert (errors.false_reject.low, errors.false_accept.low) == (0, 0)
    assert (errors.false_reject.high, errors.false_accept.high) == (pytest.approx(share), pytest.approx(share))


def test_more_pictures_of_the_same_people_are_no_more_certain():
    """Pairs of one person are not independent: every picture twice leaves the share of two people's pairs alone."""
    personas, vectors = planted()
    once = Calibration(personas, vectors).errors(0.7).false_accept
    twice = Calibration(personas * 2, vectors * 2).errors(0.7).false_accept
    assert (twice.value, twice.num_pairs) == (pytest.approx(once.value), 4 * once.num_pairs)
    assert (twice.low, twice.high) == (pytest.approx(once.low), pytest.approx(once.high))


def test_whoever_is_shown_once_counts_between_people_only():
    personas, vectors = planted(num_personas=5)
    alone = Calibration([*personas, "alone"], [*vectors, at(0) + [0.0] * 4])
    assert alone.errors(0.7).false_reject == Calibration(personas, vectors).errors(0.7).false_reject
    assert alone.errors(0.7).false_accept.num_pairs == 10 * 16 + 20


@pytest.mark.parametrize(
    ("personas", "said"),
    [([], "faces of 0 people"), (["a", "a"], "faces of 1 people"), (["a", "b"], "no two pictures of one person")],
)
def test_calibration_reports_the_rest_where_pairs_of_a_kind_are_missing(personas, said):
    calibration = Calibration(personas, [at(10 * place) for place in range(len(personas))])
    assert said in calibration.missing
    assert calibration.as_dict()["within"]["num_pairs"] == int(personas == ["a", "a"])
    for ask in (calibration.suggested, lambda: calibration.errors(0.5)):
        with pytest.raises(CrossmemError, match=said):
            ask()


def test_identical_faces_still_get_a_threshold_in_range():
    """Two names, one face: whatever is chosen is wrong about half, and it is a cosine."""
    calibration = Calibration(["a", "a", "b"], [at(0)] * 3)
    errors = calibration.errors(calibration.suggested())
    assert -1 < errors.threshold < 1
    assert max(errors.false_reject.value, errors.false_accept.value) == 1


def test_mistakes_are_named():
    personas, vectors = planted(num_personas=2, num_pictures=2)
    with pytest.raises(CrossmemError, match="expected a cosine"):
        Calibration(personas, vectors).errors(1.0)
    with pytest.raises(CrossmemError, match=f"expected at most {LARGEST}"):
        Calibration(["a"] * (LARGEST + 1), [at(0)] * (LARGEST + 1))
