# SPDX-License-Identifier: Apache-2.0
"""Hidden states of one layer, taken from the forward pass that scores answers. It does not know what they are for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from crossmem_hf.analysis.hooks import reading
from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import AnswerScores, answer_scores
from crossmem_hf.models.modules import text_layers
from crossmem_hf.seeding import seed_for


def checked_layer(model: Any, layer: int) -> nn.Module:
    """Layer number `layer` of the language model, counted from 0.

    Raises:
        CrossmemError: There is no such layer.
    """
    layers = text_layers(model)
    if not 0 <= layer < len(layers):
        raise CrossmemError(
            f"rmu_layer={layer!r}; the language model has {len(layers)} layers.", f"Choose 0 to {len(layers) - 1}."
        )
    return layers[layer]


def check_reached(model: Any, layer: nn.Module) -> None:
    """Nothing, if something trains that `layer` depends on. Asked of weights, as gradients would not tell: with
    recomputed activations they flow from the embeddings.

    Raises:
        CrossmemError: All that trains comes after the layer, so its hidden states would stay what they are.
    """
    layers = list(text_layers(model))
    after = {id(weight) for later in layers[layers.index(layer) + 1 :] for weight in later.parameters()}
    if not any(weight.requires_grad and id(weight) not in after for weight in model.parameters()):
        raise CrossmemError(
            f"Nothing trains at or below layer {layers.index(layer)}, so its hidden states cannot change.",
            "Adapt a layer at or below rmu_layer, or choose a higher rmu_layer.",
        )


def scores_with_hidden(model: nn.Module, batch: Mapping[str, Tensor], layer: nn.Module) -> AnswerScores:
    """`answer_scores` of a batch, with what `layer` puts out at the positions that predict the answers.

    Args:
        model: May be wrapped (DDP); `layer` is one of its modules.

    Raises:
        CrossmemError: The layer did not run, as in a compiled model.
    """
    with reading({"layer": layer}) as seen:
        scores = answer_scores(model, batch)
    hidden_ND = seen["layer"][:, :-1][scores.mask_BT]
    half = hidden_ND.dtype in (torch.float16, torch.bfloat16)  # squares of differences need more
    return replace(scores, hidden_ND=hidden_ND.float() if half else hidden_ND)


def random_direction(width: int, seed: int) -> Tensor:
    """(width,) a unit vector with coordinates drawn evenly from [0, 1) and scaled, float32; equal for equal seeds."""
    generator = torch.Generator().manual_seed(seed_for(seed, "rmu", "direction"))
    direction_D = torch.rand(width, generator=generator)
    return direction_D / direction_D.norm()
