# SPDX-License-Identifier: Apache-2.0
"""One rule for intervals: what varies between seeds, between their personas, and what nobody has seen yet.

Owns the rule (docs/statistics.md) for means and for smooth functions of means, without a random draw. Does not know
what a row, a name or an exposure is. Numpy and scipy only. Every metric folder holds a link to this file, so that a
Space carries its own copy.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Self
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri, stdtrit

FloatArray = NDArray[np.float64]
Statistic = Callable[[FloatArray], FloatArray]
"""From (N, D) means of columns to (N,) numbers; NaN where it is undefined."""

CONFIDENCE = 0.95
UNIT = (0.0, 1.0)
SEED_MARGIN = 1.25
"""Factor of the variance between seeds: the least of 1, 1.25 and 1.5 that held 93 % in all worlds simulated; few seeds
of a skewed distribution look alike too often."""
_NO_SPREAD = 1e-16  # a variance, beside the square of the range: what rounding leaves of equal numbers, and far more


@dataclass(frozen=True, slots=True)
class Clusters:
    """Whom each row is about, and of which seed.

    Args:
        persona: (rows,) number of the row's persona, from 0.
        seed: (personas,) number of the persona's seed, from 0; all 0 where seeds are not known.
    """

    persona: NDArray[np.intp]
    seed: NDArray[np.intp]

    @classmethod
    def of(cls, persona_id: Sequence[Any] | None, num_rows: int, persona_seed: Sequence[Any] | None = None) -> Self:
        """The clusters of rows. Sorted, so that the order of the rows changes no interval.

        Args:
            persona_id: Persona of each row; composed and decomposed spellings are one. None makes each row its own,
                which is too narrow an interval when one persona has several rows.
            persona_seed: Seed of the row's population of personas. Personas of two seeds are two, whatever they are
                called. None is one population.

        Raises:
            ValueError: A column does not fit the rows, or an entry is missing; the row is named.
        """
        ids = [str(row) for row in range(num_rows)] if persona_id is None else persona_id
        personas = _checked(ids, num_rows, "persona_id", "persona")
        seeds = [""] * num_rows if persona_seed is None else _checked(persona_seed, num_rows, "persona_seed", "seed")
        populations, of_rows = np.unique(np.asarray(seeds, dtype=object), return_inverse=True)
        names = np.unique(np.asarray(personas, dtype=object), return_inverse=True)[1]
        both, codes = np.unique(names.astype(np.intp) * len(populations) + of_rows, return_inverse=True)
        return cls(codes.reshape(-1).astype(np.intp), (both % len(populations)).astype(np.intp))

    def among(self, rows: NDArray[np.bool_]) -> Self:
        """The clusters of some of the rows."""
        kept, codes = np.unique(self.persona[rows], return_inverse=True)
        return type(self)(codes.reshape(-1).astype(np.intp), self.seed[kept])

    def table(self, columns_RD: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(personas, D) sums and counts of each persona's rows; NaN stands for a row that is not in a column."""
        counted = ~np.isnan(columns_RD)
        sums, counts = np.zeros((2, len(self.seed), columns_RD.shape[1]))
        np.add.at(sums, self.persona, np.where(counted, columns_RD, 0.0))
        np.add.at(counts, self.persona, counted)
        return sums, counts


def _checked(entries: Sequence[Any], num_rows: int, name: str, what: str) -> list[str]:
    if len(entries) != num_rows:
        raise ValueError(
            f"{name} has {len(entries)} entries for {num_rows} rows; expected one a row. Pass the {what} of every row."
        )
    for row, entry in enumerate(entries):
        if entry is None or entry != entry:
            raise ValueError(f"Row {row}: {name} is {entry}; expected a {what}. Give the row its {what}.")
    return [normalize("NFC", str(entry)) for entry in entries]


