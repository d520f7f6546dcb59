# SPDX-License-Identifier: Apache-2.0
"""Exposure: how far up its candidate list a secret has risen, from the candidates' negative log-likelihoods.

Owns ranks, their four normalizations (log, bits, linear, reciprocal rank) and the chance level of each. Does not know
where the likelihoods come from, what a persona is beyond a cluster id, or that `evaluate` exists. Numpy and scipy
only.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .intervals import CONFIDENCE, Clusters, FloatArray, mean_interval

Ties = Literal["mid", "best", "worst"]
CHANCE_LINEAR = 50.0
"""Expected linear Exposure of a scorer that knows nothing, whatever the number of candidates."""


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
        return self._chance(chance_exposure)

    @property
    def chance_exposure_bits(self) -> FloatArray:
        """The same of `exposure_bits`."""
        return self._chance(chance_exposure_bits)

    @property
    def chance_reciprocal_rank(self) -> FloatArray:
        """The same of `reciprocal_rank`."""
        return self._chance(chance_reciprocal_rank)

    def _chance(self, level: Callable[[int], float]) -> FloatArray:
        counts, places = np.unique(self.num_candidates, return_inverse=True)
        return np.asarray([level(int(count)) for count in counts])[places.reshape(-1)]

    def as_lists(self) -> dict[str, list[float]]:
        """Plain lists, one entry an item, ready for JSON."""
        columns = {
            "item_exposure": self.exposure,
            "item_exposure_bits": self.exposure_bits,
            "item_exposure_linear": self.exposure_linear,
            "item_reciprocal_rank": self.reciprocal_rank,
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
    logs = np.log(_ranks(num_candidates))
    return float(100.0 * (1.0 - logs.mean() / logs[-1]))


def chance_exposure_bits(num_candidates: int) -> float:
    """Expected `ExposureItems.exposure_bits` of a scorer that knows nothing: log2 K - log2(K!) / K, exactly.

    Returns:
        0.5 bits at K = 2, 1.27 at K = 20; nears log2 e = 1.44 as candidates are added.

    Example:
        >>> round(chance_exposure_bits(20), 2)
        1.27
    """
    logs = np.log2(_ranks(num_candidates))
    return float(logs[-1] - logs.mean())


def chance_reciprocal_rank(num_candidates: int) -> float:
    """Expected `ExposureItems.reciprocal_rank` of a scorer that knows nothing: (1 + 1/2 + ... + 1/K) / K, exactly.

    Returns:
        0-1; 0.75 at K = 2, 0.18 at K = 20.

    Example:
        >>> round(chance_reciprocal_rank(20), 2)
        0.18
    """
    return float((1.0 / _ranks(num_candidates)).mean())


def _ranks(num_candidates: int) -> FloatArray:
    if num_candidates < 2:
        raise ValueError(f"num_candidates={num_candidates!r}; expected at least 2. Give the item a rival to rank.")
    return np.arange(1, num_candidates + 1, dtype=np.float64)


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
    items: ExposureItems,
    *,
    persona_id: Sequence[Any] | None = None,
    persona_seed: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> dict[str, float]:
    """Means over items of the four normalizations, each with an interval clustered by persona and its chance level.

    A chance level is the mean over items of the expectation under a uniform rank from 1 to K. A truth in the middle of
    tied rivals changes nothing in rank and linear Exposure; the other three, which are convex in the rank, then lie
    below their chance level.

    Args:
        persona_id: Persona of each item. Left out, every item is its own, which is too narrow an interval when one
            persona has several items.
        persona_seed: Seed of each item's population of personas; None if there is one population.

    Returns:
        exposure (log, 0-100), exposure_bits (0 to log2 K), exposure_linear (0-100) and mrr (0-1), higher = more
        memorized, each with _ci_low and _ci_high; rank (1 to K, lower = more memorized); chance_exposure,
        chance_exposure_bits, chance_exposure_linear, chance_mrr and chance_rank; n = number of items. Never NaN.

    Raises:
        ValueError: persona_id or persona_seed does not fit the items.

    Example:
        >>> items = exposure_items([[0.1, 2.0, 3.0], [5.0, 1.0, 1.5, 4.0]], [0, 2])
        >>> round(exposure_summary(items)["exposure"], 1)
        75.0
    """
    num_items = len(items.rank)
    clusters = Clusters.of(persona_id, num_items, persona_seed)
    max_bits = float(np.log2(items.num_candidates.max()))
    normalizations = {
        "exposure": (items.exposure, items.chance_exposure, 100.0),
        "exposure_bits": (items.exposure_bits, items.chance_exposure_bits, max_bits),
        "exposure_linear": (items.exposure_linear, np.asarray([CHANCE_LINEAR]), 100.0),
        "mrr": (items.reciprocal_rank, items.chance_reciprocal_rank, 1.0),
    }
    summary: dict[str, float] = {}
    for name, (values, chances, upper) in normalizations.items():
        low, high = mean_interval(values, clusters, bounds=(0.0, upper), confidence=confidence)
        summary |= {name: float(values.mean()), f"{name}_ci_low": low, f"{name}_ci_high": high}
        summary[f"chance_{name}"] = float(chances.mean())
    return summary | {
        "rank": float(items.rank.mean()),
        "chance_rank": float((items.num_candidates.mean() + 1.0) / 2.0),
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
