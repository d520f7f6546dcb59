# SPDX-License-Identifier: Apache-2.0
"""How probable it is that an answer turns up at least once in n samples, from its tokens' log-probabilities.

The (n, p)-discoverable extraction of Hayes et al. (arXiv 2410.19482): an answer is extracted if 1 - (1 - q)^n >= p,
with q the probability of one sample. Everything is worked out from log q, so that neither a q of 1e-30 nor one next to
1 is rounded away. It does not know where the log-probabilities come from or that `evaluate` exists. Numpy and scipy
only.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import CONFIDENCE, Clusters, FloatArray, mean_interval

_ROUNDING = 1e-3  # a log-probability may rise this far above 0 where it was computed in half precision
_TINY_LOG = -37.0  # below, log(1 - q) = -q to the last bit of a float


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
        n = _checked_samples(num_samples)
        logprob = self.logprob
        with np.errstate(divide="ignore", invalid="ignore"):  # log 0 where q is 1; unused branches of `where`
            log_miss = np.where(logprob > -math.log(2.0), np.log(-np.expm1(logprob)), np.log1p(-np.exp(logprob)))
        tiny = np.exp(np.minimum(logprob + math.log(n), 700.0))  # n q, also where q alone would be 0
        return -np.expm1(np.where(logprob < _TINY_LOG, -tiny, n * log_miss))


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
        probability: p, above 0 and at most 1: at which an answer counts as extracted.
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
    if not 0.0 < probability <= 1.0:
        raise ValueError(f"probability={probability!r}; expected above 0 and at most 1. Pass 0.5 for 50 %.")
    chances = items.extraction_probability(num_samples)
    clusters = Clusters.of(persona_id, len(chances), persona_seed)
    summary: dict[str, float] = {}
    columns = {"extraction_probability": chances, "discoverable": (chances >= probability).astype(np.float64)}
    for name, values in columns.items():
        low, high = mean_interval(values, clusters, confidence=confidence)
        summary |= {name: float(values.mean()), f"{name}_ci_low": low, f"{name}_ci_high": high}
    return summary


def _checked_samples(num_samples: Any) -> int:
    try:
        n = operator.index(num_samples)
    except TypeError:
        n = 0
    if isinstance(num_samples, bool) or n < 1:
        raise ValueError(f"num_samples={num_samples!r}; expected a whole number of at least 1. Pass e.g. 100.")
    return n


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
