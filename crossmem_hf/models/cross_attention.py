# SPDX-License-Identifier: Apache-2.0
"""Rows of a batch that look at their own pictures only, for models with cross-attention to pictures (Mllama). It does
not know what is asked.

`transformers` lets tokens that no picture stands before look at everything in their row of the batch. Alone that is
the row's own pictures; in a batch it is also the padding for rows with more pictures, and a row without any picture
looks at nothing but padding, where alone it would skip the layer. Here both are put right, so that a row in a batch is
what it is alone; batches of one row stay the same to the last bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from crossmem_hf.models.families import has_cross_attention
from crossmem_hf.models.modules import text_layers

_PADDING = "_crossmem_padding"


@contextmanager
def rows_apart(model: Any) -> Iterator[None]:
    """Rows look at their own pictures only, meanwhile; for most models there is nothing to do."""
    handles = keep_rows_apart(model)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        if handles:
            delattr(_reader(model), _PADDING)


def keep_rows_apart(model: Any) -> list[RemovableHandle]:
    """The same for good.

    Args:
        model: With or without adapter.

    Returns:
        What takes it back; empty if there was nothing to do, or if it was done already.
    """
    if not has_cross_attention(model.config) or hasattr(_reader(model), _PADDING):
        return []
    reader, padding = _reader(model), _Padding()
    setattr(reader, _PADDING, padding)
    handles = [reader.register_forward_pre_hook(padding.note, with_kwargs=True)]
    text = model.config.get_text_config()
    for number in text.cross_attention_layers:
        layer = text_layers(model)[number]
        handles.append(layer.register_forward_pre_hook(padding.hide, with_kwargs=True))
        handles.append(layer.register_forward_hook(padding.skip, with_kwargs=True))
    return handles


def _reader(model: Any) -> Any:
    """The module that gets the pictures and the mask that says which token sees which."""
    return (model.get_base_model() if hasattr(model, "get_base_model") else model).model


class _Padding:
    """Which pictures of a batch are padding, noted where the mask comes in and used in every layer that looks."""

    def __init__(self) -> None:
        self.padded_BI: Tensor | None = None  # None where there is no padding
        self.blind_B: Tensor | None = None  # None where every row has a picture

    def note(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        """Which pictures no token looks at, and which rows have none."""
        self.padded_BI = self.blind_B = None
        mask_BTIK = kwargs.get("cross_attention_mask")
        if mask_BTIK is not None:
            padded_BI = ~mask_BTIK.bool().any(dim=3).any(dim=1)
            self.padded_BI = padded_BI if padded_BI.any() else None
            self.blind_B = padded_BI.all(dim=1) if padded_BI.all(dim=1).any() else None

    def hide(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        """Tokens before every picture look at the row's own ones."""
        if self.padded_BI is None:
            return None
        mask_B1TK, sees_B1T1 = kwargs["cross_attention_mask"], kwargs["full_text_row_masked_out_mask"]
        keys_BK = self.padded_BI.repeat_interleave(mask_B1TK.shape[-1] // self.padded_BI.shape[1], dim=1)
        keys_BK = keys_BK & ~self.padded_BI.all(dim=1, keepdim=True)  # a row must look at something, if in vain
        hidden = keys_BK[:, None, None] & (sees_B1T1 == 0)
        min_value = torch.finfo(mask_B1TK.dtype).min
        return args, kwargs | {"cross_attention_mask": mask_B1TK.masked_fill(hidden, min_value)}

    def skip(self, module: nn.Module, args: Any, kwargs: dict[str, Any], out: Any) -> Any:
        """A row without a picture leaves the layer as it came."""
        if self.blind_B is None:
            return None
        came = args[0] if args else kwargs["hidden_states"]
        return out.where(~self.blind_B[:, None, None], came)
