# SPDX-License-Identifier: Apache-2.0
"""Mixed adapters: each row is that of a model with its own mixture in its weights; what it has not is not there."""

import math

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from peft.tuners.lora import LoraLayer

from crossmem_hf.errors import CrossmemError
from crossmem_hf.interventions.auxiliary import WithoutAdapter
from crossmem_hf.interventions.mixed_adapters import adapters_mixed, check_mixable
from tests.interventions.adapted import (
    FAMILIES,
    adapted,
    base_logits,
    fill,
    inputs_of,
    logits_of,
    merged,
    row_of,
)
from tests.training import tiny

MIXTURES = [{"board": 0.25, "staff": 0.75}, {}, {"sales": 0.4, "staff": 0.6}]


def mixed_logits(model, inputs, weights=MIXTURES, copies=1):
    with adapters_mixed(model, weights, copies=copies):
        return logits_of(model, inputs)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_those_of_their_own_merged_weights(family):
    model, processor = adapted(family)
    inputs = inputs_of(family, processor)
    found = mixed_logits(model, inputs)
    for number, weights in enumerate(MIXTURES):
        wanted = logits_of(merged(model, weights), inputs)[number]
        torch.testing.assert_close(found[number], wanted, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found[0], logits_of(merged(model, {"board": 0.75, "staff": 0.25}), inputs)[0], atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_whole_adapter_is_the_same_bits_as_pefts_own(family):
    model, processor = adapted(family)
    inputs = inputs_of(family, processor)
    found = mixed_logits(model, inputs, [{"sales": 1.0}] * 3)
    model.set_adapter("sales")
    assert torch.equal(found, logits_of(model, inputs))


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_without_adapters_are_the_base_to_the_bit(family):
    model, processor = adapted(family)
    inputs = inputs_of(family, processor)
    base = base_logits(model, inputs)
    assert torch.equal(mixed_logits(model, inputs)[1], base[1])
    assert torch.equal(mixed_logits(model, inputs, [{}, {"board": 0.0}, {}]), base)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_adapters_of_others_change_no_bit(family, value):
    """Neither one that nobody in the batch has, nor one that only another row has."""
    model, processor = adapted(family)
    inputs = inputs_of(family, processor)
    before = mixed_logits(model, inputs)
    fill(model, "sales", value=value)
    after = mixed_logits(model, inputs)
    assert torch.equal(after[:2], before[:2])
    assert not torch.equal(after[2], before[2])
    without = [MIXTURES[0], {}, {}]
    assert torch.isfinite(mixed_logits(model, inputs, without)).all()


def test_order_of_weights_changes_no_bit():
    model, processor = adapted("llama")
    inputs = inputs_of("llama", processor)
    weights = {"board": 0.2, "sales": 0.3, "staff": 0.5}
    found = [
        mixed_logits(model, inputs, [dict(several)] * 3) for several in (weights.items(), [*weights.items()][::-1])
    ]
    assert torch.equal(*found)


@pytest.mark.parametrize("family", FAMILIES)
def test_row_does_not_depend_on_its_batch(family):
    model, processor = adapted(family)
    inputs = inputs_of(family, processor)
    together = mixed_logits(model, inputs)
    turned = {name: value[[2, 0, 1]] for name, value in inputs.items()}
    torch.testing.assert_close(
        mixed_logits(model, turned, [MIXTURES[2], MIXTURES[0], MIXTURES[1]])[[1, 2, 0]], together, atol=1e-5, rtol=1e-5
    )
    for number, weights in enumerate(MIXTURES):
        alone = mixed_logits(model, row_of(inputs, number), [weights])
        torch.testing.assert_close(alone[0], together[number], atol=1e-5, rtol=1e-5)


SETTINGS = {
    "greedy": {},
    "no cache": {"use_cache": False},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "sequences": {"do_sample": True, "num_return_sequences": 4, "top_k": 1},
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", SETTINGS)
def test_generate_writes_what_merged_weights_write(family, kind):
    model, processor = adapted(family)
    inputs, length = inputs_of(family, processor), 6
    settings = {"do_sample": False, "min_new_tokens": length, "max_new_tokens": length, **SETTINGS[kind]}
    settings["pad_token_id"] = 0
    copies = max(settings.get("num_beams", 1), settings.get("num_return_sequences", 1))
    with adapters_mixed(model, MIXTURES, copies=copies):
        found = model.generate(**inputs, **settings)
    wanted = [merged(model, weights).generate(**inputs, **settings) for weights in MIXTURES]
    each = len(found) // 3
    parts = [one[number * each : (number + 1) * each] for number, one in enumerate(wanted)]
    assert torch.equal(found, torch.cat(parts))
    assert not torch.equal(found, wanted[1]), "the adapters change something"


def test_model_is_afterwards_as_it_was():
    model, processor = adapted("llava")
    model.set_adapter("sales")
    model.train()
    inputs = inputs_of("llava", processor)
    trains = {name: weight.requires_grad for name, weight in model.named_parameters()}
    with adapters_mixed(model, MIXTURES):
        assert not any(module.training for module in model.modules())
    with pytest.raises(CrossmemError), adapters_mixed(model, MIXTURES):
        logits_of(model, row_of(inputs, 0))
    assert all(module.training for module in model.modules())
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == trains
    assert model.active_adapters == ["sales"]
    assert not any(module._forward_hooks for module in model.modules() if isinstance(module, LoraLayer))
    model.eval()
    assert not torch.equal(logits_of(model, inputs), base_logits(model, inputs))


def test_base_may_be_asked_inside():
    """As a defense at decoding does, whose auxiliary is the base; the rows keep their own adapters."""
    model, processor = adapted("llama")
    inputs = inputs_of("llama", processor)
    before = mixed_logits(model, inputs)
    with adapters_mixed(model, MIXTURES):
        with torch.no_grad():
            WithoutAdapter(model)(**inputs)
        assert torch.equal(logits_of(model, inputs), before)


def test_bfloat16_is_added_up_in_float32():
    model, processor = adapted("llama")
    inputs = inputs_of("llama", processor)
    half = model.to(torch.bfloat16)
    layer = next(module for module in half.modules() if isinstance(module, LoraLayer))
    x = torch.randn(1, 2, layer.in_features, generator=torch.Generator().manual_seed(0)).bfloat16()
    with adapters_mixed(half, [{"board": 0.25, "sales": 0.75}]), torch.no_grad():
        found = layer(x)
        wanted = layer.base_layer(x).float()
        for name, weight in (("board", 0.25), ("sales", 0.75)):
            wanted += layer.lora_B[name](layer.lora_A[name](x)).float() * (torch.tensor(weight) * layer.scaling[name])
    assert torch.equal(found, wanted.bfloat16())
    assert torch.equal(mixed_logits(half, inputs)[1], base_logits(half, inputs)[1])


def test_layers_that_only_some_adapters_have():
    model, processor = adapted("llama", ["board"])
    model.add_adapter("sales", LoraConfig(r=2, target_modules=["lm_head"]))
    fill(model, "sales", seed=5)
    inputs = inputs_of("llama", processor)
    weights = {"board": 0.5, "sales": 0.5}
    wanted = logits_of(merged_layers(model, weights), inputs)
    torch.testing.assert_close(mixed_logits(model, inputs, [weights] * 3), wanted, atol=1e-5, rtol=1e-5)


def merged_layers(model, weights):
    """As `merged`, a layer having only some of the adapters."""
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.get_delta_weight = lambda name, own=module, plain=module.get_delta_weight: (
                plain(name) if name in own.lora_A else 0.0
            )
    made = merged(model, weights)
    for module in model.modules():
        module.__dict__.pop("get_delta_weight", None)
    return made


@pytest.mark.parametrize("rows", [1, 2, 4, 6])
def test_batches_of_other_sizes_are_refused(rows):
    model, processor = adapted("llama")
    inputs = inputs_of("llama", processor, ["Who is this?"] * rows)
    with pytest.raises(CrossmemError, match=f"A layer reads \\({rows}, .* of 3 rows, 1 copies each"):
        mixed_logits(model, inputs)
    with pytest.raises(CrossmemError, match="3 rows, 5 copies"):
        mixed_logits(model, inputs, copies=5)


def test_beams_without_copies_are_refused():
    model, processor = adapted("llama")
    with pytest.raises(CrossmemError, match="the larger of num_beams"), adapters_mixed(model, MIXTURES):
        model.generate(**inputs_of("llama", processor), num_beams=2, max_new_tokens=2, pad_token_id=0)


def test_adapters_switched_on_inside_are_refused():
    model, processor = adapted("llama")
    inputs = inputs_of("llama", processor)
    with adapters_mixed(model, MIXTURES):
        model.base_model.enable_adapter_layers()
        with pytest.raises(CrossmemError, match="Adapters were switched on"):
            logits_of(model, inputs)


@pytest.mark.parametrize(
    ("weights", "copies", "named"),
    [
        ([{"board": -0.1}], 1, "'board' has the weight -0.1"),
        ([{"board": math.nan}], 1, "'board' has the weight nan"),
        ([{"boards": 1.0}], 1, r"Unknown adapter 'boards' \(did you mean 'board'\?\)"),
        ([{}], 0, "copies=0; expected a whole number"),
        ([{}], True, "copies=True"),
    ],
)
def test_weights_and_copies_that_make_no_sense(weights, copies, named):
    model, _ = adapted("llama")
    with pytest.raises(CrossmemError, match=named), adapters_mixed(model, weights, copies=copies):
        pass


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"use_dora": True}, "is no plain LoRA"),
        ({"target_modules": ["embed_tokens"]}, "is no plain LoRA"),
        ({"bias": "lora_only"}, "bias='lora_only'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save="),
        ({"trainable_token_indices": [1]}, "trainable_token_indices="),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa'"),
    ],
    ids=str,
)
def test_adapters_that_are_more_than_lora_are_refused(settings, named):
    model, _ = adapted("llama", ["board"], **settings)
    with pytest.raises(CrossmemError, match=f"The adapter 'board' .*{named}"):
        check_mixable(model, ["board"])


def test_merged_adapters_are_refused():
    """They are in the base, which everybody gets."""
    model, _ = adapted("llama")
    model.merge_adapter(["board"])
    with pytest.raises(CrossmemError, match="'board' is merged into the base"):
        check_mixable(model, ["sales"])


def test_biases_of_adapters_that_are_not_used_are_refused():
    model, _ = adapted("llama", ["board", "sales"])
    model.peft_config["sales"].bias = "all"
    with pytest.raises(CrossmemError, match="'sales' has bias='all'"):
        check_mixable(model, ["board"])


def test_adapters_of_the_tower_are_refused():
    model, _ = adapted("llava", ["board"], target_modules=".*vision_tower.*q_proj")
    with pytest.raises(CrossmemError, match="changes the vision tower"):
        check_mixable(model, ["board"])


def test_models_without_lora_are_refused():
    bare, _ = tiny.text_model()
    with pytest.raises(CrossmemError, match="A LlamaForCausalLM has no adapters"):
        check_mixable(bare, ["board"])
    prefixed = get_peft_model(bare, PrefixTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM"), "board")
    with pytest.raises(CrossmemError, match=r"is of type .*PREFIX_TUNING"):
        check_mixable(prefixed, ["board"])
