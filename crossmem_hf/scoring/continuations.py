# SPDX-License-Identifier: Apache-2.0
"""The engine: what a model thinks of token sequences behind prompts. It does not know what they say.

Each start that prompts share, picture included, is encoded once; all that follows passes through the model together,
packed as prefix trees behind the start's key-value cache. Where a model's attention cannot do that, whole sequences
are scored in batches, with the same result. Which of the two is right for a model is tried on the first row that it is
asked about, and remembered.

Memory of a pass beyond the weights, for ``B`` starts of ``L`` tokens, ``S`` packed tokens behind each, a vocabulary of
``V`` and ``e`` bytes a number: ``B (L + S) c`` for the cache, where ``c`` is what a token takes there (2 x layers x
key-value heads x head size x e); ``B S V e`` for logits and, after the pass, up to ``16 S V`` for those of one start
as floats; ``B S (L + S) (e + 3)`` for the mask, or ``20 B S (L + S)`` where layers look through a window; and the
activations of ``B max(L, S)`` tokens. ``B L`` and ``B S`` are at most `tokens_per_pass`, or one prompt, or one
sequence behind each start where those are longer; and with ``tokens_per_pass="auto"``, ``B S V`` is at most 2**29.
"""

import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from crossmem_hf.data.forms import Row
from crossmem_hf.models.families import reads_ahead
from crossmem_hf.scoring.batches import Auto, Room, in_batches
from crossmem_hf.scoring.packed import ROOM_IN_A_ROW, Forest, Measure, Scored, can_pack, packed
from crossmem_hf.scoring.prefill import Group, PromptBatch, extended, prefilled
from crossmem_hf.scoring.whole import whole

logger = logging.getLogger(__name__)

Continuations = Sequence[Sequence[Sequence[int]]]

CLOSE = 1e-3  # nats a token between both ways of scoring, in float32
CLOSE_IN_HALF = 0.5
_tried: "WeakKeyDictionary[Any, dict[tuple[str, ...], bool]]" = WeakKeyDictionary()


def scored(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    continuations: Continuations,
    measure: Measure,
    *,
    batch_size: int | Auto,
    tokens_per_pass: int | Auto,
) -> Iterator[Scored]:
    """Every continuation of every row, in any order.

    Args:
        rows: Checked rows.
        continuations: Token ids behind each row's prompt, at least one each; the same object for rows that share them.

    Raises:
        CrossmemError: A size below one, or no memory for a single prompt.
    """
    share = shares_cache(model, processor, rows, continuations)
    forest = Forest(continuations)

    def work(batch: PromptBatch, room: Room) -> list[Scored]:
        if not share:
            return list(whole(model, batch, continuations, measure))
        start = prefilled(model, batch.inputs)
        return list(packed(model, start, batch.groups, forest, room.nodes(len(batch.groups)), measure))

    # Where a prompt's tokens see those behind them, its start is not that of another prompt.
    starts_alike = share and not reads_ahead(model.config)
    found = in_batches(
        model, processor, rows, work, share=starts_alike, batch_size=batch_size, tokens_per_pass=tokens_per_pass
    )
    return chain.from_iterable(found)


def shares_cache(model: Any, processor: Any, rows: Sequence[Row], continuations: Continuations) -> bool:
    """Whether one cached start serves many continuations of this model, for the kinds of rows given.

    Found out once a model and kind of row: two branches made of the first row's first continuation are scored both
    ways. Says so, once, where they cannot share.
    """
    kinds = {bool(row["images"]): index for index, row in reversed(list(enumerate(rows)))}
    share = can_pack(model) and all(
        _agrees(model, processor, rows[index], continuations[index][0]) for _, index in sorted(kinds.items())
    )
    if not share:
        _say_whole(type(model).__name__)
    return share


def _agrees(model: Any, processor: Any, row: Row, tokens: Sequence[int]) -> bool:
    known = _tried.setdefault(model, {})
    key = (str(bool(row["images"])), str(model.config.get_text_config()._attn_implementation), str(model.dtype))
    if key not in known:
        known[key] = _difference(model, processor, row, tokens) <= (
            CLOSE if "32" in key[-1] or "64" in key[-1] else CLOSE_IN_HALF
        )
    return known[key]


def _difference(model: Any, processor: Any, row: Row, tokens: Sequence[int]) -> float:
    """Nats a token between both ways; infinite where the packed one is refused. The prompt's last token is no part of
    the start, as where questions share one, or it would not show whether a start depends on what follows."""
    from accelerate.utils.memory import should_reduce_batch_size

    def work(batch: PromptBatch, room: Room) -> float:
        (group,) = batch.groups
        prompt = PromptBatch((Group(group.rows, ((),)),), extended(batch.inputs, group.tails))
        last = int(prompt.inputs["input_ids"][0, -1])
        branches = [[*tokens, last], [last, *tokens]]  # a single branch would not show whether branches see each other
        plain = [part.values for part in whole(model, prompt, [branches], logprobs)]
        try:
            start = prefilled(model, batch.inputs)
            parts = list(packed(model, start, batch.groups, Forest([branches]), ROOM_IN_A_ROW, logprobs))
        except (RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            if should_reduce_batch_size(error):
                raise
            return float("inf")
        return float(np.abs(np.concatenate([part.values for part in parts]) - np.concatenate(plain)).max())

    held_back = 0 if reads_ahead(model.config) else 1
    (difference,) = in_batches(model, processor, [row], work, share=False, batch_size=1, held_back=held_back)
    return difference


@lru_cache
def _say_whole(name: str) -> None:
    logger.warning("%s cannot share a cache between candidates; scoring whole sequences.", name)


def logprobs(logits_SV: Any, nodes: Any, tokens: Any) -> Any:
    """(n, 1) log-probability of each token at its node, in nats."""
    import torch

    logits = logits_SV.float()
    return (logits[nodes, tokens] - torch.logsumexp(logits, -1)[nodes])[:, None]


def details(logits_SV: Any, nodes: Any, tokens: Any) -> Any:
    """(n, 4) log-probability of each token, mean and standard deviation of the log-probability that the model expects
    at its node, and 1 where the token is the likeliest."""
    import torch

    every = torch.log_softmax(logits_SV[nodes].float(), -1)
    own, chances = every.gather(-1, tokens[:, None])[:, 0], every.exp()
    every.clamp_(min=-1e3)  # a token that a model rules out counts for nothing, and not for 0 x infinity
    mean = (chances * every).sum(-1)
    spread = (chances * (every - mean[:, None]).square()).sum(-1).sqrt()
    return torch.stack([own, mean, spread, (every.argmax(-1) == tokens).float()], dim=1)
