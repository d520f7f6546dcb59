# SPDX-License-Identifier: Apache-2.0
"""RankMe, alpha-ReQ and participation ratio: published formulas as oracles, known spectra, invariances, refusals."""

import math

import numpy as np
import pytest

from crossmem_hf.metrics.representation_geometry.geometry_math import (
    Spectrum,
    alpha_req,
    geometry_summary,
    participation_ratio,
    rankme,
    spectrum_of,
    spectrum_of_covariance,
)


def power_law(dim, alpha):
    return np.arange(1, dim + 1) ** -float(alpha)


def of(eigenvalues, n=10_000):
    return spectrum_of_covariance(np.diag(np.asarray(eigenvalues, dtype=float)), n)


def states_with(eigenvalues, n, seed=0):
    """States whose covariance has exactly these eigenvalues, turned at random and moved off the origin."""
    rng, dim = np.random.default_rng(seed), len(eigenvalues)
    draws = rng.standard_normal((n, dim))
    columns, _ = np.linalg.qr(draws - draws.mean(axis=0))
    turn, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    return columns * np.sqrt(n * np.asarray(eigenvalues)) @ turn + 3.0


@pytest.mark.parametrize(
    ("dim", "alpha", "eigenvalue_form", "singular_form"),
    [
        (128, 1.0, 46.955, 107.053),
        (512, 1.0, 117.268, 409.668),
        (512, 0.5, 409.668, 491.862),
        (512, 1.5, 16.955, 260.661),
        (2048, 1.0, 281.808, 1589.664),
    ],
)
def test_power_laws_have_the_values_of_the_published_code(dim, alpha, eigenvalue_form, singular_form):
    spectrum = Spectrum(power_law(dim, alpha) / power_law(dim, alpha).sum(), 10 * dim, dim)
    assert rankme(spectrum) == pytest.approx(eigenvalue_form, abs=5e-4)
    assert rankme(spectrum, form="singular") == pytest.approx(singular_form, abs=5e-4)
    assert alpha_req(spectrum) == pytest.approx((alpha, 1.0))


def test_states_with_a_known_spectrum_have_its_values():
    eigenvalues = power_law(128, 1.0)
    assert geometry_summary(spectrum_of(states_with(eigenvalues, 400))) == pytest.approx(
        {**geometry_summary(of(eigenvalues)), "n": 400}
    )


def test_a_gaussian_sample_has_the_published_value():
    draws = np.random.default_rng(0).standard_normal((4000, 256))
    found = geometry_summary(spectrum_of(draws * np.sqrt(power_law(256, 1.0))))
    assert (round(found["alpha_req"], 3), round(found["rankme"], 2)) == (1.005, 73.27)


def test_the_spectrum_is_that_of_a_plain_covariance():
    states = np.random.default_rng(1).standard_normal((50, 20)) @ np.random.default_rng(2).standard_normal((20, 20))
    wanted = np.linalg.eigvalsh(np.cov(states.T))[::-1]
    assert spectrum_of(states).eigenvalues == pytest.approx(wanted / wanted.sum())
    assert spectrum_of_covariance(np.cov(states.T), 50).eigenvalues == pytest.approx(wanted / wanted.sum())


def test_fewer_states_than_dimensions_give_the_same_spectrum():
    states = np.random.default_rng(3).standard_normal((12, 40))
    found = spectrum_of(states)
    wanted = np.linalg.eigvalsh(np.cov(states.T))[::-1][:12]
    assert found.eigenvalues == pytest.approx(wanted / wanted.sum())
    assert found.rank == 11
    assert rankme(found) <= 11.001


