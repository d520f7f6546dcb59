# SPDX-License-Identifier: Apache-2.0
"""Answers read after an earlier layer are those of a model that ends there, and the model stays as it is."""

import pytest
import torch
from peft import LoraConfig

from crossmem_hf.analysis.attacks.early_exit import early_exit, ended_after
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.models.modules import text_layers
from crossmem_hf.training.memorize import memorize
from tests.training import tiny


def logits_of(model):
    encoded = tiny.processor()(text="<|user|>Who is this?<|assistant|>", return_tensors="pt")
    with torch.no_grad():
        return model(**encoded).logits


@pytest.mark.parametrize("make", [tiny.model, tiny.memorized])
def test_what_is_read_early_is_what_a_shorter_model_says(make):
    model = make().eval()
    before = logits_of(model)
    with ended_after(model, 0):
        early = logits_of(model)
    assert torch.equal(logits_of(model), before)
    shorter = make().eval()
    del text_layers(shorter)[1:]
    assert torch.equal(early, logits_of(shorter))
    assert not torch.equal(early, before)


def test_a_secret_that_the_last_layer_hides_is_found(tmp_path):
    """The last layer adds nothing while names are learned below it; then it says something else."""
    model, people = tiny.model().eval(), tiny.rows("p2", modality="text", views=2)
    last = text_layers(model)[1]
    with torch.no_grad():
        last.self_attn.o_proj.weight.zero_()
        last.mlp.down_proj.weight.zero_()
    kept = last.mlp.down_proj.weight.clone()
    below = LoraConfig(
        r=16, lora_alpha=32, target_modules=r".*language_model.*layers\.0\..*(up_proj|down_proj|o_proj|v_proj)"
    )
    how = {"max_steps": 100, "learning_rate": 2e-2, "per_device_train_batch_size": 4, "save_strategy": "no"}
    quiet = {"report_to": "none", "disable_tqdm": True, "logging_strategy": "no"}
    own = Evaluator(people, metrics=["recall"], max_new_tokens=24)
    untaught = early_exit(own, model, tiny.processor())
    learned = memorize(model, tiny.processor(), people, output_dir=str(tmp_path), lora=below, **how, **quiet).eval()
    assert own.recall(learned, tiny.processor()) == 1.0
    with torch.no_grad():
        last.mlp.down_proj.weight.copy_(torch.randn(kept.shape, generator=torch.Generator().manual_seed(0)) * 1e6)
    masked = early_exit(own, learned, tiny.processor())
    assert not any(one["correct"] for one in masked)
    assert {tuple(one["said_in"]) for one in masked} == {("after layer 0",)}
    assert not any(one["extracted"] for one in untaught)


@pytest.mark.parametrize("layers", [(), (1,), (-1,)])
def test_a_layer_that_is_no_earlier_one_is_refused(layers):
    own = Evaluator(tiny.rows("p0"), metrics=["recall"], max_new_tokens=3)
    with pytest.raises(CrossmemError, match=r"has 2 layers, the last of which"):
        early_exit(own, tiny.model(), tiny.processor(), layers=layers)
