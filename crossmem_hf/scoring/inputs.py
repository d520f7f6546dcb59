# SPDX-License-Identifier: Apache-2.0
"""Rows -> what a model is fed, exactly as TRL's trainers feed it. It does not know what is done with the result."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crossmem_hf.chat import ended, is_tokenizer, sees_images
from crossmem_hf.errors import CrossmemError

Row = Mapping[str, Any]


def check_rows(rows: Sequence[Row], model: Any) -> None:
    """Refuse rows that cannot be asked: none at all, columns missing, or pictures for a model without eyes.

    Raises:
        CrossmemError: Names the first row at fault.
    """
    if len(rows) == 0:
        raise CrossmemError("There are no rows to ask; expected at least one.", "Check the split and its filters.")
    for index, row in enumerate(rows):
        missing = [name for name in ("prompt", "images") if name not in row]
        if missing:
            raise CrossmemError(
                f"Row {index} has no column {missing}; it has {sorted(row)}.",
                "Give conversational prompt-completion rows with an images list (empty for text).",
            )
        if row["images"] and not sees_images(model.config):
            raise CrossmemError(
                f"Row {index} has {len(row['images'])} image(s), but {type(model).__name__} has no image tower.",
                "Load a vision-language model, or use the text rows.",
            )


def prompt_text(processor: Any, row: Row) -> str:
    """The row's prompt through the chat template, one image placeholder for each picture, ready for an answer."""
    text: str = processor.apply_chat_template(_turns(processor, row), tokenize=False, add_generation_prompt=True)
    return text


def answer_text(processor: Any, row: Row, answer: str) -> str:
    """What follows the prompt, as in training: the answer as the chat template writes it, and its end-of-turn tokens.

    Raises:
        CrossmemError: The template writes the prompt differently when an answer follows.
    """
    whole: str = processor.apply_chat_template(_turns(processor, row, answer), tokenize=False)
    prompt = prompt_text(processor, row)
    if not whole.startswith(prompt):
        raise CrossmemError(
            "The chat template writes a different prompt once an answer follows; expected the same start.",
            "Use a template whose generation prompt is a prefix of the full conversation.",
        )
    return ended(processor, whole[len(prompt) :])


def _turns(processor: Any, row: Row, answer: str | None = None) -> list[dict[str, Any]]:
    """The conversation as the processor's template expects it: lists of parts, or strings for a plain tokenizer."""
    from trl.data_utils import prepare_multimodal_messages

    turns = [dict(turn) for turn in row["prompt"]]
    turns += [{"role": "assistant", "content": answer}] if answer is not None else []
    if is_tokenizer(processor):
        return turns
    prepared: list[dict[str, Any]] = prepare_multimodal_messages(turns, images=list(row["images"] or ()))
    return prepared


def batches(processor: Any, rows: Sequence[Row], batch_size: int) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """Left-padded model inputs, longest prompts first, pictures and text apart; each with the rows it holds.

    Raises:
        CrossmemError: A batch size below one.
    """
    if batch_size < 1:
        raise CrossmemError(f"batch_size={batch_size!r}; expected at least 1.", "Pass a positive number.")
    # Plain tokenizers add token types by default, which causal models refuse.
    extra = {"return_token_type_ids": False} if is_tokenizer(processor) else {}
    prompts = [prompt_text(processor, row) for row in rows]
    for has_images in (True, False):
        chosen = [index for index, row in enumerate(rows) if bool(row["images"]) == has_images]
        chosen.sort(key=lambda index: -len(prompts[index]))
        for start in range(0, len(chosen), batch_size):
            part = chosen[start : start + batch_size]
            images = [list(rows[index]["images"] or ()) for index in part]
            inputs = processor(
                text=[prompts[index] for index in part],
                **({"images": images} if has_images else {}),
                **extra,
                return_tensors="pt",
                padding=True,
                padding_side="left",
                add_special_tokens=False,
            )
            yield part, dict(inputs)
