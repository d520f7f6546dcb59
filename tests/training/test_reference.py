# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from peft import get_peft_model

from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import answer_logprobs
from crossmem_hf.training.collate import RowEncoder
from crossmem_hf.training.memorize import language_lora
from crossmem_hf.training.reference import (
    REFERENCE,
    ReferenceLogprobs,
    add_reference,
    as_reference,
    drop_reference,
    trained_adapter,
)
from tests.training import tiny


def score(model):
    batch = RowEncoder(tiny.processor()).encode(tiny.row("p0"))
    with torch.no_grad():
        return answer_logprobs(model, batch)


def disturb(model):
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3)


def trainable(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_the_reference_stays_the_memorized_model_and_not_the_base():
    model = tiny.memorized().eval()
    memorized = score(model)
    with model.disable_adapter():
        base = score(model)
    assert not torch.isclose(memorized, base)
    add_reference(model)
    disturb(model)
    assert not torch.isclose(score(model), memorized)
    with as_reference(model):
        assert torch.equal(score(model), memorized)


def test_a_fresh_adapter_needs_no_copy():
    model = get_peft_model(tiny.model(), language_lora(r=4)).eval()
    start = score(model)
    add_reference(model)
    assert REFERENCE not in model.peft_config
    disturb(model)
    assert not torch.isclose(score(model), start)
    with as_reference(model):
        assert torch.equal(score(model), start)


def test_a_reference_left_by_an_earlier_run_is_replaced():
    model = tiny.memorized().eval()
    add_reference(model)
    disturb(model)
    start = score(model)
    add_reference(model)
    disturb(model)
    with as_reference(model):
        assert torch.equal(score(model), start)


def test_only_the_adapter_itself_trains_before_during_and_after():
    model = tiny.memorized()
    expected = trainable(model)
    add_reference(model)
    assert trainable(model) == expected
    model.train()
    with as_reference(model):
        assert not model.training
        assert not torch.is_grad_enabled()
    assert model.training
    assert trainable(model) == expected
    assert trained_adapter(model) == "default"


def test_modules_that_were_in_eval_mode_stay_there():
    model = tiny.memorized().train()
    model.get_submodule("base_model.model.model.vision_tower").eval()
    add_reference(model)
    modes = [module.training for module in model.modules()]
    with as_reference(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == modes
    assert len(set(modes)) == 2


def test_an_adapter_with_another_name_is_refused():
    model = get_peft_model(tiny.model(), language_lora(r=2), adapter_name="mine")
    with pytest.raises(CrossmemError, match="The active adapter is called 'mine'"):
        add_reference(model)


def test_an_adapter_loaded_for_inference_trains_again(tmp_path):
    from peft import PeftModel

    tiny.memorized().save_pretrained(tmp_path)
    model = PeftModel.from_pretrained(tiny.model(), tmp_path)
    assert not trainable(model)
    add_reference(model)
    assert trainable(model) == trainable(tiny.memorized())


def test_the_state_is_restored_after_an_error():
    model = tiny.memorized().train()
    add_reference(model)
    with pytest.raises(RuntimeError, match="boom"), as_reference(model):
        raise RuntimeError("boom")
    assert trained_adapter(model) == "default"
    assert model.training


def test_dropping_leaves_the_trained_adapter_alone():
    model = tiny.memorized()
    add_reference(model)
    drop_reference(model)
    assert list(model.peft_config) == ["default"]
    drop_reference(model)


def test_two_active_adapters_are_refused():
    model = tiny.memorized()
    model.add_adapter("second", language_lora(r=2))
    model.base_model.set_adapter(["default", "second"])
    with pytest.raises(CrossmemError, match="2 adapters are active"):
        add_reference(model)


def test_an_adapter_on_embeddings_is_copied_too():
    """Its weights end in the adapter's name, where those of layers have it in the middle."""
    from peft import LoraConfig

    model = get_peft_model(tiny.model(), LoraConfig(r=2, target_modules=["embed_tokens", "lm_head"]))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_()
    memorized = score(model.eval())
    add_reference(model)
    assert not any(name.split(".")[-1] == REFERENCE or f".{REFERENCE}." in name for name in trainable(model))
    disturb(model)
    assert not torch.isclose(score(model), memorized)
    with as_reference(model):
        assert torch.equal(score(model), memorized)


def test_a_model_in_shards_computes_each_row_once():
    kept, requested = ReferenceLogprobs(), []

    def compute(values):
        requested.append(values)
        return torch.tensor(values)

    rows = torch.tensor([3, 5])
    assert kept(rows, lambda: compute([-1.0, -2.0]), bool).tolist() == [-1.0, -2.0]
    assert kept(rows.flip(0), lambda: compute([9.0, 9.0]), bool).tolist() == [-2.0, -1.0]
    kept(torch.tensor([5, 7]), lambda: compute([-2.0, -3.0]), bool)
    assert requested == [[-1.0, -2.0], [-2.0, -3.0]]
    assert kept(rows, lambda: torch.tensor([-8.0, -9.0]), lambda _: True).tolist() == [-8.0, -9.0], "others need it"
