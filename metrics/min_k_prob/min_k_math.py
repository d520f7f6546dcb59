# SPDX-License-Identifier: Apache-2.0
"""Min-K%, Min-K%++, MaxRényi-K% and perplexity of items, from the log-probabilities of their answers' tokens.

Owns the scores of single items. Does not know which model gave the log-probabilities, which items it was trained on,
or that `evaluate` exists. Numpy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import FloatArray

Rows = Sequence[Any] | FloatArray

MIN_STD = 1e-3  # nats; OpenUnlearning's floor under the variance, 1e-6
_ROUNDING = 1e-4  # nats above zero that float32 arithmetic may leave on a certain token


@dataclass(frozen=True, slots=True)
class TokenScores:
    """The scores of each item. All but `max_renyi` rise with what the model expects, so trained items should have the
    higher ones.

    Args:
        num_tokens: (items,) tokens of the answer, at least 1.
        logprob: (items,) log-probability of the whole answer in nats, at most 0.
        min_k: (items,) mean log-probability of the least expected tokens in nats, at most 0.
        min_k_plus_plus: (items,) the same mean of the standardized log-probabilities, in standard deviations; None
            without token means and standard deviations.
        max_renyi: (items,) mean entropy, in nats, of the distributions at the places where it is greatest; trained
            items should have the lower ones. None without token means.
        reference_ratio: (items,) by how much the answer is likelier than under a reference model, in nats a token;
            None without that model.
        gradient_norm: (items,) how long the gradient of the item's loss is, as it was given; trained items should have
            the shorter ones.
    """

    num_tokens: NDArray[np.int64]
    logprob: FloatArray
    min_k: FloatArray
    min_k_plus_plus: FloatArray | None
    max_renyi: FloatArray | None = None
    reference_ratio: FloatArray | None = None
    gradient_norm: FloatArray | None = None

    @property
    def logprob_per_token(self) -> FloatArray:
        """Mean log-probability of the tokens in nats: minus the log of the perplexity."""
        return self.logprob / self.num_tokens

    @property
    def min_k_prob(self) -> FloatArray:
        """100 * exp(min_k): the geometric mean probability of the least expected tokens, 0 to 100."""
        return 100.0 * np.exp(self.min_k)

    @property
    def inverse_perplexity(self) -> FloatArray:
        """100 / perplexity: the geometric mean probability of all tokens, 0 to 100."""
        return 100.0 * np.exp(self.logprob_per_token)

    @property
    def answer_probability(self) -> FloatArray:
        """Probability that sampling gives exactly this answer, 0 to 1."""
        return np.exp(self.logprob)

    def as_lists(self) -> dict[str, list[float]]:
        """Plain lists, one entry an item, ready for JSON."""
        columns = {
            "item_num_tokens": self.num_tokens,
            "item_logprob": self.logprob,
            "item_min_k": self.min_k,
            "item_min_k_prob": self.min_k_prob,
            "item_min_k_plus_plus": self.min_k_plus_plus,
            "item_max_renyi": self.max_renyi,
            "item_reference_ratio": self.reference_ratio,
            "item_inverse_perplexity": self.inverse_perplexity,
            "item_answer_probability": self.answer_probability,
        }
        return {name: column.tolist() for name, column in columns.items() if column is not None}


def token_scores(
    logprobs: Rows,
    means: Rows | None = None,
    stds: Rows | None = None,
    *,
    reference: Rows | None = None,
    gradient_norms: Sequence[float] | FloatArray | None = None,
    k: float = 0.2,
) -> TokenScores:
    """Min-K%, Min-K%++, MaxRényi-K% and the likelihoods of each item, from one forward pass over its answer.

    Args:
        logprobs: Log-probability of each answer token in nats, a list an item; lists may differ in length.
        means: Mean of the log-probability over the vocabulary, under the model's own distribution, at each token's
            place: minus the entropy (Zhang et al. 2024, mu). With `stds` gives Min-K%++, and MaxRényi-K% of order
            1 (Li et al. 2024, arXiv 2411.02902, who try 1/2, 1, 2 and infinity).
        stds: Standard deviation of the same. Below `MIN_STD` it counts as `MIN_STD`, as in OpenUnlearning: where the
            model is certain, the token it expects scores near 0 and any other very low, and nothing is infinite.
        reference: Log-probabilities of the same tokens under a model that the items were not taught; the ratio to it
            is that of Carlini et al. 2021 and of Mattern et al. 2023.
        gradient_norms: Lengths of the gradients of the items' losses, at least 0, one an item.
        k: Share of the tokens that counts, the least expected ones: max(1, int(tokens * k)) of them. The original
            code (Shi et al. 2024) takes int(tokens * k), which for short names is none, and NaN.

    Raises:
        ValueError: k outside (0, 1]; no items; an item without tokens; a value that is no finite number; a
            log-probability above 0, a negative standard deviation, or lists that do not fit. The row is named.

    Example:
        >>> scores = token_scores([[-0.1, -4.0, -0.5], [-0.2]], k=0.2)
        >>> scores.min_k
        array([-4. , -0.2])
        >>> scores.inverse_perplexity.round(1)
        array([21.6, 81.9])
    """
    _check_options(k, means, stds)
    flat, lengths = _checked_tokens(logprobs, "token log-probability", highest=_ROUNDING)
    flat = np.minimum(flat, 0.0)
    starts = np.cumsum(lengths) - lengths
    plus_plus = entropy = None
    if means is not None and stds is not None:
        center, _ = _checked_tokens(means, "token_means", lengths, highest=_ROUNDING)
        spread, _ = _checked_tokens(stds, "token_stds", lengths, lowest=0.0)
        plus_plus = _lowest_mean((flat - center) / np.maximum(spread, MIN_STD), lengths, k)
        entropy = -_lowest_mean(np.minimum(center, 0.0), lengths, k)
    ratio = None
    if reference is not None:
        theirs, _ = _checked_tokens(reference, "reference_logprobs", lengths, highest=_ROUNDING)
        ratio = np.add.reduceat(flat - np.minimum(theirs, 0.0), starts) / lengths
    return TokenScores(
        num_tokens=lengths,
        logprob=np.add.reduceat(flat, starts),
        min_k=_lowest_mean(flat, lengths, k),
        min_k_plus_plus=plus_plus,
        max_renyi=entropy,
        reference_ratio=ratio,
        gradient_norm=None if gradient_norms is None else _checked_norms(gradient_norms, len(lengths)),
    )


def _checked_norms(norms: Sequence[float] | FloatArray, num_items: int) -> FloatArray:
    array = np.asarray(norms, dtype=np.float64)
    if array.shape != (num_items,) or not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(
            f"gradient_norms of the shape {array.shape} for {num_items} items; expected a finite length an item, at "
            "least 0. Pass what gradient_norms gives."
        )
    return array


def _check_options(k: float, means: Rows | None, stds: Rows | None) -> None:
    if not 0.0 < k <= 1.0:
        raise ValueError(f"k={k!r}; expected a share above 0 and at most 1. Pass 0.2 for the lowest 20 %.")
    if (means is None) != (stds is None):
        given, missing = ("token_stds", "token_means") if means is None else ("token_means", "token_stds")
        raise ValueError(f"{given} without {missing}; Min-K%++ needs both. Pass both or neither.")


def _lowest_mean(flat: FloatArray, lengths: NDArray[np.int64], k: float) -> FloatArray:
    """Mean of the max(1, int(length * k)) lowest values of each item."""
    starts = np.cumsum(lengths) - lengths
    num_lowest = np.maximum(1, (lengths * k).astype(np.int64))
    ordered = flat[np.lexsort((flat, np.repeat(np.arange(len(lengths)), lengths)))]
    place = np.arange(len(flat)) - np.repeat(starts, lengths)
    lowest = np.where(place < np.repeat(num_lowest, lengths), ordered, 0.0)
    return np.asarray(np.add.reduceat(lowest, starts) / num_lowest)


def _checked_tokens(
    rows: Rows,
    name: str,
    lengths: NDArray[np.int64] | None = None,
    *,
    lowest: float = -np.inf,
    highest: float = np.inf,
) -> tuple[FloatArray, NDArray[np.int64]]:
    """All items' tokens in one array, and how many each has; every value finite and within the limits."""
    if len(rows) == 0:
        raise ValueError("No items; expected at least one list of token log-probabilities. Check the row selection.")
    if lengths is not None and len(rows) != len(lengths):
        raise ValueError(f"{name} of {len(rows)} items for {len(lengths)} items; expected one list an item. Pass all.")
    arrays = [_checked_row(values, row, name) for row, values in enumerate(rows)]
    found = np.asarray([len(array) for array in arrays], dtype=np.int64)
    unlike = np.flatnonzero(found != lengths if lengths is not None else found == 0)
    if len(unlike):
        row = int(unlike[0])
        wanted = "at least 1" if lengths is None else lengths[row]
        raise ValueError(f"Row {row}: {found[row]} values of {name}; expected {wanted}. Pass one a token.")
    flat = np.concatenate(arrays)
    broken = np.flatnonzero(~(np.isfinite(flat) & (flat >= lowest) & (flat <= highest)))
    if len(broken):
        row = int(np.searchsorted(np.cumsum(found), broken[0], side="right"))
        token = broken[0] - (np.cumsum(found) - found)[row]
        limit = "of at least 0" if highest == np.inf else "of at most 0 (log p, not -log p)"
        raise ValueError(
            f"Row {row}: {name} of token {token} is {flat[broken[0]]!s}; expected a finite number {limit}. "
            "Look for a masked token or a loss that overflowed."
        )
    return flat, found


def _checked_row(values: Any, row: int, name: str) -> FloatArray:
    """One item's values as a flat float64 array."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"Row {row}: {name} {values!r:.80}; expected a list of numbers. Pass one number a token."
        ) from None
    if array.ndim != 1:
        raise ValueError(f"Row {row}: {name} of shape {array.shape}; expected a flat list. Pass one number a token.")
    return array
