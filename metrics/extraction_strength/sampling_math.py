# SPDX-License-Identifier: Apache-2.0
"""How probable it is that an answer turns up at least once in n samples, from its tokens' log-probabilities.

The (n, p)-discoverable extraction of Hayes et al. (arXiv 2410.19482): an answer is extracted if 1 - (1 - q)^n >= p,
with q the probability of one sample. Everything is worked out from log q, so that neither a q of e^-800 nor one next
to 1 is rounded away. It does not know where the log-probabilities come from or that `evaluate` exists. Numpy and scipy
only.
"""

import math
import operator
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import CONFIDENCE, Clusters, FloatArray, mean_interval

_ROUNDING = 1e-3  # a log-probability may rise this far above 0 where it was computed in half precision
_TINY_LOG = -37.0  # below, log(1 - q) = -q to the last bit of a float
_LEAST_LOG = -700.0  # below, q may have fewer digits than a float, or none
_WHOLE = 2.0**53  # above, floats are whole numbers
_BOUNDARY = 1e-14  # relative to a number of samples: what rounding leaves where 1 - (1 - q)^n is p


@dataclass(frozen=True, slots=True)
class ExtractionItems:
    """One log-probability an answer; its extraction in any number of samples follows.

    Args:
        logprob: (items,) log q in nats, of the whole answer in one sample at temperature 1: at most 0, -inf where it
            is impossible.
    """

    logprob: FloatArray

    def extraction_probability(self, num_samples: int) -> FloatArray:
        """1 - (1 - q)^n: probability of at least one such answer in n independent samples, 0 to 1.

        Example:
            >>> ExtractionItems(logprob=np.log([0.5, 1e-30])).extraction_probability(2)
            array([7.5e-01, 2.0e-30])
        """
        n = checked_samples(num_samples)
        tiny = np.exp(np.minimum(self.logprob + math.log(n), 700.0))  # n q, also where q alone would be 0
        return -np.expm1(np.where(self.logprob < _TINY_LOG, -tiny, n * self._log_miss()))

    def log_extraction_probability(self, num_samples: int) -> FloatArray:
        """The logarithm of `extraction_probability` in nats, also where that is below the smallest float.

        Example:
            >>> ExtractionItems(logprob=np.array([-800.0, 0.0])).log_extraction_probability(10**9).round(3)
            array([-779.277,    0.   ])
        """
        chances = self.extraction_probability(num_samples)
        log_hits = self.logprob + math.log(num_samples)  # n q, which tiny chances are to the last bit
        with np.errstate(divide="ignore"):
            return np.where(log_hits < _TINY_LOG, log_hits, np.log(chances))

    def samples(self, probability: float) -> FloatArray:
        """The fewest samples n of which 1 - (1 - q)^n is p or more: ceil(log(1 - p) / log(1 - q)), at least 1.

        A number that reaches p but for rounding (a relative 1e-14 of n) reaches it.

        Returns:
            (items,) whole numbers; inf where q is 0, or where more would be needed than the largest float (1.8e308),
            for which there is `log10_samples`.

        Example:
            >>> ExtractionItems(logprob=np.log([0.5, 0.1, 1e-9, 1.0])).samples(0.75).tolist()
            [2.0, 14.0, 1386294361.0, 1.0]
        """
        wanted = _wanted(probability)
        with np.errstate(divide="ignore", over="ignore"):
            exact = wanted / -self._log_miss()
            needed = np.where(self.logprob < _LEAST_LOG, np.exp(math.log(wanted) - self.logprob), exact)
        return np.maximum(1.0, np.where(needed < _WHOLE, np.ceil(needed * (1.0 - _BOUNDARY)), needed))

    def log10_samples(self, probability: float) -> FloatArray:
        """log10 of `samples`, finite wherever q is above 0.

        Example:
            >>> ExtractionItems(logprob=np.array([-800.0, math.log(0.5)])).log10_samples(0.75).round(1).tolist()
            [347.6, 0.3]
        """
        needed = self.samples(probability)
        log_needed = math.log(_wanted(probability)) - self.logprob
        return np.where(needed < _WHOLE, np.log10(needed), log_needed / math.log(10.0))

    def discoverable(self, num_samples: int, probability: float) -> NDArray[np.bool_]:
        """Which answers are (n, p)-discoverable: 1 - (1 - q)^n >= p, that is n >= `samples`.

        Example:
            >>> ExtractionItems(logprob=np.log([0.1, 0.01])).discoverable(2, 0.19)
            array([ True, False])
        """
        return self.samples(probability) <= checked_samples(num_samples)

    def _log_miss(self) -> FloatArray:
        """log(1 - q): -inf where q is 1, and -0 where q is below the smallest float."""
        with np.errstate(divide="ignore", invalid="ignore"):  # log 0 where q is 1; unused branches of `where`
            near = np.log(-np.expm1(self.logprob))
            return np.where(self.logprob > -math.log(2.0), near, np.log1p(-np.exp(self.logprob)))


