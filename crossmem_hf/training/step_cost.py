# SPDX-License-Identifier: Apache-2.0
"""What a step of training an adapter takes, worked out on a model without weights. It trains nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from crossmem_hf.logprobs import NOT_AN_ANSWER
from crossmem_hf.models.modules import modules_of
from crossmem_hf.training.collate import Batch

BYTES_TRAINED = 16
"""Of a parameter that trains, in float32: itself, its gradient, and AdamW's two moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """What a step takes; computed, not measured.

    Attributes:
        parameters: Of the model, without adapter.
        trained: Of the adapter.
        tokens: Fed to the language model in a step, pictures and padding included.
        weights_bytes: Of the model, which stays as it is.
        trained_bytes: Of the adapter, its gradients and its optimizer.
        kept_bytes: What the forward pass of one batch keeps for the backward pass.
        flops: Of all batches of a step, forward and backward, two a multiplication and addition.
    """

    parameters: int
    trained: int
    tokens: int
    weights_bytes: int
    trained_bytes: int
    kept_bytes: int
    flops: float

    @property
    def memory_bytes(self) -> int:
        """The sum of the above; libraries, buffers and fragments come on top."""
        return self.weights_bytes + self.trained_bytes + self.kept_bytes


def step_cost(model: Any, lora: LoraConfig, batch: Sequence[Batch], *, batches: int = 1) -> StepCost:
    """What a step takes of a model on the device "meta", which gets the adapter.

    The language model is run, forward and backward, on tensors without contents. Of the tower, which stays as it is
    and keeps nothing, two operations a weight and patch are counted; the projector counts as a part of it.

    Args:
        model: As `models.loading.model_without_weights` makes it.
        batch: Rows that are trained on at a time, each as `collate.RowEncoder` encodes it.
        batches: Of a step, where gradients are accumulated.
    """
    own = sum(parameter.numel() for parameter in model.parameters())
    own_bytes = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    adapted: Any = get_peft_model(model, lora, low_cpu_mem_usage=True)
    trained = sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
    length = max(one["input_ids"].shape[1] for one in batch)
    answers = sum(int((one["labels"] != NOT_AN_ANSWER).sum()) for one in batch)
    flops, kept = _run(adapted, rows=len(batch), length=length, answers=answers)
    return StepCost(
        parameters=own,
        trained=trained,
        tokens=batches * len(batch) * length,
        weights_bytes=own_bytes,
        trained_bytes=trained * BYTES_TRAINED,
        kept_bytes=kept,
        flops=batches * (flops + _seen(adapted, batch)),
    )


def _run(model: Any, *, rows: int, length: int, answers: int) -> tuple[int, int]:
    """Operations of the language model, and what it keeps: not its weights, nor those of attention, which fused
    kernels work out again."""
    inner = model.get_base_model()
    decoder, head = inner.get_decoder(), inner.get_output_embeddings()
    embedded = torch.empty(rows, length, head.weight.shape[1], dtype=head.weight.dtype, device="meta")
    mask = torch.ones(rows, 1, length, length, dtype=torch.bool, device="meta")  # whole: its values cannot be read
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage, shape = tensor.untyped_storage(), tuple(tensor.shape)
        pairwise = shape[-2:] == (length, length) and shape != (rows, length, length)
        if storage._cdata not in weights and not pairwise:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda tensor: tensor):
        states = decoder(inputs_embeds=embedded, attention_mask=mask, use_cache=False).last_hidden_state
        logits = head(states.flatten(0, 1)[:answers])
        torch.logsumexp(logits.float(), dim=-1).sum().backward()
    return counter.get_total_flops(), sum(kept.values())


def _seen(model: Any, batch: Sequence[Batch]) -> int:
    """Operations of the tower and the projector for the pictures of a batch."""
    parts = modules_of(model)
    if parts.vision_tower is None:
        return 0
    seeing = [part for part in (parts.vision_tower, parts.projector) if part is not None]
    weights = {
        id(module.weight): module.weight.numel()
        for part in seeing
        for module in part.modules()
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Conv3d)
    }
    vision = model.config.vision_config
    patch = 3 * int(vision.patch_size) ** 2 * int(getattr(vision, "temporal_patch_size", 1))
    patches = sum(one["pixel_values"].numel() // patch for one in batch if "pixel_values" in one)
    return 2 * sum(weights.values()) * patches
