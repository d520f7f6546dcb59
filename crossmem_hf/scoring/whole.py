# SPDX-License-Identifier: Apache-2.0
"""Continuations as whole sequences, for models that cannot share a cache. It does not know what they are."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from crossmem_hf.models.families import reads_ahead
from crossmem_hf.scoring.packed import Measure, Scored
from crossmem_hf.scoring.prefill import PromptBatch, extended, own_positions, positions


def whole(
    model: Any, batch: PromptBatch, continuations: Sequence[Sequence[Sequence[int]]], measure: Measure
) -> Iterator[Scored]:
    """Every continuation of every row, each with a full pass over prompt and continuation, all prompts at once.

    Args:
        batch: Prompts on their own, no groups.
        continuations: Of each of all rows.
    """
    rows = [group.rows[0] for group in batch.groups]
    for number in range(max(len(continuations[row]) for row in rows)):
        # A row that has no such continuation any more keeps its place in the batch, its pictures too.
        answers = [continuations[row][min(number, len(continuations[row]) - 1)] for row in rows]
        logits = _answer_logits(model, batch.inputs, answers)
        for place, (row, answer) in enumerate(zip(rows, answers, strict=True)):
            if number < len(continuations[row]):
                yield Scored(
                    row, number, np.zeros(len(answer), dtype=np.int64), _values(logits[place], answer, measure)
                )


def _values(logits_NV: Any, answer: Sequence[int], measure: Measure) -> Any:
    import torch

    places = torch.arange(len(answer), device=logits_NV.device)
    return measure(logits_NV, places, torch.tensor(answer, device=logits_NV.device)).double().cpu().numpy()


def _answer_logits(model: Any, inputs: dict[str, Any], answers: Sequence[Sequence[int]]) -> Any:
    """(B, N, V) logits that predict the answers' tokens, from the first."""
    import torch

    longer = extended(inputs, answers, token_type=int(reads_ahead(model.config)))
    mask = inputs["attention_mask"]
    longest = max(map(len, answers))
    if own_positions(model, inputs) is None:
        longer["position_ids"] = positions(torch.cat([mask, mask.new_ones((len(mask), longest))], dim=1))
    # Some models keep the logits of the prompt all the same.
    return model(**longer, use_cache=False, logits_to_keep=longest + 1).logits[:, -longest - 1 : -1]
