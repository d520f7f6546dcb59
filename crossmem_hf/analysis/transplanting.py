# SPDX-License-Identifier: Apache-2.0
"""Weights of one model's layers put into another: how much of what was unlearned comes back with them? It does not
know what either model was taught.

After PAVA (arXiv 2608.30649), which puts weights of the memorized model's MLPs into the unlearned one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.models.modules import SUBLAYERS, sublayer, text_layers

PARTS: Final = tuple(SUBLAYERS)


@dataclass(frozen=True)
class Donor:
    """A saved adapter to take weights from; it is called, and told from others, by its fingerprint.

    Attributes:
        folder: With the adapter.
        fingerprint: Of what it was made from.
        base: Of the model below it, as `load_model` takes it; None is the default one.
    """

    folder: Path = field(repr=False)
    fingerprint: str
    base: str | None = None


def transplanted(model: Any, donor: Any, layers: Iterable[int], part: str = "mlp") -> Any:
    """The model with the donor's weights in a part of some layers, adapters included; all else stays its own.

    Args:
        model: Changed in place.
        donor: A model of the same shape, with the same kind of adapter; it keeps its weights. Or a `Donor`.
        layers: Of the language model, counted from 0.
        part: Of `PARTS`.

    Raises:
        CrossmemError: There is no such part or layer, or the two have other shapes; then nothing is changed.

    Example:
        >>> import torch
        >>> from crossmem_hf import load_model
        >>> model, other = load_model()[0], load_model()[0]
        >>> _ = other.get_parameter("model.language_model.layers.1.mlp.up_proj.weight").data.zero_()
        >>> changed = transplanted(model, other, [1])
        >>> bool(changed.get_parameter("model.language_model.layers.1.mlp.up_proj.weight").any())
        False

    Reference:
        https://huggingface.co/papers/2608.30649, Section on localization; there whole matrices, here the adapters'
        weights, too, where the model has some.
    """
    if part not in SUBLAYERS:
        raise unknown("part", [part], PARTS)
    if isinstance(donor, Donor):
        donor = _loaded(donor, model)
    own, others = text_layers(model), text_layers(donor)
    wanted = sorted(set(layers))
    outside = [number for number in wanted if not 0 <= number < len(own)]
    if outside or len(own) != len(others):
        raise CrossmemError(
            f"Layers {wanted} of a model with {len(own)} and of a donor with {len(others)} layers.",
            f"Take a donor of the same shape, and layers from 0 to {len(own) - 1}.",
        )
    pairs = [(sublayer(own[number], part), sublayer(others[number], part)) for number in wanted]
    for number, (mine, theirs) in zip(wanted, pairs, strict=True):
        shapes, given = ({name: value.shape for name, value in one.state_dict().items()} for one in (mine, theirs))
        if shapes != given:
            differ = sorted(name for name in {*shapes, *given} if shapes.get(name) != given.get(name))
            raise CrossmemError(
                f"The {part} of layer {number} of model and donor differ in {', '.join(differ[:3])}.",
                "Take a donor with the same base and the same kind of adapter, as large.",
            )
    for mine, theirs in pairs:
        mine.load_state_dict(theirs.state_dict())
    return model


def _loaded(donor: Donor, model: Any) -> Any:
    from crossmem_hf.models.loading import load_model

    found, _ = load_model(donor.base, adapter=str(donor.folder))
    return found.to(model.device, dtype=model.dtype)
