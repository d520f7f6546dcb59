# SPDX-License-Identifier: Apache-2.0
"""How likely a model finds each candidate answer. It does not know what the scores mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from crossmem_hf.data.forms import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.exposure.exposure_math import exposure_items
from crossmem_hf.models.turns import tokens_of_answers
from crossmem_hf.scoring.batches import Auto
from crossmem_hf.scoring.continuations import logprobs, scored
from crossmem_hf.scoring.inputs import check_rows

_REMEDY = "Give each candidate as a full answer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What each candidate costs each row.

    Attributes:
        nll_nats: (rows, candidates) summed negative log-likelihood of the candidate and its end of turn; lower is
            likelier. NaN where a row has fewer candidates than the others.
        num_tokens: (rows, candidates) how many tokens that sum is over; 0 where there is none.
        truth_index: (rows,) place of the row's own `answer` among its candidates, -1 where it is not there.
    """

    nll_nats: NDArray[np.float64]
    num_tokens: NDArray[np.int64]
    truth_index: NDArray[np.int64]

    @property
    def nll_per_token(self) -> NDArray[np.float64]:
        """(rows, candidates) mean over tokens: the logarithm of the perplexity that ReMem ranks by."""
        counts = np.where(self.num_tokens > 0, self.num_tokens, 1)
        return self.nll_nats / counts

    @property
    def truth_rank(self) -> NDArray[np.float64]:
        """(rows,) rank of the truth by `nll_per_token`: 1 is likeliest, ties share the middle; NaN without a truth or
        a rival."""
        ranks = np.full(len(self.truth_index), np.nan)
        known = np.flatnonzero((self.truth_index >= 0) & ((self.num_tokens > 0).sum(1) > 1))
        if len(known):
            own = [
                row[count > 0] for row, count in zip(self.nll_per_token[known], self.num_tokens[known], strict=True)
            ]
            ranks[known] = exposure_items(own, self.truth_index[known]).rank
        return ranks


def score_candidates(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    candidates: Sequence[str] | Sequence[Sequence[str]],
    *,
    batch_size: int | Auto = "auto",
    tokens_per_pass: int | Auto = "auto",
) -> Scores:
    """Negative log-likelihood of every candidate as the answer to every row.

    A picture is encoded once for all rows about it, what prompts share at their start once, each prompt once for all
    its candidates, and what candidates share at their start once. Equals a plain forward pass over prompt and
    candidate to numerical precision (1e-4 nats a token in float32), whatever the order of rows or candidates and the
    batch size. Its memory: `crossmem_hf.scoring.continuations`.

    Args:
        rows: Conversational rows with `prompt` and `images` (empty for text); an `answer` is the truth.
        candidates: Full answers, all different: one list for all rows, or one list a row.
        batch_size: Prompts, or groups of prompts about one picture, encoded together; "auto" fits them into
            `tokens_per_pass`. Both are halved, again and again, when memory runs out.
        tokens_per_pass: Most tokens fed at a time; "auto" is 4,096 on a CPU and 16,384 elsewhere, fewer where a large
            vocabulary would make more than 2**29 logits of them.

    Raises:
        CrossmemError: No rows or candidates, a candidate that occurs twice, is blank or no text, has the tokens of
            another, holds a special token or merges with the prompt's end, rows that are not conversational, a size
            below one, pictures for a model without an image tower.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> model, processor = load_model()
        >>> rows = load_rows(None, "recall_text", "test", num_personas=2)
        >>> scores = score_candidates(model, processor, rows, [row["answer"] for row in rows][::4])
        >>> scores.nll_nats.shape, scores.truth_index.tolist()
        ((8, 2), [0, 0, 0, 0, 1, 1, 1, 1])
    """
    rows = check_rows(rows, model, processor)
    lists = _one_a_row(candidates, len(rows))
    for texts in {id(texts): texts for texts in lists}.values():
        _check_candidates(texts)
    tokens, _ = tokens_of_answers(processor, rows, lists)
    for texts, several in {id(one): (texts, one) for texts, one in zip(lists, tokens, strict=True)}.values():
        _check_different(texts, several)
    max_candidates = max(map(len, lists))
    nll, counts = np.full((len(rows), max_candidates), np.nan), np.zeros((len(rows), max_candidates), dtype=np.int64)
    for index, several in enumerate(tokens):
        counts[index, : len(several)] = [len(ids) for ids in several]
    sizes = {"batch_size": batch_size, "tokens_per_pass": tokens_per_pass}
    for part in scored(model, processor, rows, tokens, logprobs, **sizes):
        sums = -np.bincount(part.owners, weights=part.values[:, 0])
        nll[part.row, part.first : part.first + len(sums)] = sums
    places: dict[int, dict[str, int]] = {
        id(texts): {_key(text): at for at, text in enumerate(texts)} for texts in lists
    }
    truths = [places[id(texts)].get(_key(row.get("answer") or ""), -1) for row, texts in zip(rows, lists, strict=True)]
    return Scores(nll_nats=nll, num_tokens=counts, truth_index=np.array(truths, dtype=np.int64))


