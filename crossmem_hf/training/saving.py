# SPDX-License-Identifier: Apache-2.0
"""The one way an adapter gets to disk: whole, finite, and with its card, or not at all. It knows no training."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from torch import Tensor

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.card import write_card
from crossmem_hf.training.reference import is_of, trained_adapter


def save_adapter(
    model: PeftModel,
    processor: Any,
    folder: str | os.PathLike[str],
    *,
    state_dict: Mapping[str, Tensor] | None = None,
    **card: Any,
) -> None:
    """Write the active adapter alone, the processor and the card; `card` goes to `write_card`.

    All files are written beside their places first, so that a full disk leaves the earlier ones as they were.

    Args:
        state_dict: The weights, when the model itself holds only shards of them.

    Raises:
        CrossmemError: A weight is NaN or infinite, or a file could not be written; earlier files are unchanged.
    """
    name = trained_adapter(model)
    _check_finite(model, name, state_dict)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".saving-") as scratch:
            model.save_pretrained(scratch, selected_adapters=[name], state_dict=state_dict)
            processor.save_pretrained(scratch)
            write_card(scratch, model=model, **{**card, "model_name": card.get("model_name") or target.resolve().name})
            for file in sorted(path for path in Path(scratch).rglob("*") if path.is_file()):
                place = target / file.relative_to(scratch)
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, place)
    except (OSError, SafetensorError) as error:
        raise CrossmemError(
            f"Could not save the adapter in {str(target)!r}: {error}; earlier files there are unchanged.",
            "Free some space or choose another folder, and run again.",
        ) from error


def _check_finite(model: PeftModel, name: str, state_dict: Mapping[str, Tensor] | None) -> None:
    weights = dict(model.named_parameters()) if state_dict is None else state_dict
    for key, weight in weights.items():
        trained = is_of(key, name) or (state_dict is None and weight.requires_grad)
        if trained and not bool(torch.isfinite(weight).all()):
            raise CrossmemError(
                f"The adapter's weight {key!r} is NaN or infinite; it was not saved.",
                "Train again with a lower learning rate.",
            )
