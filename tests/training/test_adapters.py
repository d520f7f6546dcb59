# SPDX-License-Identifier: Apache-2.0
"""Every kind of adapter that PEFT has: its reference is the model as it was, to the bit, and it loads as it was saved;
or it is refused by name."""

from copy import deepcopy

import pytest
import torch
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.adapters import KINDS, adapted, check_copied_by_trl
from crossmem_hf.training.reference import add_reference, as_reference, drop_reference, let_adapter_train
from tests.training import world

LAYERS = r".*language_model.*\.(q_proj|down_proj)"
VISION = r".*vision_tower.*\.(q_proj|v_proj)"
NEEDS = {
    "LORA": {"r": 4, "lora_dropout": 0.5},
    "BOFT": {"boft_block_size": 4},
    "C3A": {"block_size": 16},
    "FOURIERFT": {"n_frequency": 50},
    "GRALORA": {"r": 4, "gralora_k": 2},
    "IA3": {"feedforward_modules": r".*down_proj"},
    "LN_TUNING": {"target_modules": r".*language_model.*layernorm"},
    "OFT": {"oft_block_size": 4, "r": 0},
    "ROAD": {"group_size": 16},
    "SHIRA": {"r": 2},
    "TRAINABLE_TOKENS": {"target_modules": ".*embed_tokens", "token_indices": list(range(300))},
    "VBLORA": {"num_vectors": 16, "vector_length": 16, "topk": 2},
    "WAVEFT": {"n_frequency": 48},
}
LORAS = {
    "bias of all layers": {"bias": "all"},
    "bias of adapted layers": {"bias": "lora_only", "target_modules": VISION},
    "bias of its own": {"lora_bias": True, "target_modules": VISION},
    "DoRA": {"use_dora": True},
    "rsLoRA": {"use_rslora": True},
    "PiSSA": {"init_lora_weights": "pissa"},
    "OLoRA": {"init_lora_weights": "olora"},
    "MiCA": {"init_lora_weights": "mica"},
    "whole modules": {"modules_to_save": ["multi_modal_projector"]},
    "output layer as a whole": {"modules_to_save": ["lm_head"]},
    "tokens": {"trainable_token_indices": {"embed_tokens": list(range(300))}},
}


def config_of(kind):
    choices = {"target_modules": LAYERS} | NEEDS.get(kind, {})
    return PEFT_TYPE_TO_CONFIG_MAPPING[kind](**choices)


def lora(**choices):
    return LoraConfig(**({"r": 4, "target_modules": LAYERS} | choices))


CONFIGS = {kind: config_of(kind) for kind in sorted(KINDS)} | {name: lora(**how) for name, how in LORAS.items()}


def moved(model, size=0.05):
    """The model, with noise on all that trains."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn(weight.shape, generator=generator) * size)
    return model


def rows():
    return world.rows("p0", "p1", modality="mixed")


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "memorised"])
def test_the_reference_is_the_model_as_it_was_and_what_is_saved_loads(name, fresh, tmp_path):
    model = get_peft_model(world.model(), deepcopy(CONFIGS[name]))
    model = model if fresh else moved(model)
    start = world.recalled(deepcopy(model), rows())
    losses = {"forget_loss": "npo", "retain_loss": "kl"}
    trainer = world.trainer_for(tmp_path, model=model, learning_rate=0.1, reference_cache=str(tmp_path), **losses)
    trainer.train()
    end = world.recalled(model, rows())
    assert not torch.equal(end, start)
    with as_reference(model):
        assert torch.equal(world.recalled(model, rows()), start)
    assert torch.equal(world.recalled(model, rows()), end)
    trainer.save_model(str(tmp_path / "saved"))
    drop_reference(model)
    assert torch.equal(world.recalled(model, rows()), end)
    loaded = PeftModel.from_pretrained(world.model(), tmp_path / "saved")
    assert torch.equal(world.recalled(loaded, rows()), end)
