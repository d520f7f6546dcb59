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
from crossmem_hf.training.saving import save_adapter
from tests.training import tiny

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
    "MISS": {"r": 4},
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


def base():
    """A model whose output layer has a weight of its own, so that adapters may be on the embeddings."""
    model = tiny.model()
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
    return model


def moved(model, size=0.05):
    """The model, with noise on all that trains."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn(weight.shape, generator=generator) * size)
    return model


def rows():
    return tiny.rows("p0", "p1", modality="mixed")


@pytest.mark.parametrize("name", CONFIGS)
def test_every_kind_keeps_a_reference_and_loads_as_it_was_saved(name, tmp_path):
    """All but the trainer, which the test below adds."""
    model = moved(get_peft_model(base(), deepcopy(CONFIGS[name])))
    start = tiny.recalled(model, rows())
    add_reference(model)
    end = tiny.recalled(moved(model, 0.1), rows())
    assert not torch.equal(end, start)
    with as_reference(model):
        assert torch.equal(tiny.recalled(model, rows()), start)
    drop_reference(model)
    assert torch.equal(tiny.recalled(model, rows()), end)
    save_adapter(model, tiny.processor(), tmp_path, method="NPO", tags=[], settings={})
    assert torch.equal(tiny.recalled(PeftModel.from_pretrained(base(), tmp_path), rows()), end)


TRAINED = [("LORA", False), ("LORA", True), ("IA3", False), ("DoRA", True), ("tokens", False), ("whole modules", True)]
OTHERS = {(name, False) for name in CONFIGS} | {(name, True) for name in ("C3A", *LORAS)}


@pytest.mark.parametrize(
    ("name", "fresh"),
    [*TRAINED, *(pytest.param(*other, marks=pytest.mark.slow) for other in sorted(OTHERS - {*TRAINED}))],
)
def test_reference_is_the_model_as_it_was_and_saved_loads(name, fresh, tmp_path):
    model = get_peft_model(base(), deepcopy(CONFIGS[name]))
    model = model if fresh else moved(model)
    start = tiny.recalled(deepcopy(model), rows())
    losses = {"forget_loss": "npo", "retain_loss": "kl"}
    trainer = tiny.trainer_for(
        tmp_path, model=model, learning_rate=0.1, max_steps=1, reference_cache=str(tmp_path), **losses
    )
    trainer.train()
    end = tiny.recalled(model, rows())
    assert not torch.equal(end, start)
    with as_reference(model):
        assert torch.equal(tiny.recalled(model, rows()), start)
    assert torch.equal(tiny.recalled(model, rows()), end)
    trainer.save_model(str(tmp_path / "saved"))
    drop_reference(model)
    assert torch.equal(tiny.recalled(model, rows()), end)
    loaded = PeftModel.from_pretrained(base(), tmp_path / "saved")
    assert torch.equal(tiny.recalled(loaded, rows()), end)


@pytest.mark.parametrize("kind", sorted(set(PEFT_TYPE_TO_CONFIG_MAPPING) - KINDS))
def test_any_other_kind_is_refused_by_name(kind):
    """One that a later PEFT has as well, until it is put into `KINDS` and so before the test above."""
    if kind == "ADAMSS":
        pytest.importorskip("sklearn")  # its config cannot be made without
    extra = {
        "ADALORA": {"total_step": 9},
        "CPT": {"cpt_token_ids": [0], "task_type": "CAUSAL_LM"},
        "XLORA": {"adapters": {}, "hidden_size": 8},
    }
    config = PEFT_TYPE_TO_CONFIG_MAPPING[kind](**extra.get(kind, {}))
    before = tiny.model()
    with pytest.raises(CrossmemError, match=f"Adapters of the kind {getattr(kind, 'value', kind)} cannot be trained"):
        adapted(before, config)
    with pytest.raises(CrossmemError, match="cannot be trained here"):
        tiny.trainer_for(".", model=before, peft_config=config)


def test_an_adapter_that_is_there_already_is_refused_by_name():
    model = get_peft_model(tiny.model(), PEFT_TYPE_TO_CONFIG_MAPPING["ADALORA"](total_step=9, target_modules=LAYERS))
    for prepare in (add_reference, let_adapter_train):
        with pytest.raises(CrossmemError, match="ADALORA cannot be trained here: its ranks"):
            prepare(model)
    virtual = PEFT_TYPE_TO_CONFIG_MAPPING["PROMPT_TUNING"](num_virtual_tokens=2, task_type="CAUSAL_LM")
    with pytest.raises(CrossmemError, match="PROMPT_TUNING cannot be trained here: it puts virtual tokens"):
        add_reference(get_peft_model(tiny.model(), virtual))


@pytest.mark.parametrize(
    "config",
    [lora(), lora(bias="all"), lora(use_dora=True), lora(init_lora_weights=False), config_of("C3A"), config_of("IA3")],
    ids=["LoRA", "bias", "DoRA", "random", "C3A", "IA3"],
)
def test_the_reference_of_a_new_adapter_is_the_model_without_it(config, tmp_path):
    """Whatever the adapter starts from: a random one is no part of the model that was handed in."""
    start = tiny.recalled(base(), rows())
    losses = {"forget_loss": "npo", "retain_loss": "kl"}
    trainer = tiny.trainer_for(tmp_path, model=base(), peft_config=config, reference_cache=str(tmp_path), **losses)
    trainer.train()
    with as_reference(trainer.model):
        assert torch.equal(tiny.recalled(trainer.model, rows()), start)
    forget = trainer.rows["forget"].dataset
    torch.testing.assert_close(trainer.reference_sums["forget"], tiny.recalled(base(), forget).double())


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights='pissa_niter_4' rewrites the base model"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa' makes a new adapter out of the base"),
        ({"alora_invocation_tokens": [3]}, "alora_invocation_tokens cannot be trained here"),
        ({"target_modules": "no_such_layer"}, "No adapter fits target_modules"),
        ({"target_modules": ["lm_head"]}, "The adapter is on the output layer"),
        ({"trainable_token_indices": {"embed_tokens": [5]}}, "The adapter is on the output layer"),
    ],
)
def test_new_adapters_that_are_refused(choices, message, tmp_path):
    with pytest.raises(CrossmemError, match=message):
        tiny.trainer_for(tmp_path, model=tiny.model(), peft_config=lora(**choices))


def test_two_adapters_are_refused(tmp_path):
    with pytest.raises(CrossmemError, match="A new peft_config or lora was passed with a model that has an adapter"):
        tiny.trainer_for(tmp_path, peft_config=lora())


def test_a_mixture_of_adapters_is_refused(tmp_path):
    with pytest.raises(CrossmemError, match="A PeftMixedModel mixes adapters"):
        tiny.trainer_for(tmp_path, model=get_peft_model(tiny.model(), lora(), mixed=True))


def test_what_trains_outside_the_adapter_is_refused():
    model = tiny.memorized()
    model.get_submodule("base_model.model.model.multi_modal_projector").requires_grad_(True)
    for prepare in (add_reference, let_adapter_train):
        with pytest.raises(CrossmemError, match=r"4 weights train that are not saved .*multi_modal_projector"):
            prepare(model)


def test_merged_and_switched_off_adapters_are_refused():
    model = tiny.memorized()
    model.merge_adapter()
    with pytest.raises(CrossmemError, match="merged into the base model"):
        add_reference(model)
    model.unmerge_adapter()
    model.base_model.disable_adapter_layers()
    with pytest.raises(CrossmemError, match="switched off"):
        add_reference(model)
    model.base_model.enable_adapter_layers()
    add_reference(model)


def test_running_statistics_are_refused_unless_they_stand_still():
    model = tiny.memorized()
    model.base_model.model.model.extra = torch.nn.BatchNorm1d(4).requires_grad_(False)
    with pytest.raises(CrossmemError, match=r"model\.extra' keeps running statistics"):
        add_reference(model)
    model.base_model.model.model.extra = torch.nn.BatchNorm1d(4, track_running_stats=False).requires_grad_(False)
    add_reference(model)


def test_zero_matrices_make_no_adapter_fresh_if_more_trains():
    model = get_peft_model(tiny.model(), lora(modules_to_save=["multi_modal_projector"]))
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "modules_to_save" in key:
                weight.add_(0.5)
    start = tiny.recalled(model, rows())
    add_reference(model)
    with as_reference(model):
        assert torch.equal(tiny.recalled(model, rows()), start)


def test_the_reference_of_a_half_precision_adapter_stays_in_it():
    model = get_peft_model(tiny.model().bfloat16(), lora(), autocast_adapter_dtype=False)
    start = tiny.recalled(moved(model), rows())
    add_reference(model)
    moved(model)
    with as_reference(model):
        assert torch.equal(tiny.recalled(model, rows()), start)


def test_a_reference_put_aside_follows_a_copy_and_is_taken_away():
    model = moved(get_peft_model(tiny.model(), IA3Config(target_modules=LAYERS, feedforward_modules=[])), 0.5)
    start = tiny.recalled(model, rows())
    add_reference(model)
    twin = deepcopy(moved(model, 0.5))
    with as_reference(twin):
        assert torch.equal(tiny.recalled(twin, rows()), start)
    drop_reference(model)
    plain = tiny.recalled(tiny.model(), rows())
    with as_reference(model):
        assert torch.equal(tiny.recalled(model, rows()), plain)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"bias": "all"}, "trains .*bias"),
        ({"bias": "lora_only"}, "is LORA with bias='lora_only'"),
        ({"init_lora_weights": "pissa"}, "is LORA"),
        ({"target_modules": ["embed_tokens"]}, "trains .*lora_embedding_A"),
    ],
)
def test_what_dpo_of_trl_cannot_copy_is_refused(choices, message):
    model = get_peft_model(base(), lora(**choices))
    with pytest.raises(CrossmemError, match=f"The adapter {message}.* of which trl"):
        check_copied_by_trl(model)
    check_copied_by_trl(tiny.memorized())
