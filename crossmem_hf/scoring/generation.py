# SPDX-License-Identifier: Apache-2.0
"""What a model answers when asked. It does not know which answer is right."""

from collections.abc import Sequence
from typing import Any

from crossmem_hf.evaluation import evaluating
from crossmem_hf.scoring.inputs import Row, batches, check_rows

_GREEDY = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_length": 0}


def generate_answers(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    *,
    max_new_tokens: int = 32,
    batch_size: int = 64,
) -> list[str]:
    """The model's greedy answer to each row's prompt, in the order of the rows.

    Rows are left-padded and sorted by length inside; the answer to a row does not depend on its neighbours. An answer
    ends at any end-of-turn token that the tokenizer or the model's generation settings name; their other settings
    (sampling, beams, penalties) are not used.

    Args:
        model: A causal or image-text-to-text model, with or without adapter.
        processor: Its processor; needs a chat template.
        rows: Conversational rows with `prompt` and `images` (empty for text).
        max_new_tokens: Where an answer is cut if the model does not stop by itself.

    Raises:
        CrossmemError: No rows, missing columns, or pictures for a model without an image tower.
    """
    rows = list(rows)
    check_rows(rows, model)
    answers = [""] * len(rows)
    tokenizer = getattr(processor, "tokenizer", processor)
    with evaluating(model):
        for part, inputs in batches(processor, rows, batch_size):
            output = model.generate(
                **{name: value.to(model.device) for name, value in inputs.items()},
                **_GREEDY,
                max_new_tokens=max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=_ends(model, tokenizer),
            )
            texts = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            for index, text in zip(part, texts, strict=True):
                answers[index] = text.strip()
    return answers


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """Chat models often end a turn with another token than their tokenizer's end of text."""
    named = model.generation_config.eos_token_id
    several = named if isinstance(named, list) else [named]
    return sorted({token for token in (tokenizer.eos_token_id, *several) if token is not None})
