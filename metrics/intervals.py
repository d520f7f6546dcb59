# SPDX-License-Identifier: Apache-2.0
"""Seeded confidence intervals that resample whole clusters (personas), never single rows.

Owns the percentile bootstrap and what replaces it when every resample agrees. Does not know what a row, a name or
an exposure is. Numpy only. Every metric folder holds a link to this file, so that a Space carries its own copy.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Statistic = Callable[[FloatArray], FloatArray]

_ELEMENTS_AT_ONCE = 4_000_000  # resamples x clusters held in memory together: 32 MB
_NO_SPREAD = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How an interval is drawn.

    Args:
        seed: Any non-negative integer; the same seed and data give the same interval.
        confidence: Share of the resamples inside the interval, above 0 and below 1.
        num_resamples: Bootstrap draws; 2,000 settle a 95 % interval to about two digits.

    Raises:
        ValueError: An argument is outside its range.
    """

    seed: int = 0
    confidence: float = 0.95
    num_resamples: int = 2_000

    def __post_init__(self) -> None:
        if not 0.0 < self.confidence < 1.0:
            raise ValueError(
                f"confidence={self.confidence!r}; expected a share between 0 and 1, both excluded. Pass 0.95 for 95 %."
            )
        if self.num_resamples < 1:
            raise ValueError(f"num_resamples={self.num_resamples!r}; expected at least 1. Pass 2000.")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed!r}; expected a non-negative integer. Pass 0.")

    @property
    def tail(self) -> float:
        """Share of the resamples left outside at each end."""
        return (1.0 - self.confidence) / 2.0


DEFAULT_RESAMPLING = Resampling()


def cluster_codes(cluster_ids: Sequence[Any], num_rows: int) -> NDArray[np.intp]:
    """Cluster number of each row, 0 to clusters - 1, in the order of the sorted ids.

    Sorted, so that the order of the rows changes no interval. Composed and decomposed spellings are one id.

    Raises:
        ValueError: The ids do not fit the rows, or one is missing; the row is named.
    """
    if len(cluster_ids) != num_rows:
        raise ValueError(
            f"persona_id has {len(cluster_ids)} entries for {num_rows} rows; expected one a row. "
            "Pass the persona of every row."
        )
    for row, cluster_id in enumerate(cluster_ids):
        if cluster_id is None or cluster_id != cluster_id:
            raise ValueError(
                f"Row {row}: persona_id is {cluster_id}; expected a persona. Give the row its persona's id."
            )
    named = [normalize("NFC", str(cluster_id)) for cluster_id in cluster_ids]
    _, codes = np.unique(np.asarray(named, dtype=object), return_inverse=True)
    return codes.astype(np.intp).reshape(-1)


def resampled_means(sums_GD: FloatArray, counts_GD: FloatArray, resampling: Resampling) -> FloatArray:
    """Means of D columns in each bootstrap resample of the G clusters; all columns share the draw.

    Shapes:
        sums_GD, counts_GD: sum and number of the rows of each cluster in each column.

    Returns:
        (resamples, D); NaN where a resample holds no row of that column.
    """
    num_clusters = len(sums_GD)
    generator = np.random.default_rng(resampling.seed)
    chunk = max(1, _ELEMENTS_AT_ONCE // num_clusters)
    means: list[FloatArray] = []
    for start in range(0, resampling.num_resamples, chunk):
        size = min(chunk, resampling.num_resamples - start)
        drawn = generator.integers(num_clusters, size=(size, num_clusters))
        drawn += np.arange(size)[:, None] * num_clusters
        weights = np.bincount(drawn.reshape(-1), minlength=size * num_clusters).reshape(size, num_clusters)
        sums, counts = weights @ sums_GD, weights @ counts_GD
        means.append(np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0))
    return np.concatenate(means)


def unseen_share(num_clusters: int, tail: float) -> float:
    """Largest share of the population that may differ although all clusters seen agree: 1 - tail^(1/G).

    The exact binomial bound whose rough form is the "rule of three" (3/G): 7.1 % for 50 clusters at 95 %.
    """
    return float(1.0 - tail ** (1.0 / num_clusters))


def _agreement_interval(
    means_D: FloatArray, statistic: Statistic, bounds: tuple[float, float], share: float
) -> tuple[float, float]:
    """Extremes of the statistic when `share` of the population may hold any values within `bounds`."""
    corners = np.asarray(list(product(bounds, repeat=len(means_D))), dtype=np.float64)
    extremes = statistic((1.0 - share) * means_D + share * corners)
    return float(extremes.min()), float(extremes.max())


def bootstrap_interval(
    sums_GD: FloatArray,
    counts_GD: FloatArray,
    statistic: Statistic,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    resampling: Resampling = DEFAULT_RESAMPLING,
    resampled_ND: FloatArray | None = None,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of a statistic of column means, clusters resampled jointly over the columns.

    Where every resample gives the same number (all right, all wrong) the bootstrap would claim certainty; then the
    interval is what a population may look like in which `unseen_share` of the clusters differ as far as `bounds`
    allow. For a proportion of 0 or 1 that is the exact (Clopper-Pearson) interval on the number of clusters.

    Args:
        sums_GD: Sum of each cluster's rows in each column.
        counts_GD: Number of each cluster's rows in each column.
        statistic: From (N, D) means to (N,) numbers; monotone in each column; NaN where it is undefined.
        bounds: Smallest and largest value that one row can have; used only where every resample agrees.
        resampled_ND: `resampled_means` of these columns, if several statistics share one draw. Default: drawn here.

    Returns:
        (low, high) around the statistic of the data, never NaN. None if the statistic is undefined for the data, or
        in more resamples than one tail holds: then the data set no bound.
    """
    means = np.divide(sums_GD.sum(axis=0), counts_GD.sum(axis=0))
    value = float(statistic(means[None, :])[0])
    if math.isnan(value):
        return None
    draws = statistic(resampled_means(sums_GD, counts_GD, resampling) if resampled_ND is None else resampled_ND)
    defined = draws[~np.isnan(draws)]
    if len(draws) - len(defined) > resampling.tail * len(draws):
        return None
    if np.ptp(defined) <= _NO_SPREAD * max(1.0, abs(value)):
        return _agreement_interval(means, statistic, bounds, unseen_share(len(sums_GD), resampling.tail))
    low, high = np.quantile(defined, [resampling.tail, 1.0 - resampling.tail])
    return min(float(low), value), max(float(high), value)


def column_mean(means_ND: FloatArray) -> FloatArray:
    """The first column itself: the statistic of a plain mean."""
    return means_ND[:, 0]


def mean_interval(
    values: FloatArray,
    codes: NDArray[np.intp],
    *,
    bounds: tuple[float, float],
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> tuple[float, float]:
    """Interval of a mean over rows, clusters resampled.

    Shapes:
        values, codes: (rows,); codes as `cluster_codes` returns them.

    Example:
        >>> low, high = mean_interval(np.ones(50), np.arange(50), bounds=(0.0, 1.0))
        >>> round(low, 3), high
        (0.929, 1.0)
    """
    sums: FloatArray = np.bincount(codes, weights=values).astype(np.float64)[:, None]
    counts: FloatArray = np.bincount(codes).astype(np.float64)[:, None]
    interval = bootstrap_interval(sums, counts, column_mean, bounds=bounds, resampling=resampling)
    assert interval is not None  # every cluster has a row, so every resample has a mean
    return interval
