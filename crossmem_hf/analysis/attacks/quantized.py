# SPDX-License-Identifier: Apache-2.0
"""Weights in fewer bits: what unlearning changed a little is rounded away. It does not know what was unlearned."""

from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from crossmem_hf.analysis.attacks.weights import State, asked_in_states, changed_weights
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions

NUM_BITS: Final = (8, 4)
GROUP: Final = 32
"""Weights of a row that share a scale, where the row is so many of them long; else all of the row."""


def quantized(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    num_bits: tuple[int, ...] = NUM_BITS,
) -> Predictions:
    """Predictions of the model, and of it with the weights of its linear layers rounded to so many bits, adapters
    merged into them.

    Columns as `variants.asked_in_ways` says. Weights are rounded as torchao's `IntxWeightOnlyConfig` does, and kept in
    the model's own precision, so that any device will do; activations are not rounded.

    Args:
        seed: Nothing is drawn.
        num_bits: From 2 to 8; each number is a pass of its own.

    Raises:
        CrossmemError: Another number, torchao is not installed, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> quantized(evaluator, *load_model())[0]["num_samples"]
        3

    Reference:
        Quantization brings unlearned text back, https://huggingface.co/papers/2410.16454.
    """
    if not num_bits or any(bits not in range(2, 9) for bits in num_bits):
        raise CrossmemError(f"num_bits={num_bits!r}; expected numbers from 2 to 8.", "Pass (8, 4), for example.")
    _library()
    states: dict[str, State] = {
        f"int{bits}": partial(changed_weights, model, partial(rounded, bits=bits)) for bits in num_bits
    }
    return asked_in_states(evaluator, model, processor, states, output_dir=output_dir, made_from=made_from)


def rounded(weight: Tensor, bits: int) -> Tensor:
    """A weight after quantization, as numbers of its own precision.

    Args:
        weight: (out, in).
    """
    quantization = _library()
    fits = weight.shape[1] % GROUP == 0
    granularity = quantization.PerGroup(GROUP) if fits else quantization.PerAxis(0)
    holder = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device=weight.device, dtype=weight.dtype)
    holder.weight = nn.Parameter(weight.detach().clone())
    config = quantization.IntxWeightOnlyConfig(weight_dtype=getattr(torch, f"int{bits}"), granularity=granularity)
    quantization.quantize_(holder, config)
    values: Tensor = holder.weight.dequantize()
    return values.to(weight.dtype)


def _library() -> Any:
    try:
        from torchao import quantization
    except ImportError as error:
        raise CrossmemError(
            "torchao is not installed; weights are quantized with it.", "pip install 'crossmem_hf[quantization]'"
        ) from error
    return quantization
