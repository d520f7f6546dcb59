# SPDX-License-Identifier: Apache-2.0
"""The norms of a model that have learnable weights: in which layer each stands, and the weight that does nothing. It
does not know what they are read or changed for."""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.models.modules import PARTS, part_of

Layers = Literal["early", "middle", "late", "all"]
LAYERS: Final[tuple[Layers, ...]] = get_args(Layers)
"""The thirds of every list of layers, in their order, and all norms."""

_CLOSE: Final = 0.01  # root mean square of what a norm puts out; 1 up to its epsilon, 2 or 0 with the wrong weight


@dataclass(frozen=True, slots=True)
class Norm:
    """A norm with learnable weights.

    Attributes:
        name: As in `named_modules` of the model.
        layer: Place of its layer in the list of layers, from 0; None of a norm outside of all layers, such as that of
            the embeddings or the final one.
        num_layers: Length of that list; 0 outside.
    """

    name: str
    module: nn.Module
    layer: int | None = None
    num_layers: int = 0

    @property
    def third(self) -> Layers | None:
        """Third of its list of layers; None outside. Where layers cannot be shared out equally, earlier thirds have
        one more: of four layers two are early."""
        return None if self.layer is None else LAYERS[3 * self.layer // self.num_layers]


def norms_of(model: nn.Module) -> list[Norm]:
    """LayerNorms and RMSNorms of a model, wherever they stand, in the order of `named_modules`.

    Norms of queries and keys inside attention are among them. Norms over batches or groups of channels are not, nor
    are those without weights. A list of layers is the outermost `nn.ModuleList` around a norm; a model of several
    stacks (vision tower and language model, encoder and decoder) has several.

    Example:
        >>> from crossmem_hf import load_model
        >>> found = norms_of(load_model()[0])
        >>> len(found), [norm.name.split(".")[-1] for norm in found if norm.layer is None]
        (17, ['pre_layrnorm', 'post_layernorm', 'norm'])
    """
    lists = {name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    found = []
    for name, module in model.named_modules():
        if not _is_norm(module):
            continue
        parts = name.split(".")
        above = (".".join(parts[:depth]) for depth in range(1, len(parts)))
        around = next((parent for parent in above if parent in lists), None)
        if around is None:
            found.append(Norm(name, module))
        else:
            layer = int(parts[around.count(".") + 1])
            found.append(Norm(name, module, layer, len(lists[around])))
    return found


def norms_in(model: nn.Module, layers: Layers = "all", *, part: str | None = None) -> list[Norm]:
    """The norms of a third of every list of layers, or all.

    Those outside of all layers (of embeddings, the final one, of a head) belong to no third, and come with "all" only,
    as in the code of the paper's first author.

    Args:
        layers: One of `LAYERS`.
        part: "vision tower", "projector" or "language model" keeps those of that part of a vision-language model.

    Raises:
        CrossmemError: An unknown name, no norms with weights, or a list of fewer than three layers, which has no
            thirds.

    Reference:
        https://huggingface.co/papers/2511.10566

    Example:
        >>> from crossmem_hf import load_model
        >>> model, _ = load_model()
        >>> [len(norms_in(model, layers, part="language model")) for layers in LAYERS]
        [4, 2, 2, 9]
    """
    if layers not in LAYERS:
        raise unknown("layers", [layers], LAYERS)
    if part is not None and part not in PARTS:
        raise unknown("part", [part], PARTS)
    norms = [norm for norm in norms_of(model) if part in (None, part_of(norm.name))]
    if not norms:
        raise CrossmemError(
            f"A {type(model).__name__} has no norms with learnable weights{f' in its {part}' if part else ''}.",
            "Take another model or part.",
        )
    if layers == "all":
        return norms
    short = [norm for norm in norms if 0 < norm.num_layers < len(LAYERS) - 1]
    kept = [norm for norm in norms if norm.third == layers]
    if short or not kept:
        at = f"{short[0].name!r} is in a list of {short[0].num_layers}" if short else "no norm is in a list of layers"
        raise CrossmemError(
            f"layers={layers!r} of a {type(model).__name__}, where {at}; thirds need lists of at least three layers.",
            "Use layers='all', or another part.",
        )
    return kept


def neutral_weight(norm: nn.Module) -> float:
    """The weight with which a norm only normalizes: 1, or 0 in norms that multiply by 1 + weight (Gemma, Qwen3-Next).

    Found out by trying, so that it holds for any class.

    Raises:
        CrossmemError: With neither does it put out states of root mean square 1.

    Example:
        >>> from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
        >>> neutral_weight(nn.LayerNorm(4)), neutral_weight(GemmaRMSNorm(4))
        (1.0, 0.0)
    """
    own = dict(norm.named_parameters(recurse=False))
    if isinstance(norm, nn.LayerNorm | nn.RMSNorm):
        return 1.0
    for weight in (1.0, 0.0):
        put_out = _tried(norm, {name: weight if name == "weight" else 0.0 for name in own})
        if put_out is not None and bool(((put_out.square().mean(-1).sqrt() - 1).abs() < _CLOSE).all()):
            return weight
    raise CrossmemError(
        f"A {type(norm).__name__} does not just normalize with a weight of 1, nor of 0.",
        "Take layers or a part without it.",
    )


def _tried(norm: nn.Module, values: dict[str, float]) -> Tensor | None:
    """What it makes of some states with these parameters; None if it cannot read states alone."""
    own = dict(norm.named_parameters(recurse=False))
    filled = {name: torch.full_like(own[name], value, dtype=torch.float32) for name, value in values.items()}
    weight = filled["weight"]
    states = torch.linspace(-2, 3, weight.numel(), device=weight.device).view(1, *weight.shape)
    try:
        with torch.no_grad():
            put_out = functional_call(norm, filled, (states,))
    except (TypeError, ValueError, RuntimeError, IndexError):
        return None
    return put_out if isinstance(put_out, Tensor) else None


def _is_norm(module: nn.Module) -> bool:
    over_rows = (nn.GroupNorm, nn.modules.batchnorm._NormBase)
    weight: Any = module._parameters.get("weight")
    return "Norm" in type(module).__name__ and weight is not None and not isinstance(module, over_rows)
