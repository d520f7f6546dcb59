# SPDX-License-Identifier: Apache-2.0
"""RankMe, alpha-ReQ and the participation ratio of some hidden states, from the spectrum of their covariance.

Owns the spectrum, the three formulas and what is too little for them. Does not know which model or layer the states
are from, or that `evaluate` exists. Numpy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Form = Literal["eigenvalue", "singular"]

RANK_RANGE: Final = (12, 100)
EPS: Final = 1e-7  # added to each share of RankMe, as both papers' code does
_LEAST_RANKS = 3  # a line goes through any two points


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The variances of some states along their principal directions.

    Args:
        eigenvalues: (min(n, dim),) of the covariance of the states less their mean, falling, with sum 1; exactly 0
            where rounding cannot tell them from it.
        n: States.
        dim: Width of a state.
    """

    eigenvalues: FloatArray
    n: int
    dim: int

    @property
    def rank(self) -> int:
        """Number of directions in which the states differ at all."""
        return int(np.count_nonzero(self.eigenvalues))


def spectrum_of(states: Sequence[Any] | FloatArray) -> Spectrum:
    """The spectrum of states, one a row.

    Raises:
        ValueError: Fewer than two states, of different widths or none, a value that is no finite number, or states
            that are all the same; the row is named.

    Example:
        >>> spectrum_of([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).eigenvalues
        array([0.9, 0.1])
    """
    states_ND = _checked(states)
    n, dim = states_ND.shape
    largest = float(np.abs(states_ND).max()) or 1.0  # squares of the scaled ones neither overflow nor vanish
    centered_ND = states_ND / largest
    centered_ND -= centered_ND.mean(axis=0)
    if np.abs(centered_ND).max() <= 8 * np.finfo(np.float64).eps:
        raise ValueError(
            f"All {n} states are the same; expected states that differ. Check the position that they are taken from."
        )
    centered_ND /= np.abs(centered_ND).max()
    product = centered_ND @ centered_ND.T if n < dim else centered_ND.T @ centered_ND
    return _spectrum(product, n, dim)


def spectrum_of_covariance(covariance_DD: FloatArray, n: int) -> Spectrum:
    """The spectrum of `n` states from their covariance, of any scale, for states that were not kept.

    Raises:
        ValueError: Not square, a value that is no finite number, fewer than two states, or no variance.

    Example:
        >>> spectrum_of_covariance(np.diag([0.5, 4.5]), 4).eigenvalues
        array([0.9, 0.1])
    """
    covariance = np.asarray(covariance_DD, dtype=np.float64)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1] or not np.isfinite(covariance).all():
        raise ValueError(
            f"A covariance of shape {covariance.shape}; expected a square of finite numbers. Check the states."
        )
    if n < 2:
        raise ValueError(f"{n} states have no covariance; expected two or more. Pass more states.")
    if not np.trace(covariance) > 0.0:
        raise ValueError(f"All {n} states are the same; expected states that differ. Check where they are taken.")
    return _spectrum(covariance / np.abs(covariance).max(), n, len(covariance))


def _spectrum(symmetric: FloatArray, n: int, dim: int) -> Spectrum:
    found = np.linalg.eigvalsh(symmetric)[::-1][: min(n, dim)]
    kept = np.where(found > found[0] * max(n, dim) * np.finfo(np.float64).eps, found, 0.0)
    kept[n - 1 :] = 0.0  # less their mean, n states span n - 1 directions
    return Spectrum(kept / kept.sum(), n, dim)


def rankme(spectrum: Spectrum, *, form: Form = "eigenvalue") -> float:
    """RankMe, an effective number of directions: exp of the entropy of the spectrum's shares.

    Args:
        form: Shares of the eigenvalues, as Li et al. (2025) take them; or of their roots, the singular values of the
            states, as Garrido et al. (2023) do. The latter is never the smaller but for rounding.

    Returns:
        1 to min(n - 1, dim), dim for states that vary alike in all directions. 1e-7 is added to each share, as both
        papers' code does, so that a flat spectrum of 512 gives 512.14.

    Raises:
        ValueError: There is no such form.

    Example:
        >>> round(rankme(spectrum_of_covariance(np.diag(1.0 / np.arange(1, 129)), 1000)), 3)
        46.955
    """
    if form not in get_args(Form):
        raise ValueError(f"form={form!r}; expected one of {', '.join(map(repr, get_args(Form)))}.")
    values = spectrum.eigenvalues if form == "eigenvalue" else np.sqrt(spectrum.eigenvalues)
    shares = values / values.sum() + EPS
    return float(np.exp(-(shares * np.log(shares)).sum()))


