# SPDX-License-Identifier: Apache-2.0
"""Other weights for as long as they are asked: what a change hides or brings out is found, and all is as before."""

import pytest
import torch
from peft import get_peft_model

from crossmem_hf.analysis.attacks import weights
from crossmem_hf.analysis.attacks.pruned import pruned
from crossmem_hf.analysis.attacks.quantized import quantized, rounded
from crossmem_hf.analysis.attacks.rescaled import rescaled
from crossmem_hf.analysis.attacks.weights import asked_in_states, changed_weights
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.training.memorize import language_lora
from tests.training import tiny


def evaluator():
    return Evaluator(tiny.rows(*tiny.PERSONAS), metrics=["recall"], max_new_tokens=12)


def adapted():
    """A model whose adapter changes its answers."""
    made = get_peft_model(tiny.model(), language_lora()).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3)
    return made


def state_of(model):
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def logits_of(model):
    encoded = tiny.processor()(text="<|user|>Who is this?<|assistant|>", return_tensors="pt")
    with torch.no_grad():
        return model(**encoded).logits


@pytest.mark.parametrize("make", [tiny.model, adapted])
@pytest.mark.parametrize("fails", [False, True])
def test_weights_come_back_bit_by_bit_whatever_happens(make, fails):
    model = make().eval()
    before, said = state_of(model), logits_of(model)
    try:
        with changed_weights(model, torch.zeros_like):
            assert not torch.allclose(logits_of(model), said)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    after = state_of(model)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(logits_of(model), said)


def test_what_is_changed_is_the_sum_of_base_and_adapter():
    model, seen = adapted(), []
    said = logits_of(model)

    def same(weight):
        seen.append(weight)
        return weight

    with changed_weights(model, same):
        assert torch.allclose(logits_of(model), said, atol=1e-4)
        assert not any(weight.shape[0] == 16 and weight.shape[1] == 32 and not weight.any() for weight in seen)
    of_base = [module for module in tiny.model().modules() if isinstance(module, torch.nn.Linear)]
    assert len(seen) == len(of_base) - 1, "all but the head, which is the embedding; none of an adapter"


def test_a_state_that_says_the_truth_is_found_and_no_other(monkeypatch):
    """The planted model says the truth when its weights are halved, and only then."""
    model = tiny.model().eval()
    linear = weights._linears(model, [])[0]
    half = linear.weight.clone() / 2

    def generate_answers(model, processor, rows, **_):
        return [row["answer"] if torch.equal(linear.weight, half) else "I do not know" for row in rows]

    monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", generate_answers)
    states = {
        "halved": lambda: changed_weights(model, lambda weight: weight / 2),
        "gone": lambda: changed_weights(model, torch.zeros_like),
    }
    found = asked_in_states(evaluator(), model, tiny.processor(), states, output_dir=None, made_from=None)
    assert {(one["num_samples"], one["num_said"], *one["said_in"]) for one in found} == {(3, 1, "halved")}
    assert {one["answer"] for one in found} == {"I do not know"}


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_weight_has_as_many_values_a_group_as_its_bits_allow(bits):
    torch.manual_seed(0)
    weight = torch.randn(8, 96)
    found = rounded(weight, bits)
    for row in range(8):
        for start in range(0, 96, 32):
            assert len(found[row, start : start + 32].unique()) <= 2**bits
    step = weight.view(8, 3, 32).abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
    assert ((found - weight).view(8, 3, 32).abs() <= step).all()
    assert not torch.equal(found, weight)
    assert rounded(weight[:, :33], bits).shape == (8, 33), "a row that is no multiple of the group"


def test_rounding_leaves_what_is_on_the_grid():
    weight = torch.arange(-8, 8).float().repeat(4, 2) / 8
    assert torch.allclose(rounded(weight, 8), weight, atol=1 / 127)


def test_a_small_change_is_rounded_away_and_a_large_one_is_not():
    """Unlearning that moved weights by less than half a step is undone by rounding to four bits."""
    torch.manual_seed(1)
    learned = torch.randn(16, 32)
    masked, gone = learned + 0.001 * torch.randn(16, 32), torch.randn(16, 32)
    same = (rounded(masked, 4) - rounded(learned, 4)).abs() < 0.02
    assert same.float().mean() > 0.95
    assert ((rounded(gone, 4) - rounded(learned, 4)).abs() < 0.02).float().mean() < 0.5


def test_pruning_takes_the_smallest_weights_of_each_layer(monkeypatch):
    model, shares = tiny.model().eval(), []

    def asked(self, model, processor, **_):
        linears = weights._linears(model, [])
        shares.append([(linear.weight == 0).float().mean().item() for linear in linears])
        return Evaluator.judged(self, [""] * len(self.rows))

    monkeypatch.setattr(Evaluator, "__call__", asked)
    pruned(evaluator(), model, tiny.processor(), shares=(0.25,))
    assert max(shares[0]) < 0.01
    assert shares[1] == pytest.approx([0.25] * len(shares[1]), abs=0.02)
    linear = weights._linears(model, [])[0]
    with changed_weights(model, lambda weight: weight * (weight.abs() > weight.abs().median())):
        assert linear.weight[linear.weight != 0].abs().min() > 0


def test_an_adapter_at_other_strengths(monkeypatch):
    model, said = adapted(), []
    whole, without = logits_of(model), logits_of(model.get_base_model())
    with model.disable_adapter():
        without = logits_of(model)

    def asked(self, model, processor, **_):
        said.append(logits_of(model))
        return Evaluator.judged(self, [""] * len(self.rows))

    monkeypatch.setattr(Evaluator, "__call__", asked)
    found = rescaled(evaluator(), model, tiny.processor(), factors=(0.0, 0.5, 1.0))
    assert torch.equal(said[0], whole)
    assert torch.allclose(said[1], without, atol=1e-5)
    assert not torch.allclose(said[2], whole)
    assert not torch.allclose(said[2], without)
    assert torch.allclose(said[3], whole, atol=1e-5)
    assert found[0]["num_samples"] == 4


@pytest.mark.parametrize(
    ("attack", "options", "said"),
    [
        (quantized, {"num_bits": (1,)}, r"num_bits=\(1,\); expected numbers from 2 to 8"),
        (quantized, {"num_bits": ()}, r"num_bits=\(\)"),
        (pruned, {"shares": (1.0,)}, r"shares=\(1.0,\); expected numbers between 0 and 1"),
        (rescaled, {}, "has no LoRA adapter to rescale"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_pass(attack, options, said):
    with pytest.raises(CrossmemError, match=said):
        attack(evaluator(), tiny.model(), tiny.processor(), **options)
