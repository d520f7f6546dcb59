# SPDX-License-Identifier: Apache-2.0
"""Relearning: others are asked about than those who are taught, and the model is afterwards what it was."""

import pytest
import torch
from peft import PeftModel

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.training import relearning as attack
from crossmem_hf.training.relearning import relearned, relearning, relearning_others
from tests.training import tiny

HOW = {"max_steps": 2, "learning_rate": 1e-2, "per_device_train_batch_size": 4}


def evaluator(*personas, views=2):
    rows = tiny.rows(*(personas or tiny.PERSONAS), views=views)
    return Evaluator(rows, metrics=["recall"], max_new_tokens=3)


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("make", [tiny.model, tiny.memorized])
@pytest.mark.parametrize("fails", [False, True])
def test_a_model_is_afterwards_what_it_was(make, fails):
    model = make().eval()
    before = state_of(model)
    learns = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    try:
        with relearned(model, tiny.processor(), tiny.rows("p0", views=4), **HOW):
            within = state_of(model)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    after = state_of(model)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == learns
    assert not model.training
    changed = [name for name, value in within.items() if name not in before or not torch.equal(before[name], value)]
    assert changed
    assert all("lora" in name or "base_layer" in name for name in changed)


@pytest.mark.parametrize("make", [tiny.model, tiny.memorized])
def test_a_failure_while_learning_is_said_and_leaves_nothing(make):
    model = make().eval()
    before = state_of(model)
    learns = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    torch.manual_seed(3)
    drawn = torch.rand(2)
    torch.manual_seed(3)
    with (
        pytest.raises(CrossmemError, match="NaN or infinite"),
        relearned(model, tiny.processor(), tiny.rows("p0", views=4), **HOW | {"learning_rate": 1e30, "max_steps": 20}),
    ):
        raise AssertionError("it did not fail")
    assert torch.equal(torch.rand(2), drawn)
    after = state_of(model)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == learns
    assert not model.training


def test_taught_rows_become_likelier_within_and_not_after():
    model, rows = tiny.memorized().eval(), tiny.rows("p0", views=4)
    asked = Evaluator(rows, metrics=["extraction_strength"], keep="all")

    def nats():
        return sum(sum(one["token_logprobs"]) for one in asked(model, tiny.processor()))

    before = nats()
    with relearned(model, tiny.processor(), rows, **HOW | {"max_steps": 20}):
        within = nats()
    assert within > before + 1
    assert nats() == before


def test_what_comes_back_about_others_is_found(monkeypatch):
    """The planted model says everybody's name once anything of its adapter has been learned again."""
    model = tiny.memorized().eval()
    assert isinstance(model, PeftModel)
    (name, watched) = next((name, one) for name, one in model.named_parameters() if "lora_B" in name)
    first, trained = watched.detach().clone(), []
    real = attack.memorize

    def noted(model, processor, rows, **how):
        trained.append(({*rows["persona_id"]}, how["max_steps"], how["seed"]))
        return real(model, processor, rows, **how)

    def generate_answers(model, processor, rows, **_):
        return [row["answer"] if not torch.equal(watched, first) else "I do not know" for row in rows]

    monkeypatch.setattr(attack, "memorize", noted)
    monkeypatch.setattr("crossmem_hf.evaluation.passes.generate_answers", generate_answers)
    found = relearning(evaluator(), model, tiny.processor(), seed=5, share=0.5, num_steps=(1, 2))
    taught = {one["persona_id"] for one in found if one["taught"]}
    assert len(taught) == 2
    assert trained == [(taught, 1, 5), (taught, 2, 5)]
    for one in found:
        expected = (1, [], False) if one["taught"] else (3, ["1 steps", "2 steps"], True)
        assert (one["num_samples"], one["said_in"], one["extracted"]) == expected
    assert torch.equal(watched, first), name


def test_a_model_that_knows_nobody_is_not_accused():
    found = relearning(evaluator(), tiny.model().eval(), tiny.processor(), num_steps=(2,))
    assert not any(one["extracted"] for one in found if not one["taught"])


def test_those_to_retain_are_learned_again_and_the_forgotten_alone_are_asked(monkeypatch):
    model, trained = tiny.memorized().eval(), []
    real = attack.memorize

    def noted(model, processor, rows, **how):
        trained.append({*rows["persona_id"]})
        return real(model, processor, rows, **how)

    monkeypatch.setattr(attack, "memorize", noted)
    own = evaluator().altered(forgotten={"p1", "p3"})
    found = relearning_others(own, model, tiny.processor(), num_steps=(1,))
    assert trained == [{"p0", "p2"}]
    assert {one["persona_id"] for one in found if one["num_samples"] == 2} == {"p1", "p3"}
    for one in (evaluator(), evaluator("p1", "p3").altered(forgotten={"p1", "p3"})):
        with pytest.raises(CrossmemError, match="expected forget and retain"):
            relearning_others(one, model, tiny.processor())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 0.0}, "share=0.0"),
        ({"share": 1.0}, "share=1.0"),
        ({"num_steps": ()}, r"num_steps=\(\)"),
        ({"num_steps": (0,)}, r"num_steps=\(0,\)"),
    ],
)
def test_what_cannot_be_done_is_refused(options, said):
    with pytest.raises(CrossmemError, match=said):
        relearning(evaluator(), tiny.model(), tiny.processor(), **options)
