# SPDX-License-Identifier: Apache-2.0
"""Prompts in groups that share a start, picture included, so that each start is encoded once. It does not know what
follows the prompts."""

import copy
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crossmem_hf.data.forms import Row
from crossmem_hf.models.chat import picture_tokens
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.pictures.keys import pictures_key
from crossmem_hf.pictures.reading import as_seen
from crossmem_hf.scoring.inputs import encode

PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "cross_attention_mask")
_WORTH_SHARING = 0.5  # of a text prompt; below, a start is not worth a group


@dataclass(frozen=True, slots=True)
class Group:
    """Some rows whose prompts start alike.

    Attributes:
        rows: Their numbers.
        tails: For each the token ids behind the shared start; of a row on its own, only what is held back.
    """

    rows: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """Shared starts ready for a model.

    Attributes:
        groups: One a row of the inputs.
        inputs: Left-padded starts and their pictures, on the model's device.
    """

    groups: tuple[Group, ...]
    inputs: dict[str, Any]


class PromptQueue:
    """All prompts, waiting in groups, longest first, pictures and text apart.

    Args:
        rows: Checked rows.
        share: Whether rows about one picture, or that start with the same text, come as a group.
        device: Where the inputs shall be.
        held_back: How many last tokens of every prompt are no part of a start.
    """

    def __init__(self, processor: Any, rows: Sequence[Row], *, share: bool, device: Any, held_back: int = 0) -> None:
        self.processor, self.rows, self.device, self.held_back = processor, rows, device, held_back
        self._texts = [prompt_text(processor, row) for row in rows]
        self._waiting: deque[tuple[int, ...]] = deque()
        for has_images in (True, False):
            chosen = [index for index, row in enumerate(rows) if bool(row["images"]) == has_images]
            grouped: list[tuple[int, ...]] = [(index,) for index in chosen]
            if share:
                grouped = list(self._about_one_picture(chosen) if has_images else self._starting_alike(chosen))
            self._waiting.extend(sorted(grouped, key=lambda group: -max(len(self._texts[index]) for index in group)))

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, batch_size: int) -> PromptBatch:
        """The next groups, at most `batch_size`, all with pictures or all without."""
        has_images = bool(self.rows[self._waiting[0][0]]["images"])
        part: list[tuple[int, ...]] = []
        while self._waiting and len(part) < batch_size:
            if bool(self.rows[self._waiting[0][0]]["images"]) != has_images:
                break
            part.append(self._waiting.popleft())
        leaders = [group[0] for group in part]
        inputs = encode(self.processor, [self._texts[index] for index in leaders], self._images(leaders))
        groups, lengths = [], []
        for members, leader in zip(part, _unpadded(inputs), strict=True):
            group, alone = self._split(members, leader)
            groups.append(group)
            lengths.append(len(leader) - len(group.tails[0]))
            self._waiting.extend((index,) for index in alone)
        cut = _cut(inputs, lengths)
        return PromptBatch(tuple(groups), {name: value.to(self.device) for name, value in cut.items()})

    def give_back(self, batch: PromptBatch) -> None:
        """Put a batch first in the queue again."""
        self._waiting.extendleft(group.rows for group in reversed(batch.groups))

    def _images(self, indices: Sequence[int]) -> list[list[Any]]:
        return [
            [as_seen(image, f"Row {index}: A picture") for image in self.rows[index]["images"] or ()]
            for index in indices
        ]

    def _about_one_picture(self, chosen: Sequence[int]) -> Iterator[tuple[int, ...]]:
        by_picture: dict[bytes, list[int]] = {}
        for index in chosen:
            by_picture.setdefault(pictures_key(self.rows[index]["images"]), []).append(index)
        yield from map(tuple, by_picture.values())

    def _starting_alike(self, chosen: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Neighbors in alphabetical order, while what they share is worth it."""
        group: list[int] = []
        shared = ""
        for index in sorted(chosen, key=lambda index: self._texts[index]):
            text = self._texts[index]
            both = text[: _common([shared, text])]
            if group and len(both) >= _WORTH_SHARING * max(len(text), len(self._texts[group[0]])):
                group.append(index)
                shared = both
            else:
                if group:
                    yield tuple(group)
                group, shared = [index], text
        if group:
            yield tuple(group)

    def _split(self, members: tuple[int, ...], leader: list[int]) -> tuple[Group, tuple[int, ...]]:
        """The members that share what must be shared with the leader as a group, and the others."""
        if len(members) == 1:
            return Group(members, (tuple(leader[len(leader) - self.held_back :]),)), ()
        (images,) = self._images(members[:1])
        prompts = self._tokens([self._texts[index] for index in members], leader, images)
        needed = _end_of_pictures(self.processor, leader) if images else 1
        shared = [_common([leader, prompt]) for prompt in prompts]
        kept = [place for place, length in enumerate(shared) if length >= needed > 0 or place == 0]
        start = min(*(shared[place] for place in kept), *(len(prompts[place]) - self.held_back for place in kept))
        group = Group(tuple(members[place] for place in kept), tuple(tuple(prompts[place][start:]) for place in kept))
        return group, tuple(index for place, index in enumerate(members) if place not in set(kept))

    def _tokens(self, texts: Sequence[str], leader: list[int], images: list[Any]) -> list[list[int]]:
        """The token ids of prompts about the same pictures, which are prepared once where the processor lets them.

        Args:
            leader: Those of the first prompt.
        """
        once = _preparing_once(self.processor, images) if images else self.processor
        try:
            prompts = _unpadded(encode(once, texts, [images] * len(texts)))
        except (KeyError, IndexError, TypeError, ValueError):  # it goes on with what it made of them, as InternVL's
            prompts = []
        if prompts[:1] != [leader]:  # one by one, or there would be as many copies of the pictures as prompts
            prompts = [leader, *(_unpadded(encode(self.processor, [text], [images]))[0] for text in texts[1:])]
        return prompts


def _common(sequences: Sequence[Any]) -> int:
    """How many first entries two sequences share."""
    one, two = sequences
    for place, (left, right) in enumerate(zip(one, two, strict=False)):
        if left != right:
            return place
    return min(len(one), len(two))


def _end_of_pictures(processor: Any, prompt: Sequence[int]) -> int:
    """How many first tokens hold all pictures; 0 where it cannot be told, so that nothing is shared."""
    marks = picture_tokens(processor)
    return max((place + 1 for place, token in enumerate(prompt) if token in marks), default=0)


def _preparing_once(processor: Any, images: Sequence[Any]) -> Any:
    """The processor for several texts about the same pictures, of whose inputs only the tokens are wanted."""
    if not hasattr(processor, "_process_images"):
        return processor
    once = copy.copy(processor)

    def prepared(several: Any, **kwargs: Any) -> tuple[dict[str, Any], list[Any]]:
        nested = isinstance(several[0], list | tuple)
        one = several[: 1 if nested else len(images)]
        _, replacements = processor._process_images(one, **kwargs)
        return {}, list(replacements) * (len(several) // len(one))

    once._process_images = prepared
    return once


def _unpadded(inputs: dict[str, Any]) -> list[list[int]]:
    """The real token ids of each row."""
    pairs = zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
    return [ids[mask.bool()].tolist() for ids, mask in pairs]


def _cut(inputs: dict[str, Any], lengths: Sequence[int]) -> dict[str, Any]:
    """The inputs with only the first `lengths` tokens of each row, left-padded again."""
    import torch

    mask = inputs["attention_mask"].bool()
    if lengths == mask.sum(1).tolist():
        return inputs
    cut = dict(inputs)
    for name in PER_TOKEN:
        if name in inputs:
            parts = [row[real][:length] for row, real, length in zip(inputs[name], mask, lengths, strict=True)]
            pad = int(inputs[name][~mask].flatten()[0]) if not mask.all() else 0  # what is masked may hold anything
            cut[name] = torch.nn.utils.rnn.pad_sequence(
                parts, batch_first=True, padding_value=pad, padding_side="left"
            )
    return cut


def extended(
    inputs: dict[str, Any],
    tails: Sequence[Sequence[int]],
    *,
    side: str = "right",
    token_type: int = 0,
    padding: int = 0,
) -> dict[str, Any]:
    """The inputs with a tail of tokens behind each row, padded on the given side where tails differ in length.

    Args:
        token_type: Of the tails, where there are token types.
        padding: What stands where nothing is read; logits processors see it, and no mask.
    """
    import torch

    longest = max(map(len, tails))
    ids, real = torch.full((len(tails), longest), padding), torch.zeros((len(tails), longest), dtype=torch.long)
    for place, tail in enumerate(tails):
        here = slice(longest - len(tail), longest) if side == "left" else slice(len(tail))
        ids[place, here] = torch.tensor(tail, dtype=torch.long)
        real[place, here] = 1
    added = {"input_ids": ids, "attention_mask": real, "token_type_ids": torch.full_like(ids, token_type)}
    longer = dict(inputs)
    for name in PER_TOKEN:
        if name == "cross_attention_mask" and name in inputs:  # a tail looks at the pictures that the last token sees
            longer[name] = torch.cat([inputs[name], inputs[name][:, -1:].expand(-1, longest, -1, -1)], dim=1)
        elif name in inputs:
            behind = added.get(name, torch.zeros_like(ids)).to(inputs[name])
            longer[name] = torch.cat([inputs[name], behind], dim=1)
    return longer


def own_positions(model: Any, inputs: dict[str, Any]) -> Any:
    """The module that gives pictures fewer positions than tokens (multimodal RoPE), where this batch needs it."""
    if "pixel_values" not in inputs:
        return None
    return positions_of_its_own(model)


def positions_of_its_own(model: Any) -> Any:
    """The module of a model that counts positions itself, with or without adapter; None where tokens are counted."""
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    inner = getattr(whole, "model", whole)
    return inner if hasattr(inner, "get_rope_index") else None


def positions(attention_mask: Any) -> Any:
    """(B, T) place of each token among those that are not masked."""
    return (attention_mask.cumsum(-1) - 1).clamp(min=0)


@dataclass(frozen=True, slots=True)
class Prefilled:
    """What a model keeps of a batch of starts.

    Attributes:
        cache: Keys and values of every layer.
        last_BV: Logits behind the starts.
        mask_BL: 1 where a token is real.
        next_B1: Position of the token that follows.
    """

    cache: Any
    last_BV: Any
    mask_BL: Any
    next_B1: Any


def prefilled(model: Any, inputs: dict[str, Any]) -> Prefilled:
    """One forward pass over the starts of a batch."""
    from transformers.cache_utils import DynamicCache

    mask, own = inputs["attention_mask"], own_positions(model, inputs)
    given = {} if own is not None else {"position_ids": positions(mask)}
    # A plain cache keeps all of the prompt also where a layer looks back through a window only; masks do the rest.
    out = model(**inputs, **given, cache=DynamicCache(), use_cache=True, logits_to_keep=1)
    shift = own.rope_deltas.to(mask.device) if own is not None else 0
    return Prefilled(out.cache, out.logits[:, -1], mask, mask.sum(-1, keepdim=True) + shift)
