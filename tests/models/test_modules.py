# SPDX-License-Identifier: Apache-2.0
"""The map of a model's parts, held against tiny random models of every family."""

import re

import pytest
import torch
from peft import LoraConfig, get_peft_model

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.modules import (
    LANGUAGE_LINEARS,
    PARTS,
    linears_of,
    modules_of,
    part_of,
    text_layers,
)
from tests.scoring.families import BLIND, OTHERS, SEEING, families, model_of

ALL_SEEING = sorted({*SEEING, *OTHERS} - {*BLIND})


def lists_layers(model):
    return model.get_decoder().layers


@pytest.mark.parametrize("name", ALL_SEEING)
def test_modules_of_a_vision_language_model(name):
    model = model_of(name)
    found = modules_of(model)
    names = {id(module): own for own, module in model.named_modules()}
    assert found.layers is lists_layers(model)
    assert len(found.layers) == model.config.get_text_config().num_hidden_layers
    assert found.head.weight.shape[0] >= model.config.get_text_config().vocab_size
    assert part_of(names[id(found.vision_tower)]) == "vision tower"
    assert any(word in names[id(found.projector)].split(".")[-1] for word in PARTS["projector"])
    assert {part_of(own) for own in found.norms} == {"language model"}
    assert len(found.norms) > len(found.layers)
    assert all(model.get_submodule(own) is norm for own, norm in found.norms.items())
    counted = sum(p.numel() for own, p in model.named_parameters() if part_of(own) == "vision tower")
    assert counted == sum(p.numel() for p in found.vision_tower.parameters())


@pytest.mark.parametrize("name", ALL_SEEING)
def test_linears_of_stay_inside_the_language_model(name):
    model = model_of(name)
    decoder = {id(module) for module in model.get_decoder().modules()}
    adapted = [module for own, module in model.named_modules() if re.fullmatch(linears_of(model), own)]
    assert len(adapted) >= 4 * len(text_layers(model))
    assert all(id(module) in decoder for module in adapted)


@pytest.mark.parametrize("name", BLIND)
def test_modules_of_a_text_model(name):
    found = modules_of(model_of(name))
    assert found.layers is lists_layers(model_of(name))
    assert found.vision_tower is found.projector is None
    assert linears_of(model_of(name)) != LANGUAGE_LINEARS


def test_modules_of_an_adapted_model_are_those_of_its_base():
    model = families()["llava_clip"].model()
    wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=LANGUAGE_LINEARS))
    assert modules_of(wrapped).layers is lists_layers(wrapped.get_base_model())


def test_text_layers_that_cannot_be_found():
    with pytest.raises(CrossmemError, match="A Linear has no list of decoder layers"):
        text_layers(torch.nn.Linear(2, 2))


def test_part_of_names_of_other_families():
    assert part_of("model.visual.blocks.0.attn.qkv.weight") == "vision tower"
    assert part_of("model.connector.modality_projection.proj.weight") == "projector"
    assert part_of("transformer.h.0.attn.c_attn.weight") == "language model"
