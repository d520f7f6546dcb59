# SPDX-License-Identifier: Apache-2.0
"""Norms without weights, held against a pass in which every such norm is written out by hand."""

import copy

import pytest
import torch
from safetensors.torch import load_file

from crossmem_hf.errors import CrossmemError
from crossmem_hf.interventions.layer_norm import without_norm_weights
from crossmem_hf.models.loading import load_model
from crossmem_hf.models.norms import LAYERS, norms_in
from tests.models.normed import MODELS, built, inputs_of, logits_of

CENTERED = ("bert", "distilbert", "deberta", "roberta_prelayernorm", "vit", "gpt2")  # LayerNorm; others: RMSNorm


class ByHand(torch.nn.Module):
    """A norm's formula without any weight."""

    def __init__(self, norm, *, centered):
        super().__init__()
        self.eps = next(getattr(norm, own) for own in ("eps", "variance_epsilon") if hasattr(norm, own))
        self.centered = centered
        self.weight = torch.zeros(1)  # T5 asks for its dtype

    def forward(self, states):
        states = states - states.mean(-1, keepdim=True) if self.centered else states
        return states / (states.square().mean(-1, keepdim=True) + self.eps).sqrt()


def by_hand(model, layers, *, centered):
    """A copy whose chosen norms are replaced."""
    other = copy.deepcopy(model)
    for norm in norms_in(model, layers):
        other.set_submodule(norm.name, ByHand(norm.module, centered=centered(norm.name)))
    return other


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("name", MODELS)
def test_model_without_norm_weights_is_the_normalized_pass_written_out(name, layers):
    model = built(name)
    plain = logits_of(model, name)
    wanted = logits_of(by_hand(model, layers, centered=lambda _: name in CENTERED), name)
    with without_norm_weights(model, layers):
        found = logits_of(model, name)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert (found - plain).abs().max() > 1e-3
    assert torch.equal(logits_of(model, name), plain), "all is put back"


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("name", MODELS)
def test_untrained_norms_have_nothing_to_lose(name, layers):
    """The control: weights of 1 (of 0 in Gemma) and biases of 0 are bit for bit what is put in their place."""
    model = built(name, random_norms=False)
    plain = logits_of(model, name)
    with without_norm_weights(model, layers):
        assert torch.equal(logits_of(model, name), plain)


def test_both_halves_of_the_micro_model_lose_their_weights():
    model, _ = load_model()
    inputs = {"pixel_values": torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)}
    inputs["input_ids"] = torch.tensor([[3] * 16 + [5, 6, 7]])

    def logits(one):
        with torch.no_grad():
            return one(**inputs).logits

    wanted = logits(by_hand(model, "early", centered=lambda name: "vision" in name))
    with without_norm_weights(model, "early"):
        both = logits(model)
    with without_norm_weights(model, "early", part="language model"):
        words = logits(model)
    torch.testing.assert_close(both, wanted, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(words, both)
    assert not torch.allclose(words, logits(model))


@pytest.mark.parametrize("name", ["bert", "gemma"])
def test_saved_without_norm_weights_loads_as_any_other_folder(name, tmp_path):
    model = built(name)
    with without_norm_weights(model):
        model.save_pretrained(tmp_path)
        wanted = logits_of(model, name)
    loaded, report = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert torch.equal(logits_of(loaded.eval(), name), wanted)
    stored = {own: value for own, value in load_file(tmp_path / "model.safetensors").items() if "norm" in own.lower()}
    kinds = {(own.rsplit(".")[-1], float(value.unique())) for own, value in stored.items()}
    assert kinds == ({("weight", 0.0)} if name == "gemma" else {("weight", 1.0), ("bias", 0.0)})
    assert all(norm.module.weight.requires_grad for norm in norms_in(loaded)), "to be taken out again"


@pytest.mark.parametrize("name", ["bert", "gpt2", "gemma", "t5"])
def test_an_optimizer_of_before_moves_nothing_that_was_taken_out(name):
    model = built(name)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    frozen = norms_in(model, "middle")[0].module.weight.requires_grad_(False)
    step(model, name, optimizer)
    others = {own: value.clone() for own, value in model.named_parameters()}
    held = without_norm_weights(model, "middle")
    out = {f"{norm.name}.{own}": value for norm in norms_in(model, "middle") for own, value in parts(norm)}
    step(model, name, optimizer)
    assert {float(value.unique()) for own, value in out.items() if own.endswith("weight")} == {float(name != "gemma")}
    assert not any(value.requires_grad for value in out.values())
    late = norms_in(model, "late")[-1].name + ".weight"
    assert not torch.equal(model.get_parameter(late), others[late]), "others learn"
    held.close()
    assert all(torch.equal(value, others[own]) for own, value in out.items())
    assert not frozen.requires_grad
    assert sum(not value.requires_grad for value in model.parameters()) == 1


def parts(norm):
    return norm.module.named_parameters(recurse=False)


def step(model, name, optimizer):
    model(**inputs_of(name)).logits.square().sum().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)  # the moments stay, and zeros would move what has weight decay


def test_norms_are_put_back_after_an_error_and_one_inside_another():
    model = built("llama")
    plain = logits_of(model, "llama")
    with pytest.raises(KeyError), without_norm_weights(model, "early"), without_norm_weights(model):
        raise KeyError
    assert torch.equal(logits_of(model, "llama"), plain)


def test_weights_that_are_not_loaded_are_refused_and_nothing_changes():
    model = built("llama")
    model.model.norm.to("meta")
    before = {own: value.clone() for own, value in model.named_parameters() if not value.is_meta}
    with pytest.raises(CrossmemError, match=r"weights of 'model\.norm' are not loaded"):
        without_norm_weights(model)
    assert all(torch.equal(model.get_parameter(own), value) for own, value in before.items())
