# SPDX-License-Identifier: Apache-2.0
"""What a second model would say next, along texts that another model writes. It does not know what that is for.

Between two calls a text mostly grows by one token, so keys and values are kept; whether it did is seen from the tokens
themselves. Rows that are others than before, whatever the reason, are read afresh.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import special_tokens, tokenizer_of
from crossmem_hf.models.families import reads_ahead
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.models.padding import padding_id

_OF_PICTURES: Final = re.compile("image|img|vision|video", re.IGNORECASE)


class Auxiliary:
    """The logits of a model's next token, with a cache that follows the texts.

    Args:
        model: A causal model, or a vision-language model that is shown text alone.
        empty: The token that stands where a text has none.
        reread: How many last tokens of a text may be others once it has grown, as where it is encoded anew.
    """

    def __init__(self, model: Any, *, empty: int, reread: int = 0) -> None:
        self.model, self._empty, self._reread = model, empty, reread
        config = model.config.get_text_config()
        self.vocabulary = int(config.vocab_size)
        self._limit = getattr(config, "max_position_embeddings", None)
        bare = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._takes = set(signature(bare.forward).parameters)
        windowed = getattr(config, "sliding_window", None) is not None
        recurrent = getattr(bare, "_is_stateful", False) or reads_ahead(model.config)
        self._keeps = {"cache", "position_ids"} <= self._takes and not windowed and not recurrent
        self.forget()

    def forget(self) -> None:
        """Keep nothing of the texts so far; needed only where the model's weights have changed since."""
        self._known: list[list[int]] = []
        self._cache: Any = None
        self._mask_BL = self._last_BV = torch.empty(0)

    def logits(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """(B, V) logits of the token behind each text, float32.

        Of a text longer than the model has positions only the end is read.
        """
        read = [self._within(list(text)) or [self._empty] for text in texts]
        places = self._grown(read) if self._cache is not None else None
        with in_eval_mode(self.model), torch.no_grad():
            if places is None:
                self._read_afresh(read)
            else:
                self._read_on(read, places)
        self._known = read
        return self._last_BV

    def _within(self, text: list[int]) -> list[int]:
        """What of a text has a position. What is left out grows by half of them at a time, not with every token."""
        if self._limit is None or len(text) <= self._limit:
            return text
        half = max(1, self._limit // 2)
        return text[-(-(len(text) - self._limit) // half) * half :]

    def _grown(self, texts: list[list[int]]) -> list[tuple[int, int]] | None:
        """For each text the row that it goes on from, and how many tokens they share; None unless all have one."""
        exactly = {tuple(known): row for row, known in reversed(list(enumerate(self._known)))}
        found = []
        for row, text in enumerate(texts):
            own = [row] if row < len(self._known) else []
            if self._reread:
                likely: Iterator[int] = iter([*own, *(other for other in range(len(self._known)) if other != row)])
            else:
                ends = [exactly.get(tuple(text[:-1])), exactly.get(tuple(text))]
                likely = iter([*own, *(other for other in ends if other is not None)])
            place = next(((other, shared) for other in likely if (shared := self._shared(other, text))), None)
            if place is None:
                return None
            found.append(place)
        return found

    def _shared(self, row: int, text: list[int]) -> int:
        """How many first tokens of a text need not be read again after those of a row; 0 for all of them."""
        known = self._known[row]
        if known == text:
            return len(text)
        least = len(known) - self._reread
        if not least <= len(text) <= len(known) + 1 + self._reread or known[: max(least, 0)] != text[: max(least, 0)]:
            return 0
        shared = max(least, 0)
        while shared < min(len(known), len(text) - 1) and known[shared] == text[shared]:
            shared += 1
        return shared

    def _read_afresh(self, texts: list[list[int]]) -> None:
        ids_BT, mask_BT = _padded(texts, self.model.device)
        self._cache, self._mask_BL = None, mask_BT
        if self._keeps:
            from transformers.cache_utils import DynamicCache

            self._cache = DynamicCache()
        self._last_BV = self._pass(ids_BT, mask_BT, mask_BT)

    def _read_on(self, texts: list[list[int]], places: list[tuple[int, int]]) -> None:
        from transformers.cache_utils import DynamicCache

        rows = torch.tensor([row for row, _ in places], device=self._mask_BL.device)
        shared_B1 = torch.tensor([[shared] for _, shared in places], device=self._mask_BL.device)
        if rows.tolist() != list(range(len(self._known))):
            self._cache = DynamicCache([(layer.keys[rows], layer.values[rows]) for layer in self._cache.layers])
        kept_BL = self._mask_BL[rows]
        kept_BL = kept_BL * (kept_BL.cumsum(-1) <= shared_B1)  # what was read and is other tokens now
        tails = [text[shared:] for text, (_, shared) in zip(texts, places, strict=True)]
        last_BV = self._last_BV[rows]
        if not any(tails):
            self._mask_BL, self._last_BV = kept_BL, last_BV
            return
        ids_BT, mask_BT = _padded(tails, self.model.device)
        self._mask_BL = torch.cat([kept_BL, mask_BT], dim=1)
        read_BV = self._pass(ids_BT, mask_BT, self._mask_BL)
        self._last_BV = torch.where(mask_BT.any(-1, keepdim=True), read_BV, last_BV)

    def _pass(self, ids_BT: Tensor, mask_BT: Tensor, mask_BL: Tensor) -> Tensor:
        """(B, V) logits behind the last of some tokens, which are put behind what the cache holds."""
        places_BT = (mask_BL.cumsum(-1) - 1).clamp(min=0)[:, -ids_BT.shape[1] :]
        more = {"position_ids": places_BT, "logits_to_keep": 1}
        given = {name: value for name, value in more.items() if name in self._takes}
        if self._cache is not None:
            given |= {"cache": self._cache, "use_cache": True}
        logits: Tensor = self.model(input_ids=ids_BT, attention_mask=mask_BL, **given).logits[:, -1]
        if not logits.isfinite().any(-1).all():
            raise CrossmemError(
                f"{type(self.model).__name__} gives no finite logits as the auxiliary model.",
                "Load it in bfloat16 or float32.",
            )
        return logits.float()


class WithoutAdapter:
    """The base of a PEFT model as a model of its own, for forward passes. It is the same weights, and no copy."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.config = model.config

    @property
    def device(self) -> Any:
        """Where its weights are."""
        return self._model.device

    def modules(self) -> Iterator[Any]:
        """Its modules, those of the adapter included."""
        yield from self._model.modules()

    def get_base_model(self) -> Any:
        """The model inside, whose forward pass it is."""
        return self._model.get_base_model()

    def __call__(self, **inputs: Any) -> Any:
        """The forward pass of the base."""
        with adapters_off(self._model):
            return self._model(**inputs)


@contextmanager
def adapters_off(model: Any) -> Iterator[None]:
    """A PEFT model is its base inside; afterwards it is as it was, also in what trains."""
    training = {weight: weight.requires_grad for weight in model.parameters()}
    try:
        with model.disable_adapter():
            yield
    finally:
        for weight, trains in training.items():  # PEFT lets the adapter train afterwards
            weight.requires_grad_(trains)


def auxiliary_of(model: Any, auxiliary_model: Any) -> Any:
    """The auxiliary of a model: the one that was passed, or the model without its adapter.

    Raises:
        CrossmemError: There is neither.
    """
    if auxiliary_model is None and not hasattr(model, "disable_adapter"):
        raise CrossmemError(
            f"A {type(model).__name__} without adapter has no base that could be its auxiliary model.",
            "Pass auxiliary_model, such as a smaller model of the same family.",
        )
    return WithoutAdapter(model) if auxiliary_model is None else auxiliary_model


def unread_tokens(processing_class: Any) -> set[int]:
    """What an auxiliary is not shown of a main model's tokens: padding, and what stands for pictures."""
    tokenizer = tokenizer_of(processing_class)
    of_pictures = [token for token in special_tokens(processing_class) if _OF_PICTURES.search(token)]
    return {padding_id(tokenizer), *tokenizer.convert_tokens_to_ids(of_pictures)}


def beginning(tokenizer: Any) -> int:
    """The token that begins a text, or the likeliest to do so."""
    named = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    return next((token for token in named if token is not None), padding_id(tokenizer))


def _padded(texts: Sequence[Sequence[int]], device: Any) -> tuple[Tensor, Tensor]:
    """(B, T) tokens padded on the left, and 1 where one is real."""
    rows = [torch.tensor(text, dtype=torch.long) for text in texts]
    ids = pad_sequence(rows, batch_first=True, padding_side="left")
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True, padding_side="left")
    return ids.to(device), mask.to(device)
