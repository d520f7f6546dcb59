# SPDX-License-Identifier: Apache-2.0
"""MemFree decoding: no n tokens in a row are said that stand in given texts. It does not know what else is in them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from transformers import LogitsProcessor

from crossmem_hf.interventions.table import Defense
from crossmem_hf.models.chat import tokenizer_of
from crossmem_hf.models.padding import padding_id
from crossmem_hf.models.turns import turn_of
from crossmem_hf.scoring.batches import check_size
from crossmem_hf.scoring.inputs import answer_of, check_rows

if TYPE_CHECKING:
    from datasets import Dataset

N_GRAM: Final = 10
"""Tokens in a row where nothing else is said. TokenSwap's comparison with MemFree names no number."""


class MemFreeLogitsProcessor(LogitsProcessor):
    """Rules out every next token that would complete an n-gram of some texts, prompt included.

    It keeps no state, so it serves batches, beams and any number of calls.

    Args:
        texts: Token ids of each text.
        n: Tokens in a row. Shorter texts rule out nothing.
        padding: The token that stands where nothing is read.

    Raises:
        CrossmemError: n below one.

    Reference:
        https://huggingface.co/papers/2210.17546. Deviation: the n-grams themselves, and not a Bloom filter, which
        rules out some others too.

    Example:
        >>> said = torch.tensor([[5, 1, 2], [5, 2, 1]])
        >>> MemFreeLogitsProcessor([[1, 2, 3]], n=3, padding=0)(said, torch.zeros(2, 4))
        tensor([[0., 0., 0., -inf],
                [0., 0., 0., 0.]])
    """

    def __init__(self, texts: Iterable[Sequence[int]], *, n: int = N_GRAM, padding: int) -> None:
        check_size("n", n)
        self._before, self._padding = n - 1, padding
        self._next: dict[tuple[int, ...], set[int]] = {}
        for whole in texts:
            text = [token for token in whole if token != padding]
            for end in range(self._before, len(text)):
                self._next.setdefault(tuple(text[end - self._before : end]), set()).add(text[end])

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(B, V) the scores, with -inf where a token is ruled out."""
        ruled_out = torch.zeros_like(scores, dtype=torch.bool)
        for row, tokens in enumerate(input_ids.tolist()):
            read = [token for token in tokens if token != self._padding]
            found = self._next.get(tuple(read[len(read) - self._before :])) if len(read) >= self._before else None
            if found:
                ruled_out[row, sorted(found)] = True
        return scores.masked_fill(ruled_out, -torch.inf)


def mem_free(model: Any, processor: Any, forget: "Dataset", *, n: int = N_GRAM) -> Defense:
    """Blocks n tokens in a row of the conversations to forget: prompt and answer as the chat template writes them.

    What is said in other tokens it does not block: asked in other words, or once an answer has begun otherwise, the
    model says what it knows. Where prompts end alike, as questions about pictures do, the first tokens of the answers
    are blocked whoever is shown. Likelihoods (Exposure) do not move.

    Args:
        n: Tokens in a row.

    Raises:
        CrossmemError: The rows cannot be asked, a row has no answer, or n is below one.

    Reference:
        https://huggingface.co/papers/2210.17546
    """
    rows = check_rows(forget, model, processor)
    turns = [turn_of(processor, row) for row in rows]
    answers = [answer_of(row, index) for index, row in enumerate(rows)]
    texts = [turn.prompt + turn.following(answer) for turn, answer in zip(turns, answers, strict=True)]
    tokens = tokenizer_of(processor)(list(dict.fromkeys(texts)), add_special_tokens=False)["input_ids"]
    return Defense(logits_processor=MemFreeLogitsProcessor(tokens, n=n, padding=padding_id(processor)))
