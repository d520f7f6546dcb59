# SPDX-License-Identifier: Apache-2.0
"""Rows -> what a model is fed. It does not know what is done with the result."""

from collections.abc import Iterable, Sequence
from typing import Any

from crossmem_hf.data.forms import ROW_REMEDY, Row, as_row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import is_tokenizer, placeholders, sees_images, worded
from crossmem_hf.models.families import check_family, check_presented
from crossmem_hf.models.padding import able_to_pad
from crossmem_hf.pictures.reading import as_seen, check_pictures


def check_rows(rows: Iterable[Row], model: Any, processor: Any, *, first: int = 0) -> list[Row]:
    """The rows as a list, each as `crossmem_hf.data.forms.as_row` reads it, unless they cannot be asked: none at all,
    a prompt that is no conversation or writes a picture's placeholder itself, or pictures for a model without eyes.

    Args:
        first: Number of the first row, where they are a part of more.

    Raises:
        CrossmemError: Names the first row at fault.
    """
    if not isinstance(rows, Iterable):
        raise CrossmemError(f"The rows are {rows!r}; expected a list or a dataset of rows.", ROW_REMEDY)
    read: list[Row] = [as_row(row, index) for index, row in enumerate(rows, first)]
    if not read:
        raise CrossmemError("There are no rows to ask; expected at least one.", "Check the split and its filters.")
    check_family(model.config)
    for index, row in enumerate(read, first):
        check_words(row, processor, index)
        if row["images"] and not sees_images(model.config):
            raise CrossmemError(
                f"Row {index} has {len(row['images'])} image(s), but {type(model).__name__} has no image tower.",
                "Load a vision-language model, or use the text rows.",
            )
        check_pictures(row["images"] or (), f"Row {index}: A picture")
        check_presented(processor, row["images"], f"Row {index}")
    return read


def check_words(row: Row, processor: Any, index: int | str) -> None:
    """Nothing, if the prompt's words hold no token that stands for a picture.

    Raises:
        CrossmemError: They do; `index` says of which row.
    """
    said = " ".join(worded(turn["content"]) for turn in row["prompt"])
    written = sorted(token for token in placeholders(processor) if token in said)
    if written:
        raise CrossmemError(
            f"Row {index} has {written[0]!r} in its prompt, {said!r}; expected words only.",
            "Take it out: the chat template places the pictures of `images`.",
        )


def answer_of(row: Row, index: int | str) -> str:
    """The text of a row's own answer.

    Raises:
        CrossmemError: It has neither a completion nor an answer, or a blank one.
    """
    completion = row.get("completion")
    text = completion[0]["content"] if completion else row.get("answer")
    if not isinstance(text, str) or not text.strip():
        raise CrossmemError(
            f"Row {index} has the answer {text!r}; expected a text.", "Give each row a completion that is not empty."
        )
    return text


def encode(processor: Any, texts: Sequence[str], images: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Left-padded model inputs of some prompts, all of them with pictures or all without."""
    # Plain tokenizers add token types by default, which causal models refuse.
    extra = {"return_token_type_ids": False} if is_tokenizer(processor) else {}
    shown = [[as_seen(image) for image in several] for several in images]
    pictures = {"images": shown} if shown and shown[0] else {}
    with able_to_pad(processor):
        inputs = processor(
            text=list(texts),
            **pictures,
            **extra,
            return_tensors="pt",
            padding=True,
            padding_side="left",
            add_special_tokens=False,
        )
    inputs.pop("labels", None)  # of a prompt, which some processors make (PaliGemma)
    return dict(inputs)
