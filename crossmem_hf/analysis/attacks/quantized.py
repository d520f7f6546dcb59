# SPDX-License-Identifier: Apache-2.0
"""Weights in fewer bits: what unlearning changed a little is rounded away. It does not know what was unlearned."""

from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

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

    Columns as `variants.asked_in_ways` says. Weights are rounded to the nearest and kept in the model's own precision,
    so that any device will do; activations are not rounded.

    Args:
        seed: Nothing is drawn.
        num_bits: From 2 to 8; each number is a pass of its own.

    Raises:
        CrossmemError: Another number, or whatever the evaluator refuses.

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
    states: dict[str, State] = {
        f"int{bits}": partial(changed_weights, model, partial(rounded, bits=bits)) for bits in num_bits
    }
    return asked_in_states(evaluator, model, processor, states, output_dir=output_dir, made_from=made_from)


def rounded(weight: Tensor, bits: int) -> Tensor:
    """A weight after quantization to integers around zero with a scale for each group of a row, as numbers of its own
    precision.

    Args:
        weight: (out, in).

    Example:
        >>> rounded(torch.tensor([[0.0, 0.4, 1.0]]), bits=2)
        tensor([[0., 0., 1.]])
    """
    group = GROUP if weight.shape[1] % GROUP == 0 else weight.shape[1]
    grouped, largest = weight.float().reshape(-1, group), 2 ** (bits - 1) - 1
    scales = grouped.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / largest
    zeros = torch.zeros_like(scales, dtype=torch.int32)
    found = torch.fake_quantize_per_channel_affine(grouped, scales, zeros, 0, -largest - 1, largest)
    return found.view_as(weight).to(weight.dtype)