def test_alpha_is_weighted_least_squares_over_the_ranks():
    """The normal equations of the published code, on a spectrum that is no power law."""
    eigenvalues = np.sort(np.random.default_rng(4).exponential(size=60))[::-1]
    ranks = np.arange(5, 41.0)
    x = np.stack([-np.log(ranks), np.ones_like(ranks)], axis=1)
    weights = (1.0 / ranks)[:, None]
    y = np.log(eigenvalues[4:40])
    slope, intercept = np.linalg.solve(x.T @ (weights * x), (weights * x).T @ y)
    r2 = 1.0 - ((y - x @ [slope, intercept]) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert alpha_req(of(eigenvalues), rank_range=(5, 40)) == pytest.approx((slope, r2))
    assert r2 < 0.99


def test_ranks_outside_the_range_do_not_count():
    eigenvalues = power_law(128, 1.0)
    changed = eigenvalues.copy()
    changed[:11], changed[100:] = 5.0, 1e-9
    assert alpha_req(of(changed)) == pytest.approx((1.0, 1.0))
    changed[11] *= 2
    assert alpha_req(of(changed))[0] != pytest.approx(1.0, abs=1e-3)


def test_a_flat_spectrum_is_stated():
    found = geometry_summary(of(np.ones(512)))
    assert found["rankme"] == pytest.approx(512.137, abs=1e-3)  # the papers' 1e-7 for each share
    assert (found["alpha_req"], found["alpha_r2"]) == (0.0, 1.0)
    assert found["participation_ratio"] == pytest.approx(512)


def test_one_direction_is_one_direction():
    states = np.outer(np.random.default_rng(5).standard_normal(50), np.ones(30))
    found = geometry_summary(spectrum_of(states), rank_range=None)
    assert found["rankme"] == pytest.approx(1.0, abs=1e-3)
    assert found["participation_ratio"] == pytest.approx(1.0)
    assert set(found) == {"rankme", "participation_ratio", "n", "dim"}


def test_participation_ratio_by_hand():
    assert participation_ratio(of([9.0, 4.0, 1.0])) == pytest.approx(14**2 / (81 + 16 + 1))


def test_place_scale_rotation_and_order_change_nothing():
    rng = np.random.default_rng(6)
    states = states_with(power_law(40, 1.2), 90)
    wanted = geometry_summary(spectrum_of(states), rank_range=(3, 30))
    turn, _ = np.linalg.qr(rng.standard_normal((40, 40)))
    for other in (states + 50.0, states * 1e-160, states * 1e200, states @ turn, states[rng.permutation(90)]):
        assert geometry_summary(spectrum_of(other), rank_range=(3, 30)) == pytest.approx(wanted)


def test_integers_and_float32_are_read():
    states = np.random.default_rng(7).integers(-3, 4, (30, 5))
    assert rankme(spectrum_of(states.tolist())) == rankme(spectrum_of(states.astype(np.float32)))


@pytest.mark.parametrize(
    ("states", "named"),
    [
        ([], "0 states have no spectrum"),
        ([[1.0, 2.0]], "1 states have no spectrum"),
        ([1.0, 2.0], "The states are numbers"),
        ([[1.0, 2.0], [1.0]], "Row 1: a state of width 1, beside 2 in row 0"),
        ([[], []], "Row 0: a state of width 0"),
        ([[1.0, 2.0], [math.nan, 2.0]], "Row 1: a state holds nan"),
        ([[1.0, math.inf], [1.0, 2.0]], "Row 0: a state holds inf"),
        ([[0.1, 0.3]] * 7, "All 7 states are the same"),
        ([[0.0, 0.0]] * 7, "All 7 states are the same"),
    ],
)
def test_states_without_a_spectrum_are_errors(states, named):
    with pytest.raises(ValueError, match=named):
        spectrum_of(states)


@pytest.mark.parametrize(
    ("states", "differ"),
    [
        (np.random.default_rng(8).standard_normal((300, 64)), "300 states of width 64 differ in 64 directions"),
        (np.random.default_rng(8).standard_normal((100, 512)), "100 states of width 512 differ in 99 directions"),
        (
            np.random.default_rng(8).standard_normal((300, 20)) @ np.random.default_rng(9).standard_normal((20, 200)),
            "300 states of width 200 differ in 20 directions",
        ),
    ],
    ids=["narrow", "few", "degenerate"],
)
def test_a_fit_beyond_the_spectrum_is_an_error(states, differ):
    with pytest.raises(ValueError, match=differ):
        geometry_summary(spectrum_of(states))
    end = int(differ.split()[-2])
    assert geometry_summary(spectrum_of(states), rank_range=(2, end))["alpha_req"] > 0


@pytest.mark.parametrize("ends", [(0, 10), (5, 6), (9, 3), (1, 2, 3), (1.0, 9.0), "ab", 7, (True, 9)])
def test_a_range_that_is_none_is_an_error(ends):
    with pytest.raises(ValueError, match="expected the first and the last rank"):
        alpha_req(of(power_law(20, 1.0)), rank_range=ends)


def test_other_forms_and_covariances_are_errors():
    with pytest.raises(ValueError, match="form='svd'; expected one of 'eigenvalue', 'singular'"):
        rankme(of([2.0, 1.0]), form="svd")
    for covariance, n, named in (
        (np.ones((2, 3)), 9, "expected a square"),
        (np.full((2, 2), math.nan), 9, "finite"),
        (np.eye(2), 1, "1 states"),
        (np.zeros((2, 2)), 9, "All 9 states are the same"),
    ):
        with pytest.raises(ValueError, match=named):
            spectrum_of_covariance(covariance, n)
