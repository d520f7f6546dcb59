# SPDX-License-Identifier: Apache-2.0
"""What a model thinks of each token of the right answers, from one pass. It does not know the metrics made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossmem_hf.data.forms import Row
from crossmem_hf.models.turns import tokens_of_answers
from crossmem_hf.scoring.batches import Auto
from crossmem_hf.scoring.continuations import details, scored
from crossmem_hf.scoring.inputs import answer_of, check_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTokens:
    """One answer, token by token, each given the prompt and the right tokens before it.

    Attributes:
        logprobs: (tokens,) log-probability of the token, in nats, at most 0.
        means: (tokens,) log-probability that the model expects of a token there: the negative entropy.
        stds: (tokens,) standard deviation of it; Min-K%++ is ``(logprobs - means) / stds``.
        matches: (tokens,) whether the token is the likeliest there.
        num_end: How many of the last tokens only end the turn.
    """

    logprobs: NDArray[np.float64]
    means: NDArray[np.float64]
    stds: NDArray[np.float64]
    matches: NDArray[np.bool_]
    num_end: int

    @property
    def content(self) -> "AnswerTokens":
        """The same without the end of the turn."""
        stop = len(self.logprobs) - self.num_end
        parts = {name: getattr(self, name)[:stop] for name in ("logprobs", "means", "stds", "matches")}
        return replace(self, **parts, num_end=0)


def score_answers(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    *,
    batch_size: int | Auto = "auto",
    tokens_per_pass: int | Auto = "auto",
) -> list[AnswerTokens]:
    """Every row's own answer, token by token: one pass for answer probability, perplexity, Min-K% and Min-K%++,
    teacher-forced exact match and extraction strength.

    Args:
        rows: Conversational rows with `prompt`, `images` (empty for text) and a `completion` or an `answer`.
        batch_size: As for `score_candidates`, whose sharing of pictures and prompts it has.
        tokens_per_pass: As for `score_candidates`.

    Raises:
        CrossmemError: No rows, rows that are not conversational, an answer that is empty or holds a special token,
            a size below one, pictures for a model without an image tower.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> model, processor = load_model()
        >>> first = score_answers(model, processor, load_rows(None, "recall_text", "test", num_personas=2))[0]
        >>> len(first.logprobs) == len(first.content.logprobs) + first.num_end
        True
    """
    rows = check_rows(rows, model, processor)
    texts = [[answer_of(row, index)] for index, row in enumerate(rows)]
    tokens, ends = tokens_of_answers(processor, rows, texts)
    found: dict[int, AnswerTokens] = {}
    sizes = {"batch_size": batch_size, "tokens_per_pass": tokens_per_pass}
    for part in scored(model, processor, rows, tokens, details, **sizes):
        logprobs, means, stds, matches = part.values.T
        about = {"logprobs": logprobs, "means": means, "stds": stds, "matches": matches > 0}
        found[part.row] = AnswerTokens(**about, num_end=ends[part.row][0])
    return [found[index] for index in range(len(rows))]