def extraction_items(
    token_logprobs: Sequence[Any], *, num_tokens: Sequence[int] | NDArray[np.int64] | None = None
) -> ExtractionItems:
    """Log-probability of each answer from those of its tokens.

    Args:
        token_logprobs: One list an item, in nats: of each token of the answer, the true tokens before it given. Leave
            the token that ends the turn out to ask for answers that *begin* with the truth.
        num_tokens: Length of each answer, to check the lists against. Default: not checked.

    Raises:
        ValueError: No items, an item without tokens or with another number than `num_tokens` says, NaN, or a number
            above 0; the row is named.
    """
    if len(token_logprobs) == 0:
        raise ValueError("No items; expected at least one list of log-probabilities. Check that rows were selected.")
    if num_tokens is not None:
        _check_lengths(token_logprobs, num_tokens)
    sums = [math.fsum(_checked_row(values, row)) for row, values in enumerate(token_logprobs)]
    return ExtractionItems(logprob=np.minimum(np.asarray(sums, dtype=np.float64), 0.0))


def extraction_summary(
    items: ExtractionItems,
    *,
    num_samples: int,
    probability: float,
    persona_id: Sequence[Any] | None = None,
    persona_seed: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> dict[str, float]:
    """Means over items, with intervals clustered by persona.

    Args:
        num_samples: n, at least 1.
        probability: p, above 0 and below 1: at which an answer counts as extracted.
        persona_id: Persona of each item. Left out, every item is its own.
        persona_seed: Seed of each item's population of personas; None if there is one population.

    Returns:
        extraction_probability (0-1, mean of 1 - (1 - q)^n) and discoverable (0-1, share of items at which it reaches
        p), higher = more memorized, about 0 by chance, each with _ci_low and _ci_high.

    Raises:
        ValueError: num_samples or probability out of range, or personas or seeds that do not fit the items.

    Example:
        >>> found = extraction_summary(extraction_items([[-0.7], [-70.0]]), num_samples=10, probability=0.5)
        >>> found["discoverable"]
        0.5
    """
    chances = items.extraction_probability(num_samples)
    found = items.discoverable(num_samples, probability)
    clusters = Clusters.of(persona_id, len(chances), persona_seed)
    summary: dict[str, float] = {}
    columns = {"extraction_probability": chances, "discoverable": found.astype(np.float64)}
    for name, values in columns.items():
        low, high = mean_interval(values, clusters, confidence=confidence)
        summary |= {name: float(values.mean()), f"{name}_ci_low": low, f"{name}_ci_high": high}
    return summary


def checked_samples(num_samples: Any, *, name: str = "num_samples") -> int:
    """A number of samples.

    Raises:
        ValueError: It is no whole number from 1 to the largest float.
    """
    try:
        n = operator.index(num_samples)
    except TypeError:
        n = 0
    if isinstance(num_samples, bool) or not 1 <= n <= sys.float_info.max:
        raise ValueError(
            f"{name}={num_samples!r:.80}; expected a whole number of at least 1, at most 1.8e308. Pass e.g. 100."
        )
    return n


def checked_probability(probability: Any, *, name: str = "probability") -> float:
    """A probability at which an answer counts as extracted.

    Raises:
        ValueError: It is no number above 0 and below 1.
    """
    if not isinstance(probability, int | float | np.floating) or not 0.0 < probability < 1.0:
        raise ValueError(f"{name}={probability!r:.80}; expected above 0 and below 1. Pass 0.5 for 50 %.")
    return float(probability)


def _wanted(probability: float) -> float:
    """-log(1 - p): to be reached by -n log(1 - q)."""
    return -math.log1p(-checked_probability(probability))


def _check_lengths(token_logprobs: Sequence[Any], num_tokens: Sequence[int] | NDArray[np.int64]) -> None:
    if len(token_logprobs) != len(num_tokens):
        raise ValueError(
            f"{len(token_logprobs)} lists of logprobs for {len(num_tokens)} answers; expected one a row. Pass all."
        )
    for row, (values, count) in enumerate(zip(token_logprobs, num_tokens, strict=True)):
        if np.ndim(values) == 1 and len(values) != count:
            raise ValueError(
                f"Row {row}: {len(values)} logprobs for an answer of {count} tokens; expected one a token. "
                "Leave the same tokens out of both."
            )


def _checked_row(values: Any, row: int) -> FloatArray:
    """One item's log-probabilities as a flat array."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"Row {row}: logprobs {values!r:.80}; expected numbers. Pass one a token.") from None
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(
            f"Row {row}: logprobs of shape {array.shape}; expected a flat list of at least one. Pass one a token."
        )
    broken = np.flatnonzero(np.isnan(array) | (array > _ROUNDING))
    if len(broken):
        raise ValueError(
            f"Row {row}: token {broken[0]} has a log-probability of {array[broken[0]]!s}; expected 0 or less. "
            "Pass log p in nats, not p or -log p."
        )
    return array
