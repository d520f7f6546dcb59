# SPDX-License-Identifier: Apache-2.0
import torch
from peft import get_peft_model

from crossmem_hf.conformance.borrowed import adapted
from crossmem_hf.training.memorize import language_lora
from tests.conformance.faults import broken, checked
from tests.scoring.families import families

TRAINING = ("labels", "answers alone count", "mixed batches", "adapter", "unlearning step")


def test_a_pass_that_mixes_up_the_rows_of_a_batch_is_found():
    def mixed(forward, **named):
        out = forward(**named)
        if len(out.logits) > 1:
            out.logits = out.logits + 0.01 * out.logits.mean(0, keepdim=True)
        return out

    seen = {"padded batches", "answers alone count", "mixed batches"}
    assert broken(mixed, "likelihoods", *seen) == seen


def test_an_adapter_of_the_users_own_is_not_moved():
    family = families()["llava_clip"]
    model = get_peft_model(family.model(), language_lora(r=2)).eval()
    with torch.no_grad():
        for name, part in model.named_parameters():
            if "lora_B" in name:
                part.normal_(std=0.05)
    before = {name: part.clone() for name, part in model.state_dict().items()}
    report = checked(model, family.processor, *TRAINING)
    assert report.holds, str(report)
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[name], part) for name, part in model.state_dict().items())
    assert list(model.peft_config) == ["default"]


def test_a_tower_that_the_adapter_reaches_is_found():
    """A tower whose layers are named as a language model's are is adapted by default."""
    model = families()["llava_clip"].model()
    tower = model.model.vision_tower
    layers = tower._modules.pop("encoder")
    tower.language_model = layers
    object.__setattr__(tower, "encoder", layers)  # read under the old name, listed under the new one
    report = checked(model, families()["llava_clip"].processor, "adapter")
    finding = next(finding for finding in report.findings if finding.check == "adapter")
    assert finding.status == "fails"
    assert "also trains {'vision tower'" in finding.found


def test_a_model_is_given_back_after_an_error():
    model = families()["llava_clip"].model().train()
    before, names = dict(vars(model)), set(model.state_dict())
    try:
        with adapted(model) as lent:
            lent.eval()
            raise RuntimeError
    except RuntimeError:
        pass
    assert model.training
    assert set(model.state_dict()) == names
    assert all(part.requires_grad for part in model.parameters())
    assert vars(model).keys() == before.keys()


def test_shut_cross_attention_gets_no_gradient_and_that_is_no_fault():
    """As in a model that was never trained; a layer that is cut off is one."""
    family = families()["mllama"]
    model = family.model()
    with torch.no_grad():
        for layer in (1, 3):
            model.model.language_model.layers[layer].cross_attn_attn_gate.zero_()
            model.model.language_model.layers[layer].cross_attn_mlp_gate.zero_()
    report = checked(model, family.processor, *TRAINING)
    assert report.holds, str(report)
    model.model.language_model.layers[2].register_forward_hook(lambda module, given, out: out.detach())
    assert checked(model, family.processor, "adapter").status_of("adapter") == "fails"
