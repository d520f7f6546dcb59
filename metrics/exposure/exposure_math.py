# SPDX-License-Identifier: Apache-2.0
"""Exposure: how far up its candidate list a secret has risen, from the candidates' negative log-likelihoods.

Owns ranks, their normalisations and their chance levels. Does not know where the likelihoods come from, what a
persona is beyond a cluster id, or that `evaluate` exists. Numpy only.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .intervals import DEFAULT_RESAMPLING, FloatArray, Resampling, cluster_codes, mean_interval

Ties = Literal["mid", "best", "worst"]


@dataclass(frozen=True, slots=True)
class ExposureItems:
    """One rank an item; everything else follows from it and from the number of candidates.

    Args:
        rank: (items,) 1 = the truth is likelier than all others, K = less likely; halves where mid-ranked.
        num_candidates: (items,) K, at least 2.
    """

    rank: FloatArray
    num_candidates: NDArray[np.int64]

    @property
    def exposure(self) -> FloatArray:
        """100 * (1 - log rank / log K): 100 at rank 1, 0 at the last."""
        return 100.0 * (1.0 - np.log(self.rank) / np.log(self.num_candidates))

    @property
    def exposure_bits(self) -> FloatArray:
        """log2 K - log2 rank: 0 to log2 K, the form of Carlini et al. over the candidates given."""
        return np.log2(self.num_candidates) - np.log2(self.rank)

    @property
    def exposure_linear(self) -> FloatArray:
        """100 * (1 - (rank - 1) / (K - 1)): 50 by chance at any K."""
        return 100.0 * (1.0 - (self.rank - 1.0) / (self.num_candidates - 1.0))

    @property
    def reciprocal_rank(self) -> FloatArray:
        """1 / rank."""
        return 1.0 / self.rank

    @property
    def chance_exposure(self) -> FloatArray:
        """Expected exposure of each item if every rank were equally likely."""
        counts, places = np.unique(self.num_candidates, return_inverse=True)
        return np.asarray([chance_exposure(int(count)) for count in counts])[places.reshape(-1)]

    def as_lists(self) -> dict[str, list[float]]:
        """Plain lists, one entry an item, ready for JSON."""
        columns = {
            "item_exposure": self.exposure,
            "item_exposure_bits": self.exposure_bits,
            "item_exposure_linear": self.exposure_linear,
            "item_rank": self.rank,
            "item_num_candidates": self.num_candidates,
            "item_chance_exposure": self.chance_exposure,
        }
        return {name: column.tolist() for name, column in columns.items()}


def chance_exposure(num_candidates: int) -> float:
    """Expected exposure of a scorer that knows nothing: the mean over the ranks 1 to K, exactly.

    Returns:
        0-100; 50.0 at K = 2, 29.3 at K = 20, 14.4 at K = 1,000: it falls as candidates are added.

    Example:
        >>> round(chance_exposure(20), 2)
        29.34
    """
    if num_candidates < 2:
        raise ValueError(f"num_candidates={num_candidates!r}; expected at least 2. Give the item a rival to rank.")
    logs = np.log(np.arange(1, num_candidates + 1, dtype=np.float64))
    return float(100.0 * (1.0 - logs.mean() / logs[-1]))


def exposure_items(
    candidate_nlls: Sequence[Any] | FloatArray, truth_indices: Sequence[Any] | NDArray[Any], *, ties: Ties = "mid"
) -> ExposureItems:
    """Rank of the truth among its candidates, item by item, by ascending negative log-likelihood.

    Args:
        candidate_nlls: A list of numbers an item, in nats, lower = likelier; sums or per-token means, but the same
            for all candidates of an item. Lists may differ in length. +inf means impossible.
        truth_indices: Place of the truth in its item's list, from 0.
        ties: Rank of a truth that ties with rivals: the middle of the tied places, the best or the worst of them.

    Raises:
        ValueError: No items, lengths that differ, NaN or -inf, fewer than two candidates, an index outside the
            list (the row is named); no value above zero anywhere (log-probabilities, not their negatives).

    Example:
        >>> exposure_items([[0.1, 2.0, 3.0], [5.0, 1.0, 1.0, 4.0]], [0, 2]).rank
        array([1. , 1.5])
    """
    if ties not in get_args(Ties):
        raise ValueError(f"ties={ties!r}; expected one of {list(get_args(Ties))}. Pass one of them.")
    rows = _checked_rows(candidate_nlls)
    truths = _checked_truths(truth_indices, rows)
    lengths = np.asarray([len(row) for row in rows], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    flat = np.concatenate(rows)
    if flat.max() <= 0.0 and flat.min() < 0.0:
        raise ValueError(
            "Every value is zero or negative, which negative log-likelihoods cannot be; the ranking would be upside "
            "down. Pass nll = -log p."
        )
    truth_nlls = np.repeat(flat[starts + truths], lengths)
    num_likelier = np.add.reduceat((flat < truth_nlls).astype(np.int64), starts)
    num_rival_ties = np.add.reduceat((flat == truth_nlls).astype(np.int64), starts) - 1
    share_ahead = {"mid": 0.5, "best": 0.0, "worst": 1.0}[ties]
    return ExposureItems(rank=1.0 + num_likelier + share_ahead * num_rival_ties, num_candidates=lengths)


def exposure_summary(
    items: ExposureItems, *, persona_id: Sequence[Any] | None = None, resampling: Resampling = DEFAULT_RESAMPLING
) -> dict[str, float]:
    """Means over items of exposure and its relatives, with an interval clustered by persona.

    Args:
        persona_id: Cluster of each item. Left out, every item is its own cluster, which is too narrow an interval
            when one persona has several items.

    Returns:
        exposure (0-100, higher = more memorised), exposure_bits (0 to log2 K), exposure_linear (0-100),
        rank (1 to K, lower = more memorised), mrr (0-1), chance_exposure (0-100), exposure_ci_low and
        exposure_ci_high around exposure, n = number of items. Never NaN.

    Raises:
        ValueError: persona_id does not fit the items.

    Example:
        >>> items = exposure_items([[0.1, 2.0, 3.0], [5.0, 1.0, 1.5, 4.0]], [0, 2])
        >>> round(exposure_summary(items)["exposure"], 1)
        75.0
    """
    num_items = len(items.rank)
    codes = np.arange(num_items) if persona_id is None else cluster_codes(persona_id, num_items)
    low, high = mean_interval(items.exposure, codes, bounds=(0.0, 100.0), resampling=resampling)
    return {
        "exposure": float(items.exposure.mean()),
        "exposure_ci_low": low,
        "exposure_ci_high": high,
        "chance_exposure": float(items.chance_exposure.mean()),
        "exposure_bits": float(items.exposure_bits.mean()),
        "exposure_linear": float(items.exposure_linear.mean()),
        "rank": float(items.rank.mean()),
        "mrr": float(items.reciprocal_rank.mean()),
        "n": num_items,
    }


def _checked_rows(candidate_nlls: Sequence[Any] | FloatArray) -> list[FloatArray]:
    """One float64 array an item, at least two candidates each, no NaN and no -inf."""
    if len(candidate_nlls) == 0:
        raise ValueError("No items; expected at least one list of candidate NLLs. Check that the rows were selected.")
    rows: list[FloatArray] = []
    for index, candidates in enumerate(candidate_nlls):
        try:
            row = np.asarray(candidates, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"Row {index}: candidates {candidates!r:.80}; expected a list of numbers. Pass one NLL a candidate."
            ) from None
        if row.ndim != 1:
            raise ValueError(
                f"Row {index}: candidates of shape {row.shape}; expected a flat list. Pass one NLL a candidate."
            )
        if len(row) < 2:
            raise ValueError(
                f"Row {index}: {len(row)} candidates; expected at least 2. Score the truth against its rivals."
            )
        broken = np.flatnonzero(np.isnan(row) | np.isneginf(row))
        if len(broken):
            raise ValueError(
                f"Row {index}: candidate {broken[0]} has an NLL of {row[broken[0]]!s}; expected a number or +inf. "
                "Look for an empty answer or a loss that overflowed."
            )
        rows.append(row)
    return rows


def _checked_truths(truth_indices: Sequence[Any] | NDArray[Any], rows: list[FloatArray]) -> NDArray[np.int64]:
    """Indices as int64, each inside its row."""
    if len(truth_indices) != len(rows):
        raise ValueError(
            f"{len(truth_indices)} truth indices for {len(rows)} rows; expected one a row. Pass both in full."
        )
    checked: list[int] = []
    for index, (truth, row) in enumerate(zip(truth_indices, rows, strict=True)):
        try:
            place = operator.index(truth)
        except TypeError:
            place = -1
        if not 0 <= place < len(row):
            raise ValueError(
                f"Row {index}: truth index {truth!s}; expected a whole number from 0 to {len(row) - 1}. "
                "Pass the place of the truth in its own candidate list."
            )
        checked.append(place)
    return np.asarray(checked, dtype=np.int64)