def tail_of(confidence: float) -> float:
    """What an interval leaves outside at each end.

    Raises:
        ValueError: The confidence is not above 0 and below 1.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(
            f"confidence={confidence!r}; expected a share between 0 and 1, both excluded. Pass 0.95 for 95 %."
        )
    return (1.0 - confidence) / 2.0


def unseen_share(num_clusters: int, tail: float) -> float:
    """Largest share of the population that may differ although all clusters seen agree: 1 - tail^(1/G).

    The exact binomial (Clopper-Pearson) bound at no success, whose rough form is the "rule of three" (3/G): 7.1 % for
    50 clusters at 95 %.
    """
    return float(1.0 - tail ** (1.0 / num_clusters))


def spread_intervals(
    values_N: FloatArray,
    left_out_NK: FloatArray,
    num_units: int,
    bounds: tuple[float, float],
    tail: float,
    margin: float = 1.0,
) -> FloatArray:
    """The intervals that the spread between units (seeds, or personas) gives, of N statistics at once.

    The variance is that of the delete-one jackknife, without the factor (K - 1) / K. Within finite bounds it becomes
    an effective number of answers, n = p (1 - p) / variance, times (z / t)^2 for what is not known of the variance
    (Korn and Graubard 1998), and the ends are quantiles of Beta(np + 1/2, n (1 - p) + 1/2). Without finite bounds the
    ends are Student's.

    Args:
        left_out_NK: the statistic without each unit.
        num_units: K, of which the variance has K - 1 degrees of freedom.
        margin: Factor of the variance.

    Returns:
        (N, 2) low and high; the value twice where there is no spread or only one unit.
    """
    low, high = bounds
    width = high - low
    values = values_N[:, None]
    variance = margin * ((left_out_NK - values) ** 2).sum(axis=1, keepdims=True)
    spread = variance > _NO_SPREAD * (width if math.isfinite(width) else np.maximum(1.0, np.abs(values))) ** 2
    if num_units < 2 or not spread.any():
        return np.repeat(values, 2, axis=1)
    t = float(stdtrit(num_units - 1, 1.0 - tail))
    if not math.isfinite(width):
        return np.clip(values + np.sqrt(np.where(spread, variance, 0.0)) * [-t, t], low, high)
    share = np.clip((values - low) / width, 0.0, 1.0)
    n = share * (1.0 - share) * width**2 / np.where(spread, variance, 1.0) * float(ndtri(tail) / t) ** 2
    ends = low + width * betaincinv(n * share + 0.5, n * (1.0 - share) + 0.5, [tail, 1.0 - tail])
    beyond = np.concatenate([np.minimum(ends[:, :1], values), np.maximum(ends[:, 1:], values)], axis=1)
    return np.where(spread, beyond, values)


def interval_of(
    sums_GD: FloatArray,
    counts_GD: FloatArray,
    seeds_G: NDArray[np.intp],
    statistic: Statistic,
    *,
    bounds: tuple[float, float] = UNIT,
    row_bounds: tuple[float, float] = UNIT,
    unseen: Statistic | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[float, float] | None:
    """Interval of a statistic of column means: the widest of three.

    What the spread between seeds gives (with several), what that between personas gives, and what a population may
    look like of which `unseen_share` differs as far as rows can. The last makes the interval of equal numbers (all
    right, all wrong) the exact binomial one on the number of personas, and joins it to that of nearly equal ones.

    Args:
        sums_GD: Sum of each persona's rows in each of D columns.
        counts_GD: Number of each persona's rows in each column.
        seeds_G: Seed of each persona.
        statistic: Monotone in each column.
        bounds: Smallest and largest value of the statistic; may be infinite.
        row_bounds: Smallest and largest value of one row.
        unseen: The statistic of a population of which a share differs, if it is another function of the means: an
            AUROC differs where either side does, not by both.

    Returns:
        (low, high) around the statistic, never NaN. None if the statistic is undefined, also without one of the
        personas or seeds, or if it is unbounded and all agree: then the data set no bound.
    """
    tail = tail_of(confidence)
    totals, numbers = sums_GD.sum(axis=0), counts_GD.sum(axis=0)
    means = totals / numbers
    value = float(statistic(means[None, :])[0])
    ends = [value]
    of_seed = np.unique(seeds_G)[:, None] == seeds_G
    levels = ((sums_GD, counts_GD, 1.0), (of_seed @ sums_GD, of_seed @ counts_GD, SEED_MARGIN))
    for sums, counts, margin in levels:
        num_units = int((counts > 0).sum(axis=0).min())  # of an AUROC: the fewer of both sides
        if len(sums) > 1:
            others = numbers - counts
            left = np.divide(totals - sums, others, out=np.full_like(sums, np.nan), where=others > 0)
            left_out = statistic(left)
            if np.isnan(left_out).any():
                return None
            ends += spread_intervals(np.asarray([value]), left_out[None], num_units, bounds, tail, margin)[0].tolist()
    if all(map(math.isfinite, row_bounds)):
        share = unseen_share(int((counts_GD > 0).sum(axis=0).min()), tail)
        corners = np.asarray(list(product(row_bounds, repeat=len(means))), dtype=np.float64)
        ends += (unseen or statistic)((1.0 - share) * means + share * corners).tolist()
    elif min(ends) == max(ends):
        return None
    found = min(ends), max(ends)
    return None if any(map(math.isnan, (*found, value))) else found


def column_mean(means_ND: FloatArray) -> FloatArray:
    """The first column itself: the statistic of a plain mean."""
    return means_ND[:, 0]


def mean_interval(
    values: FloatArray, clusters: Clusters, *, bounds: tuple[float, float] = UNIT, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval of a mean over rows with finite bounds.

    Example:
        >>> low, high = mean_interval(np.ones(50), Clusters.of(None, 50))
        >>> round(low, 3), high
        (0.929, 1.0)
    """
    sums, counts = clusters.table(np.asarray(values, dtype=np.float64)[:, None])
    interval = interval_of(
        sums, counts, clusters.seed, column_mean, bounds=bounds, row_bounds=bounds, confidence=confidence
    )
    assert interval is not None  # every persona has a row, and what is left has a mean
    return interval


def ratio_of(share: float) -> float:
    """What a / b is where a / (a + b) is `share`, from 0 to infinity. Ratios have no upper bound, their shares do."""
    return share / (1.0 - share) if share < 1.0 else math.inf


def auroc_parts(scores: FloatArray, is_member: NDArray[np.bool_]) -> FloatArray:
    """Share of the other side that each row is on the right side of; ties count half.

    The AUROC is, to first order in what one row changes, a sum of two means of these (DeLong et al. 1988).

    Returns:
        (rows,) for a member the share of non-members below it, for a non-member the share of members above it. The
        mean over the members, and that over the non-members, is the AUROC.

    Example:
        >>> auroc_parts(np.array([3.0, 1.0, 1.0]), np.array([True, True, False]))
        array([1.  , 0.5 , 0.75])
    """
    parts = np.empty(len(scores))
    for side in (is_member, ~is_member):
        others = np.sort(scores[~side])
        below = np.searchsorted(others, scores[side], "left") + np.searchsorted(others, scores[side], "right")
        parts[side] = below / (2.0 * len(others))
    parts[~is_member] = 1.0 - parts[~is_member]
    return parts
