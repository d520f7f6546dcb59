# SPDX-License-Identifier: Apache-2.0
"""Where the parts of a vision-language model are: the one map of layers, norms, tower, projector and head. It does not
know what is done with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from torch import nn

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import sees_images

PARTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "vision tower": ("vision", "visual"),
        "projector": ("projector", "connector", "merger"),
        "language model": ("language_model", "text_model", "lm_head", "transformer", "model."),
    }
)
"""Part -> what is in the names of its modules; tried in this order, since a tower may hold its projector."""

LANGUAGE_LINEARS: Final = (
    r".*(?:language_model|text_model).*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
)
"""The linear layers of a Llama-like language model inside a VLM; bare names would hit the vision tower too."""

TEXT_LINEARS: Final = (
    r".*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj|c_attn|c_proj|c_fc|query_key_value)"
)
"""Those of a model without an image tower."""

SUBLAYERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "attention": ("self_attn", "cross_attn", "attn", "attention", "self_attention", "mamba"),
        "mlp": ("mlp", "feed_forward", "ffn"),
    }
)
"""Part of a layer -> what families call it. A recurrent mixer stands in the place of attention (Jamba)."""

UNSCALED: Final = ("aya_vision", "cohere2_vision")
"""Model types whose text configuration has a `logit_scale` that their forward pass does not use at the head."""


def part_of(name: str) -> str:
    """The part of a vision-language model that a module or parameter belongs to, by its name.

    Example:
        >>> part_of("model.visual.blocks.0.attn.qkv.weight"), part_of("lm_head.weight"), part_of("score.weight")
        ('vision tower', 'language model', 'other')
    """
    return next((part for part, words in PARTS.items() if any(word in name for word in words)), "other")


def is_beside_the_text(name: str) -> bool:
    """Whether a module belongs to the vision tower or the projector."""
    return part_of(name) in ("vision tower", "projector")


def linears_of(model: Any) -> str:
    """A regular expression of the linear layers of the language model, which without a tower is all of the model."""
    return LANGUAGE_LINEARS if sees_images(model.config) else TEXT_LINEARS


@dataclass(frozen=True, slots=True)
class Modules:
    """The parts of a model.

    Attributes:
        layers: Of the language model, first to last.
        norms: Name (as in `named_modules` of the model) -> each norm of the language model, the final one last.
        head: What turns hidden states into logits.
        vision_tower: None in a model of text alone.
        projector: From the tower to the language model; None in a model of text alone. A part of the tower in some
            families (Qwen-VL).
    """

    layers: nn.ModuleList
    norms: Mapping[str, nn.Module]
    head: nn.Module
    vision_tower: nn.Module | None
    projector: nn.Module | None


def modules_of(model: Any) -> Modules:
    """The parts of a model, with or without adapter.

    Raises:
        CrossmemError: The layers of its language model cannot be found.

    Example:
        >>> from crossmem_hf import load_model
        >>> found = modules_of(load_model()[0])
        >>> len(found.layers), len(found.norms), type(found.vision_tower).__name__
        (4, 9, 'CLIPVisionModel')
    """
    inner, layers = _bare(model), text_layers(model)
    decoder = inner.get_decoder()
    inside = {id(module) for module in decoder.modules()}
    norms = {
        name: module
        for name, module in inner.named_modules()
        if id(module) in inside and type(module).__name__.endswith("Norm")
    }
    return Modules(
        layers=layers,
        norms=norms,
        head=inner.get_output_embeddings(),
        vision_tower=_outermost(inner, "vision tower"),
        projector=_outermost(inner, "projector"),
    )


def text_layers(model: Any) -> nn.ModuleList:
    """The layers of a model's language model, first to last.

    Raises:
        CrossmemError: They cannot be found.
    """
    inner = _bare(model)
    decoder = inner.get_decoder() if hasattr(inner, "get_decoder") else None
    layers = getattr(decoder, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise CrossmemError(
            f"A {type(inner).__name__} has no list of decoder layers, so no hidden states can be taken from it.",
            "Take a model of another family, such as LLaVA; or for unlearning, losses other than 'rmu' and 'hidden'.",
        )
    return layers


def sublayer(layer: nn.Module, part: str) -> nn.Module:
    """The attention or the MLP of a layer of the language model.

    Args:
        part: A key of `SUBLAYERS`.

    Raises:
        CrossmemError: The layer has none under a name that is known here.

    Example:
        >>> from crossmem_hf import load_model
        >>> type(sublayer(text_layers(load_model()[0])[0], "mlp")).__name__
        'LlamaMLP'
    """
    found = next((getattr(layer, name) for name in SUBLAYERS[part] if hasattr(layer, name)), None)
    if not isinstance(found, nn.Module):
        raise CrossmemError(
            f"A {type(layer).__name__} has no {part} under a known name; it holds "
            f"{', '.join(name for name, _ in layer.named_children())}.",
            f"Add its name to SUBLAYERS[{part!r}] in crossmem_hf/models/modules.py, or trace hidden states only.",
        )
    return found


def _bare(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _outermost(model: nn.Module, part: str) -> nn.Module | None:
    """The first module whose own name says that it is this part."""
    if not sees_images(model.config):
        return None
    named = model.named_modules()
    return next((found for name, found in named if any(word in name.split(".")[-1] for word in PARTS[part])), None)
