# SPDX-License-Identifier: Apache-2.0
"""What a model answers when asked. It does not know which answer is right."""

from collections.abc import Sequence
from typing import Any

from crossmem_hf.scoring.inputs import Row, batches, check_rows


def generate_answers(
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    *,
    max_new_tokens: int = 32,
    batch_size: int = 64,
) -> list[str]:
    """The model's greedy answer to each row's prompt, in the order of the rows.

    Rows are left-padded and sorted by length inside; the answer to a row does not depend on its neighbours.

    Args:
        model: A causal or image-text-to-text model, with or without adapter.
        processor: Its processor; needs a chat template.
        rows: Conversational rows with `prompt` and `images` (empty for text).
        max_new_tokens: Where an answer is cut if the model does not stop by itself.

    Raises:
        CrossmemError: No rows, missing columns, or pictures for a model without an image tower.
    """
    import torch

    check_rows(rows, model)
    answers = [""] * len(rows)
    tokenizer = getattr(processor, "tokenizer", processor)
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for part, inputs in batches(processor, rows, batch_size):
            inputs = {name: value.to(model.device) for name, value in inputs.items()}
            output = model.generate(
                **inputs,
                do_sample=False,
                max_new_tokens=max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
            texts = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            for index, text in zip(part, texts, strict=True):
                answers[index] = text.strip()
    model.train(was_training)
    return answers
