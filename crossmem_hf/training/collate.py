# SPDX-License-Identifier: Apache-2.0
"""From dataset rows to batches: each row is encoded once, into the tokens that are also scored, and padded when it is
used. Nothing here knows a model or a loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerBase, ProcessorMixin

from crossmem_hf.data.forms import as_row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import NOT_AN_ANSWER
from crossmem_hf.models.chat import check_template
from crossmem_hf.models.families import check_presented, marks_answers
from crossmem_hf.models.padding import padding_id
from crossmem_hf.models.turns import answer_tokens, turn_of
from crossmem_hf.pictures.reading import as_seen
from crossmem_hf.scoring.inputs import answer_of, check_words, encode
from crossmem_hf.scoring.prefill import extended
from crossmem_hf.seeding import rng_for

Batch = dict[str, Tensor]

MAX_CACHED_BYTES = 2 * 1024**3
SEQUENCE_KEYS = ("input_ids", "attention_mask", "labels", "token_type_ids", "mm_token_type_ids")
SAY_WHAT_IS_PADDING = {"pixel_attention_mask", "image_sizes", "cross_attention_mask"}


class RowEncoder:
    """Encodes single rows, with labels on the answer and its end only: the tokens that scoring asks about.

    Args:
        processing_class: A processor, or for text-only models a tokenizer.
        max_length: A longer row is an error, because cutting it would cut its answer; None allows any length.
    """

    def __init__(
        self, processing_class: ProcessorMixin | PreTrainedTokenizerBase, *, max_length: int | None = None
    ) -> None:
        check_template(processing_class)
        self.processing_class = processing_class
        self.max_length = max_length
        self.pad_token_id = padding_id(processing_class)

    def encode(self, row: Mapping[str, Any], name: str = "row") -> Batch:
        """A batch of this one row.

        Raises:
            CrossmemError: The row cannot be read (see `as_row` and `answer_tokens`), its answer is empty or would be
                cut, or a picture cannot be shown; `name` says which row it is.
        """
        read = as_row(row, name)
        check_words(read, self.processing_class, name)
        turn = turn_of(self.processing_class, read)
        ((answer,), _) = answer_tokens(self.processing_class, read, [answer_of(read, name)], turn)
        check_presented(self.processing_class, read["images"], f"Row {name}")
        images = [as_seen(image, f"A picture of row {name}") for image in read["images"]]
        inputs = encode(self.processing_class, [turn.prompt], [images])
        batch: Batch = extended(inputs, [answer], token_type=int(marks_answers(self.processing_class)))
        length = batch["input_ids"].shape[1]
        if self.max_length is not None and length > self.max_length:
            raise CrossmemError(
                f"Row {name} has {length} tokens, more than max_length={self.max_length}, which would cut its answer.",
                "Raise max_length, or set it to null for no limit.",
            )
        batch["labels"] = torch.full_like(batch["input_ids"], NOT_AN_ANSWER)
        batch["labels"][0, -len(answer) :] = torch.tensor(answer)
        return batch


class EncodedRows:
    """A dataset's rows as one-row batches, kept after first use while they fit in `MAX_CACHED_BYTES`."""

    def __init__(self, dataset: Dataset, encoder: RowEncoder, *, name: str = "train") -> None:
        self.dataset, self.encoder, self.name = dataset, encoder, name
        self._kept: dict[int, Batch] = {}
        self._room = MAX_CACHED_BYTES

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Batch:
        if index in self._kept:
            return self._kept[index]
        row = self.dataset[index]
        batch = self.encoder.encode(row, f"{index} of the {self.name} set (persona {row.get('persona_id')!r})")
        self._room -= sum(tensor.nbytes for tensor in batch.values())
        if self._room > 0:
            self._kept[index] = batch
        return batch


def merge_batches(batches: Sequence[Mapping[str, Tensor]], *, pad_token_id: int) -> Batch:
    """One batch of all rows, right-padded to the longest.

    Pictures are padded with zeros to the largest, as processors do, where masks or sizes beside them say what is
    padding. Rows without pictures add none, or blank ones where pictures are laid out row by row (Mllama).

    Raises:
        CrossmemError: Pictures differ in size, and nothing beside them says what would be padding.
    """
    fill = {"input_ids": pad_token_id, "labels": NOT_AN_ANSWER}
    names = dict.fromkeys(key for batch in batches for key in batch)
    sizes = {tuple(batch["pixel_values"].shape[1:]) for batch in batches if "pixel_values" in batch}
    if len(sizes) > 1 and not names.keys() & SAY_WHAT_IS_PADDING:
        raise CrossmemError(
            f"Pictures of the sizes {sorted(sizes)} are in one batch, and the processor gives no mask for padding.",
            "Let the processor resize pictures to one size, or train with a batch size of 1.",
        )
    by_row = "cross_attention_mask" in names
    merged: Batch = {}
    for key in names:
        if key in SEQUENCE_KEYS:  # zeros where a row has none, as text has no picture's token types
            parts = [batch[key] if key in batch else torch.zeros_like(batch["input_ids"]) for batch in batches]
        elif by_row:
            parts = [batch[key] if key in batch else _blank(key, batch, batches) for batch in batches]
        else:
            parts = [batch[key] for batch in batches if key in batch]
        merged[key] = torch.cat(_of_one_size(parts, fill.get(key, 0)))
    if "aspect_ratio_mask" in merged:  # what is no picture has one tile, as Mllama's processor makes it
        merged["aspect_ratio_mask"][..., 0] = 1
    return merged


