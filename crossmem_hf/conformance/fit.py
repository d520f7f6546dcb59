# SPDX-License-Identifier: Apache-2.0
"""Whether template, processor and model are made for each other, without a forward pass. It does not look at numbers
that the model gives."""

from typing import Any

from crossmem_hf.conformance.report import Finding
from crossmem_hf.conformance.subject import Subject, conversation
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import placeholders, written
from crossmem_hf.models.families import has_cross_attention
from crossmem_hf.models.loading import check_processor


def parts(subject: Subject) -> Finding:
    """The template writes every answer and a placeholder a picture, and the model knows the tokens that come of it.

    Raises:
        CrossmemError: It does not; the part that is wrong is named.
    """
    check_processor(subject.model, subject.processor)
    max_id = 0
    for row in subject.rows:
        _check_text(subject.processor, row)
        for answer in subject.answers:
            ids = conversation(subject, row, answer)[0]["input_ids"][0].tolist()
            max_id = max(max_id, *ids)
        _check_image_token(subject.model, row, ids)
    known = int(subject.model.get_input_embeddings().weight.shape[0])
    if max_id >= known:
        raise CrossmemError(
            f"The tokenizer gives token {max_id}, and the model has embeddings for {known} tokens, 0 to {known - 1}.",
            "Use the tokenizer that the model was trained with, or model.resize_token_embeddings(len(tokenizer)).",
        )
    return Finding(check="parts fit", status="holds", found=f"tokens up to {max_id:,} are used, {known:,} are known")


def _check_text(processor: Any, row: dict[str, Any]) -> None:
    text = written(processor, row, row["answer"])
    if row["answer"] not in text:
        raise CrossmemError("The chat template leaves the answer out.", "Use one that writes the assistant's turns.")
    marks = placeholders(processor)
    counts = {mark: text.count(mark) for mark in sorted(marks)}
    if marks and len(row["images"]) not in counts.values():
        raise CrossmemError(
            f"The chat template writes {counts!r} in a row with {len(row['images'])} picture(s); expected one each.",
            "Use a chat template that writes the processor's placeholder once for each part of type image.",
        )


def _check_image_token(model: Any, row: dict[str, Any], ids: list[int]) -> None:
    said = (getattr(model.config, name, None) for name in ("image_token_id", "image_token_index"))
    named = {int(token) for token in said if token is not None}
    if row["images"] and named and not has_cross_attention(model.config) and not named & set(ids):
        raise CrossmemError(
            f"The model puts pictures where token {min(named)} stands, which the processor never writes.",
            "Use the model's own processor, or set model.config.image_token_id to that of its image token.",
        )