def alpha_req(spectrum: Spectrum, *, rank_range: Sequence[int] = RANK_RANGE) -> tuple[float, float]:
    """alpha-ReQ, how fast the spectrum falls: a in eigenvalue ~ rank^-a, by a line through the logs.

    Args:
        rank_range: First and last rank of the fit, both in it, the largest eigenvalue being of rank 1.

    Returns:
        (alpha, R2). Alpha is the slope, turned to be positive, of least squares with weight 1 / rank (Stringer et
        al. 2019); 0 = flat. R2, at most 1, is that of the fitted ranks, all counted alike; 1 where they are equal and
        the line goes through them.

    Raises:
        ValueError: No range of three ranks, or one that reaches beyond the directions in which the states differ.

    Example:
        >>> spectrum = spectrum_of_covariance(np.diag(np.arange(1, 129) ** -1.5), 1000)
        >>> [round(value, 6) for value in alpha_req(spectrum)]
        [1.5, 1.0]
    """
    first, last = _checked_range(rank_range, spectrum)
    ranks = np.arange(first, last + 1, dtype=np.float64)
    x, y = np.log(ranks), np.log(spectrum.eigenvalues[first - 1 : last])
    weights = 1.0 / ranks
    deviation = x - np.average(x, weights=weights)
    middle = np.average(y, weights=weights)
    slope = float((weights * deviation * (y - middle)).sum() / (weights * deviation**2).sum())
    left = y - middle - slope * deviation
    spread = float(((y - y.mean()) ** 2).sum())
    flat = spread <= len(ranks) * 1e-18  # rounding of equal numbers
    return (0.0 if flat else -slope), (1.0 if flat else 1.0 - float((left**2).sum()) / spread)


def participation_ratio(spectrum: Spectrum) -> float:
    """The square of the sum of the eigenvalues over the sum of their squares.

    Returns:
        1 (one direction) to min(n - 1, dim) (all alike).

    Example:
        >>> participation_ratio(spectrum_of_covariance(np.eye(7), 100))
        7.0
    """
    return float(1.0 / (spectrum.eigenvalues**2).sum())


def geometry_summary(
    spectrum: Spectrum, *, form: Form = "eigenvalue", rank_range: Sequence[int] | None = RANK_RANGE
) -> dict[str, float]:
    """All of it.

    Args:
        form: See `rankme`.
        rank_range: See `alpha_req`; None leaves alpha_req and alpha_r2 out.

    Returns:
        rankme, alpha_req, alpha_r2, participation_ratio, n (states) and dim (their width). Never NaN.

    Raises:
        ValueError: As `rankme` and `alpha_req`.
    """
    fit = {}
    if rank_range is not None:
        fit["alpha_req"], fit["alpha_r2"] = alpha_req(spectrum, rank_range=rank_range)
    return {
        "rankme": rankme(spectrum, form=form),
        **fit,
        "participation_ratio": participation_ratio(spectrum),
        "n": spectrum.n,
        "dim": spectrum.dim,
    }


def _checked_range(rank_range: Sequence[int], spectrum: Spectrum) -> tuple[int, int]:
    ends = tuple(rank_range) if isinstance(rank_range, Sequence) else ()
    whole = len(ends) == 2 and all(isinstance(end, int | np.integer) and not isinstance(end, bool) for end in ends)
    if not whole or ends[0] < 1 or ends[1] - ends[0] + 1 < _LEAST_RANKS:
        raise ValueError(
            f"rank_range={rank_range!r}; expected the first and the last rank of the fit, from 1 and with "
            f"{_LEAST_RANKS} ranks or more between them, such as {RANK_RANGE}."
        )
    if ends[1] > spectrum.rank:
        raise ValueError(
            f"rank_range={tuple(map(int, ends))!r} reaches beyond the spectrum: {spectrum.n} states of width "
            f"{spectrum.dim} differ in {spectrum.rank} directions, at most min(n - 1, dim). Pass more states, an end "
            f"of {spectrum.rank} or less and say so beside the number, or rank_range=None for no alpha_req."
        )
    return int(ends[0]), int(ends[1])


def _checked(states: Sequence[Any] | FloatArray) -> FloatArray:
    """The states as a float64 table."""
    if len(states) < 2:
        raise ValueError(f"{len(states)} states have no spectrum; expected two or more. Pass a state a row.")
    try:
        widths = [len(state) for state in states]
    except TypeError:
        raise ValueError("The states are numbers; expected a list of numbers each. Pass a state a row.") from None
    for row, width in enumerate(widths):
        if width != widths[0] or width == 0:
            raise ValueError(
                f"Row {row}: a state of width {width}, beside {widths[0]} in row 0; expected one width of at least 1. "
                "Pass states of one layer."
            )
    table = np.asarray(states, dtype=np.float64)
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        value = table[row][~np.isfinite(table[row])][0]
        raise ValueError(
            f"Row {row}: a state holds {value}; expected finite numbers. States of a model in float16 may overflow: "
            "take them in bfloat16 or float32."
        )
    return table
