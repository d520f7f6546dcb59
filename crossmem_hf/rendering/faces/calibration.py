# SPDX-License-Identifier: Apache-2.0
"""Which cosine tells people apart, measured on pictures of known people. It knows vectors and whose they are.

Pictures of one person are as dependent as can be, and so are all pairs that a person is part of: intervals leave out
one person at a time, never one pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.intervals import CONFIDENCE, UNIT, spread_intervals, tail_of, unseen_share
from crossmem_hf.rendering.faces.identity import Vector, check_threshold, unit_matrix

FloatArray = NDArray[np.float64]
LARGEST = 3_000
"""Pictures at most: all pairs of them are held at once."""
_NUM_BINS = 20
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of pairs that a threshold gets wrong.

    Attributes:
        value: From 0 to 1; lower is better.
        low, high: 95 % interval for more such people; None if only one person has such pairs.
        num_pairs: Of how many pairs.
    """

    value: float
    low: float | None
    high: float | None
    num_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """What a threshold gets wrong.

    Attributes:
        threshold: Cosine, from -1 to 1.
        false_reject: Pairs of one person at or below the threshold.
        false_accept: Pairs of two people at or above it.
    """

    threshold: float
    false_reject: Rate
    false_accept: Rate


class Calibration:
    """All cosines of pictures of known people.

    Args:
        personas: Whose each picture is.
        vectors: Its unit vector.

    Attributes:
        num_personas: Different people.
        num_pictures: Pictures.
        within: Cosines of pairs of pictures of one person, from low to high; may be empty.
        between: Cosines of pairs of pictures of two people, likewise.

    Raises:
        CrossmemError: More than `LARGEST` vectors, or some that are not unit or of different lengths.

    Example:
        >>> c = Calibration(["a", "a", "b", "b"], [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
        >>> [round(float(cosine), 2) for cosine in c.within], [round(float(cosine), 2) for cosine in c.between]
        ([0.8, 0.8], [-0.6, 0.0, 0.0, 0.6])
        >>> c.suggested()
        0.7
    """

    def __init__(self, personas: Sequence[str], vectors: Sequence[Vector]) -> None:
        if len(vectors) > LARGEST:
            raise CrossmemError(
                f"There are {len(vectors)} pictures with a face; expected at most {LARGEST}.",
                "Calibrate on some of the people.",
            )
        matrix = unit_matrix(vectors) if vectors else np.zeros((0, 1))
        names, self._codes = np.unique(np.asarray(personas, dtype=object), return_inverse=True)
        self.num_personas, self.num_pictures = len(names), len(personas)
        self._left, self._right = np.triu_indices(len(personas), k=1)
        self._cosines: FloatArray = np.clip(matrix @ matrix.T, -1, 1)[self._left, self._right]
        self._same: NDArray[np.bool_] = self._codes[self._left] == self._codes[self._right]
        self.within: FloatArray = np.sort(self._cosines[self._same])
        self.between: FloatArray = np.sort(self._cosines[~self._same])

    @property
    def missing(self) -> str | None:
        """Why no threshold can be found here; None if one can."""
        if self.num_personas < 2:
            return f"faces of {self.num_personas} people; expected at least 2"
        if not len(self.within):
            return "no two pictures of one person; expected at least two of somebody"
        return None

    def suggested(self) -> float:
        """The threshold at which the larger of both error rates is smallest, to four digits.

        Several may be alike: then of these the ones with the smaller sum of both, then the middle of the widest gap
        between two cosines.

        Raises:
            CrossmemError: See `missing`.
        """
        if self.missing:
            raise CrossmemError(f"No threshold can be found: {self.missing}.", "Add pictures of known people.")
        edges = np.unique(np.concatenate([[-1.0, 1.0], self.within, self.between]))
        middles = (edges[:-1] + edges[1:]) / 2
        rejected = np.searchsorted(self.within, middles, side="right") / len(self.within)
        accepted = 1 - np.searchsorted(self.between, middles, side="left") / len(self.between)
        order = np.lexsort((-np.diff(edges), rejected + accepted, np.maximum(rejected, accepted)))
        middle, gap = float(middles[order[0]]), float(np.diff(edges)[order[0]])
        return round(middle, 4) if gap > 1e-3 else middle

    def errors(self, threshold: float) -> Errors:
        """What a threshold gets wrong on these pairs.

        Raises:
            CrossmemError: The threshold is out of range, or see `missing`.
        """
        check_threshold(threshold)
        if self.missing:
            raise CrossmemError(
                f"Nothing can be said of a threshold: {self.missing}.", "Add pictures of known people."
            )
        return Errors(
            threshold=threshold, false_reject=self._rejected(threshold), false_accept=self._accepted(threshold)
        )

    def as_dict(self) -> dict[str, Any]:
        """How many people, pictures and pairs, and where their cosines are."""
        every = np.concatenate([self.within, self.between])
        edges = np.histogram_bin_edges(every, bins=_NUM_BINS) if len(every) else np.zeros(0)
        kinds = {"within": self.within, "between": self.between}
        return {
            "num_personas": self.num_personas,
            "num_pictures": self.num_pictures,
            **{
                name: {
                    "num_pairs": len(found),
                    "quantiles": [float(value) for value in np.quantile(found, _SHARES)] if len(found) else [],
                    "counts": np.histogram(found, bins=edges)[0].tolist() if len(every) else [],
                }
                for name, found in kinds.items()
            },
            "edges": edges.tolist(),
        }

    def _rejected(self, threshold: float) -> Rate:
        codes, wrong = self._codes[self._left[self._same]], self._cosines[self._same] <= threshold
        pairs = np.bincount(codes, minlength=self.num_personas)
        wrongs = np.bincount(codes, weights=wrong, minlength=self.num_personas)
        some = pairs > 0  # who has one picture says nothing here
        return _rate(wrong, wrongs[some], pairs[some])

    def _accepted(self, threshold: float) -> Rate:
        wrong = self._cosines[~self._same] >= threshold
        one, other = self._codes[self._left[~self._same]], self._codes[self._right[~self._same]]
        both = np.concatenate([one, other])
        pairs = np.bincount(both, minlength=self.num_personas)
        wrongs = np.bincount(both, weights=np.concatenate([wrong, wrong]), minlength=self.num_personas)
        return _rate(wrong, wrongs, pairs)


def _rate(wrong: NDArray[np.bool_], wrongs_P: NDArray[Any], pairs_P: NDArray[np.intp]) -> Rate:
    """A share of pairs, from how many pairs each person is part of, and how many of them are wrong."""
    value, people, tail = float(wrong.mean()), len(pairs_P), tail_of(CONFIDENCE)
    others = len(wrong) - pairs_P
    some = others > 0
    low = high = value
    if some.any():  # of two people each is part of every pair
        left_out = (wrong.sum() - wrongs_P[some]) / others[some]
        low, high = spread_intervals(np.asarray([value]), left_out[None], int(some.sum()), UNIT, tail)[0].tolist()
    unseen = unseen_share(people, tail)
    low, high = min(low, (1 - unseen) * value), max(high, (1 - unseen) * value + unseen)
    return Rate(value=value, low=low, high=high, num_pairs=len(wrong))
