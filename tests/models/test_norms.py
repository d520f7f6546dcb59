# SPDX-License-Identifier: Apache-2.0
"""Where the norms of every kind of model stand, and which weight does nothing."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextRMSNorm
from transformers.models.t5.modeling_t5 import T5LayerNorm

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.loading import load_model
from crossmem_hf.models.modules import modules_of
from crossmem_hf.models.norms import LAYERS, neutral_weight, norms_in, norms_of
from tests.models.normed import IN_A_LAYER, MODELS, OUTSIDE, built
from tests.scoring.families import BLIND, OTHERS, SEEING, model_of


def names(norms):
    return [norm.name for norm in norms]


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_has_its_norms_and_thirds_share_them_out(name):
    model = built(name)
    found = norms_of(model)
    assert names(norm for norm in found if norm.layer is None) == OUTSIDE[name]
    assert all(model.get_submodule(norm.name) is norm.module for norm in found)
    for number, layers in enumerate(LAYERS[:3]):
        own = norms_in(model, layers)
        assert len(own) == IN_A_LAYER[name]
        assert {norm.layer for norm in own} == {number}, "three layers, one a third"
    thirds = [norm for layers in LAYERS[:3] for norm in norms_in(model, layers)]
    assert sorted(names(norms_in(model))) == sorted([*names(thirds), *OUTSIDE[name]])


@pytest.mark.parametrize("name", [*SEEING, *OTHERS, *BLIND])
def test_norms_of_the_language_model_are_those_of_its_map(name):
    model = model_of(name)
    with_weights = {own for own, norm in modules_of(model).norms.items() if "weight" in norm._parameters}
    assert with_weights <= set(names(norms_of(model)))
    assert {neutral_weight(norm.module) for norm in norms_of(model)} <= {0.0, 1.0}


def test_norms_of_the_micro_model_by_part():
    model, _ = load_model()
    tower, words = (norms_in(model, part=part) for part in ("vision tower", "language model"))
    assert {norm.num_layers for norm in tower} == {0, 3}
    assert {norm.num_layers for norm in words} == {0, 4}
    early = [norm.layer for norm in norms_in(model, "early", part="language model")]
    assert early == [0, 0, 1, 1], "of four layers two are early"
    assert len(norms_in(model)) == len(tower) + len(words)
    with pytest.raises(CrossmemError, match="no norms with learnable weights in its projector"):
        norms_in(model, part="projector")


def test_norms_of_an_adapted_model_are_those_of_its_base():
    model = built("llama")
    wanted = [norm.module for norm in norms_in(model, "late")]
    wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))
    assert [norm.module for norm in norms_in(wrapped, "late")] == wanted


@pytest.mark.parametrize(
    ("norm", "weight"),
    [
        (nn.LayerNorm(6), 1.0),
        (nn.RMSNorm(6), 1.0),
        (LlamaRMSNorm(6), 1.0),
        (T5LayerNorm(6), 1.0),
        (Gemma3RMSNorm(6), 0.0),
        (Qwen3NextRMSNorm(6), 0.0),
    ],
    ids=lambda one: type(one).__name__,
)
def test_neutral_weight_is_found_whatever_the_weights_are(norm, weight):
    nn.init.normal_(norm.weight, 5.0)
    before = norm.weight.clone()
    assert neutral_weight(norm) == neutral_weight(norm.bfloat16()) == weight
    assert torch.equal(norm.weight, before.bfloat16()), "nothing was changed"


class ScaledNorm(nn.Module):
    """What puts out twice the normalized states cannot be told by its name."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, states):
        return 3 * self.weight * torch.nn.functional.rms_norm(states, (4,))


def test_norm_that_does_more_than_normalize_is_refused():
    with pytest.raises(CrossmemError, match="A ScaledNorm does not just normalize"):
        neutral_weight(ScaledNorm())


def test_other_norms_are_none_of_ours():
    others = [nn.BatchNorm1d(4), nn.GroupNorm(2, 4), nn.InstanceNorm1d(4, affine=True)]
    assert norms_of(nn.Sequential(*others, nn.LayerNorm(4, elementwise_affine=False))) == []


@pytest.mark.parametrize(
    ("layers", "part", "message"),
    [
        ("erly", None, "Unknown layers 'erly'"),
        ("all", "tower", "Unknown part 'tower'"),
        ("late", None, "in a list of 2; thirds need lists of at least three"),
    ],
)
def test_layers_and_parts_that_there_are_not(layers, part, message):
    with pytest.raises(CrossmemError, match=message):
        norms_in(nn.ModuleDict({"layers": nn.ModuleList([nn.LayerNorm(2), nn.LayerNorm(2)])}), layers, part=part)


def test_model_without_lists_of_layers_has_no_thirds():
    with pytest.raises(CrossmemError, match="no norm is in a list of layers"):
        norms_in(nn.Sequential(nn.LayerNorm(2)), "early")
