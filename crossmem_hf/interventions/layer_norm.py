# SPDX-License-Identifier: Apache-2.0
"""Norms that only normalize: their learnable weight and bias are taken out of a model. It does not know what the model
is trained on afterwards."""

from contextlib import ExitStack

import torch
from torch import Tensor, nn

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.norms import Layers, neutral_weight, norms_in


def without_norm_weights(model: nn.Module, layers: Layers = "all", *, part: str | None = None) -> ExitStack:
    """Takes weight and bias of LayerNorms and RMSNorms out of a model, at once; the normalization stays.

    They are set to what does nothing (1 and 0; a weight of 0 where a norm multiplies by 1 + weight, as Gemma's) and
    get no gradients, so no optimizer moves them. The model keeps its parameters: `save_pretrained` writes a folder
    that `from_pretrained` loads as any other, with these values; there they would be trained again, unless this is
    called again. Norms outside of all layers are taken with "all" only (`norms_in`).

    Args:
        model: Any model of transformers, Pre- or Post-LN, encoder, decoder or vision-language model, with or without
            adapter; it is changed in place.
        layers: "early", "middle" or "late" third of every list of layers, or "all".
        part: As for `norms_in`.

    Returns:
        What puts weights, biases and whether they train back as they were: at the end of a ``with``, or by `close()`.
        Left alone, they stay out.

    Raises:
        CrossmemError: As `norms_in` and `neutral_weight`, or weights that are not loaded; the model is then as it was.

    Reference:
        Singhal and Kim 2025, https://huggingface.co/papers/2511.10566. Their code removes the parameters, which gives
        the same model, and folders that other code does not load.

    Example:
        >>> from crossmem_hf import load_model
        >>> model, _ = load_model()
        >>> tokens = torch.tensor([[5, 6, 7]])
        >>> plain = model(tokens).logits
        >>> with without_norm_weights(model, "early"):
        ...     changed = model(tokens).logits
        >>> torch.equal(changed, plain), torch.equal(model(tokens).logits, plain)
        (False, True)
    """
    chosen: list[tuple[nn.Parameter, float]] = []
    for norm in norms_in(model, layers, part=part):
        own = dict(norm.module.named_parameters(recurse=False))
        if any(parameter.is_meta for parameter in own.values()):
            raise CrossmemError(f"The weights of {norm.name!r} are not loaded.", "Load the model without offloading.")
        neutral = neutral_weight(norm.module)
        chosen += [(parameter, neutral if name == "weight" else 0.0) for name, parameter in own.items()]
    held = ExitStack()
    for parameter, value in chosen:
        held.callback(_put, parameter, parameter.detach().clone(), parameter.requires_grad)
        _put(parameter, torch.full_like(parameter, value), False)
    return held


def _put(parameter: nn.Parameter, values: Tensor, trains: bool) -> None:
    with torch.no_grad():
        parameter.copy_(values)
    parameter.requires_grad_(trains)
    parameter.grad = None  # an optimizer that has the parameter already would go on with what is left there