def _blank(key: str, batch: Mapping[str, Tensor], others: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """Nothing to see for each row of a batch, shaped as in another that has pictures."""
    like = next(other[key] for other in others if key in other)
    rows, length = batch["input_ids"].shape
    shape = like.shape[2:] if key == "cross_attention_mask" else like.shape[1:]
    return like.new_zeros((rows, length, *shape) if key == "cross_attention_mask" else (rows, *shape))


def _of_one_size(parts: Sequence[Tensor], fill: int) -> list[Tensor]:
    """All of them padded at the end of every dimension but the first, as far as the largest goes."""
    largest = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    padded = []
    for part in parts:
        missing = [max_size - size for max_size, size in zip(largest, part.shape[1:], strict=True)]
        ends = [end for size in reversed(missing) for end in (0, size)]
        padded.append(torch.nn.functional.pad(part, ends, value=fill) if any(missing) else part)
    return padded


class PairedRows(torch.utils.data.Dataset[dict[str, list[int]]]):
    """Which forget row meets which retain rows. One epoch shows every forget row once.

    Retain rows come in seeded permutations, one after another, so that every row is used before any is used twice.
    """

    def __init__(self, num_forget: int, num_retain: int, *, seed: int, retain_per_forget: int = 1) -> None:
        self.num_forget, self.num_retain, self.seed = num_forget, num_retain, seed
        self.retain_per_forget = retain_per_forget
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # dataloader workers may outlive an epoch
        self._orders: dict[int, list[int]] = {}

    @property
    def epoch(self) -> int:
        """The epoch whose pairs are given, from 0; set on one process, it holds in its dataloader workers too."""
        return int(self._epoch)

    @epoch.setter
    def epoch(self, number: int) -> None:
        self._epoch.fill_(number)

    def __len__(self) -> int:
        return self.num_forget

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        """Row numbers in the forget and in the retain set."""
        if not self.num_retain:
            return {"forget": [index]}
        first = (self.epoch * self.num_forget + index) * self.retain_per_forget
        return {"forget": [index], "retain": [self._retained(first + n) for n in range(self.retain_per_forget)]}

    def _retained(self, place: int) -> int:
        cycle, offset = divmod(place, self.num_retain)
        return self._order(cycle)[offset]

    def _order(self, cycle: int) -> list[int]:
        if cycle not in self._orders:
            draw = rng_for(self.seed, "retain", cycle)
            self._orders[cycle] = sorted(range(self.num_retain), key=lambda _: draw.random())
        return self._orders[cycle]


class RowCollator:
    """Turns row numbers, or the rows themselves, into a padded batch; used for plain fine-tuning.

    The numbers arrive as ``{"row": 3}``.
    """

    def __init__(self, rows: EncodedRows) -> None:
        self.rows = rows

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> Batch:
        """The padded batch of these examples."""
        encoder = self.rows.encoder
        batches = [
            self.rows[int(example["row"])] if "row" in example else encoder.encode(example) for example in examples
        ]
        return merge_batches(batches, pad_token_id=encoder.pad_token_id)


class PairedCollator:
    """Turns what `PairedRows` gives into a batch a role, such as ``{"forget": batch, "retain": batch}``.

    Each batch has its `row` numbers. Plain rows, as evaluation sets have them, become a plain batch.

    Args:
        roles: The rows of each role. All but "retain" are about the forget set and numbered as it is.
    """

    def __init__(self, roles: Mapping[str, EncodedRows]) -> None:
        self.roles = dict(roles)
        self.encoder = next(iter(self.roles.values())).encoder

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A batch a role, or one plain batch."""
        pad = self.encoder.pad_token_id
        if "forget" not in examples[0]:
            return merge_batches([self.encoder.encode(example) for example in examples], pad_token_id=pad)
        paired: dict[str, Any] = {}
        for role, rows in self.roles.items():
            part = "retain" if role == "retain" else "forget"
            numbers = [number for example in examples for number in example[part]]
            paired[role] = merge_batches([rows[number] for number in numbers], pad_token_id=pad)
            paired[role]["row"] = torch.tensor(numbers)
        return paired


class PreferenceCollator:
    """Turns pairs of answers into a batch as `trl.DPOTrainer` reads it: all chosen rows, then all rejected ones, with
    `completion_mask` on answers and their ends. Trained tokens are those of `RowEncoder`, where trl's own collators
    cut prompt and answer apart, and write no end behind answers of templates without one.

    Args:
        encoder: Encodes each answer behind its prompt.
    """

    def __init__(self, encoder: RowEncoder) -> None:
        self.encoder = encoder

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> Batch:
        """The padded batch of pairs with the columns images, prompt, chosen and rejected."""
        rows = [{**pair, "completion": pair[role]} for role in ("chosen", "rejected") for pair in examples]
        encoded = [self.encoder.encode(row, "of the pairs") for row in rows]
        batch = merge_batches(encoded, pad_token_id=self.encoder.pad_token_id)
        batch["completion_mask"] = (batch.pop("labels") != NOT_AN_ANSWER).long()
        return batch
