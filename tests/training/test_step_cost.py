# SPDX-License-Identifier: Apache-2.0
"""What is worked out without weights is what a model with weights does."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from crossmem_hf.data.loading import load_rows
from crossmem_hf.models.loading import load_model, load_processor, model_without_weights
from crossmem_hf.models.modules import LANGUAGE_LINEARS
from crossmem_hf.training.collate import RowEncoder, merge_batches
from crossmem_hf.training.step_cost import BYTES_TRAINED, step_cost

BASE = "micro-s"
LORA = {"r": 4, "lora_alpha": 8, "target_modules": LANGUAGE_LINEARS}


@pytest.fixture(scope="module")
def batch():
    encoder = RowEncoder(load_processor(BASE))
    rows = load_rows(None, "recall_image", "test", num_personas=5)
    return [encoder.encode(row) for row in list(rows)[:3]]


@pytest.fixture(scope="module")
def cost(batch):
    return step_cost(model_without_weights(BASE), LoraConfig(**LORA), batch, batches=2)


def test_parameters_are_those_of_the_model(cost, batch):
    model, _ = load_model(BASE)
    count = sum(parameter.numel() for parameter in model.parameters())
    adapted = get_peft_model(model, LoraConfig(**LORA))
    trained = sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
    assert (cost.parameters, cost.trained) == (count, trained)
    assert cost.weights_bytes == 4 * count
    assert cost.trained_bytes == BYTES_TRAINED * trained
    assert cost.tokens == 2 * 3 * max(one["input_ids"].shape[1] for one in batch)


def test_operations_are_those_of_a_real_step(cost, batch):
    """But for attention within the tower, which is left out; and so is what a real step keeps."""
    model = get_peft_model(load_model(BASE)[0], LoraConfig(**LORA)).train()
    merged = merge_batches(batch, pad_token_id=0)
    labels = merged.pop("labels")
    weights, kept = {one.untyped_storage().data_ptr() for one in model.parameters()}, {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # kept alive, or another would come to lie there
        return tensor

    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda tensor: tensor):
        states = model.get_base_model().model(**merged, use_cache=False).last_hidden_state
        logits = model.get_base_model().lm_head(states[:, :-1][labels[:, 1:] != -100])
        torch.logsumexp(logits, dim=-1).sum().backward()
    assert cost.flops / 2 == pytest.approx(counter.get_total_flops(), rel=0.1)
    assert cost.kept_bytes == pytest.approx(sum(size for size, _ in kept.values()), rel=0.1)


def test_what_is_kept_grows_with_rows_and_layers_not_with_accumulation(cost, batch):
    single = step_cost(model_without_weights(BASE), LoraConfig(**LORA), batch[:1])
    assert cost.kept_bytes == pytest.approx(3 * single.kept_bytes, rel=0.05)
    assert cost.flops == pytest.approx(6 * single.flops, rel=0.05)
    assert cost.memory_bytes == cost.weights_bytes + cost.trained_bytes + cost.kept_bytes


def test_half_precision_halves_the_weights(batch, cost):
    half = step_cost(model_without_weights(BASE, dtype="bfloat16"), LoraConfig(**LORA), batch)
    assert half.weights_bytes == cost.weights_bytes / 2
    assert half.trained_bytes == cost.trained_bytes, "adapters train in float32"