def _one_a_row(candidates: Sequence[str] | Sequence[Sequence[str]], num_rows: int) -> list[Sequence[str]]:
    if isinstance(candidates, str):
        raise CrossmemError(f"The candidates are one string, {candidates!r}; expected a list.", "Put it in a list.")
    if not isinstance(candidates, Iterable):
        raise CrossmemError(f"The candidates are {candidates!r}; expected a list of texts.", _REMEDY)
    candidates = list(candidates)
    if not candidates:
        raise CrossmemError("There are no candidates; expected at least one.", _REMEDY)
    odd = [item for item in candidates if not isinstance(item, Iterable)]
    if odd:
        raise CrossmemError(f"A candidate is {odd[0]!r}; expected a text.", _REMEDY)
    if all(isinstance(item, str) for item in candidates):
        return [candidates] * num_rows  # type: ignore[list-item]
    if len(candidates) != num_rows or any(isinstance(item, str) for item in candidates):
        raise CrossmemError(
            f"{len(candidates)} lists of candidates came with {num_rows} rows; expected one list a row.",
            "Pass one list of texts for all rows, or exactly one a row.",
        )
    same: dict[tuple[str, ...], Sequence[str]] = {}  # rows with equal lists share the work
    return [same.setdefault(tuple(item), item) for item in candidates]


def _key(text: Any) -> Any:
    """The same for composed and decomposed spellings of a text."""
    return normalize("NFC", text) if isinstance(text, str) else text


def _check_candidates(texts: Sequence[str]) -> None:
    odd = [text for text in texts if not isinstance(text, str)]
    if odd:
        raise CrossmemError(f"A candidate is {odd[0]!r}; expected a text.", _REMEDY)
    blank = [index for index, text in enumerate(texts) if not text.strip()]
    if not len(texts) or blank:
        raise CrossmemError(
            f"Candidate {blank[0]} is blank." if blank else "There are no candidates; expected at least one.", _REMEDY
        )
    keys = list(map(_key, texts))
    if len(set(keys)) != len(keys):
        twice = next(text for place, text in enumerate(keys) if text in keys[:place])
        raise CrossmemError(f"Candidate {twice!r} occurs twice; expected each once.", "Drop the duplicates.")


def _check_different(texts: Sequence[str], tokens: Sequence[Sequence[int]]) -> None:
    """Two candidates that the template or the tokenizer writes alike would share a rank, whatever the model knows."""
    written: dict[tuple[int, ...], str] = {}
    for text, own in zip(texts, tokens, strict=True):
        other = written.setdefault(tuple(own), text)
        if other != text:
            raise CrossmemError(
                f"Candidates {other!r} and {text!r} are the same tokens to this model; expected each once.",
                "Drop one of them.",
            )
