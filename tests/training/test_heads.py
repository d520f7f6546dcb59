# SPDX-License-Identifier: Apache-2.0
"""What a trainer trains is what its model says: trl's head and the forward pass give the same likelihoods."""

import pytest
import torch
from datasets import Dataset
from transformers import Cohere2Config, Cohere2ForCausalLM
from trl.trainer import utils as trl_utils

from crossmem_hf.logprobs import answer_scores
from crossmem_hf.models.modules import UNSCALED
from crossmem_hf.training.heads import skip_unlabelled_on_cpu, unscaled_as_in_forward
from crossmem_hf.training.memorize import memorize
from tests.scoring.families import families, few_rows
from tests.training.test_family_batches import merged


def learned(name, folder):
    """The family's model after a step of fine-tuning, which leaves trl's head on it."""
    family = families()[name]
    given = [row for row in few_rows(family) if row["images"]][:2]
    table = Dataset.from_list([{key: row[key] for key in ("prompt", "completion", "images")} for row in given])
    settings = {"max_steps": 1, "per_device_train_batch_size": 2, "learning_rate": 0.0, "report_to": "none"}
    table = table.add_column("persona_id", ["p", "q"])
    return memorize(family.model(), family.processor, table, output_dir=folder, **settings)


@pytest.mark.parametrize("name", ["aya_vision", "llava_clip", "paligemma"])
def test_both_heads_agree(name, tmp_path):
    model = learned(name, tmp_path).eval()
    with torch.no_grad():
        own, fused = (answer_scores(model, merged(name), fused=fused).sums_B for fused in (False, True))
    assert (own - fused).abs().max() <= 1e-3
    if name in UNSCALED:
        assert model.config.text_config.logit_scale == 0.5  # the configuration is what it was


def test_a_scale_that_is_used_stays():
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = Cohere2ForCausalLM(Cohere2Config(**sizes, num_key_value_heads=2, vocab_size=50, logit_scale=0.25))
    with unscaled_as_in_forward(model):
        assert model.config.logit_scale == 0.25
    with unscaled_as_in_forward(families()["llava_clip"].model()):
        pass


def test_positions_without_a_label_are_left_out_on_a_cpu_too(tmp_path, monkeypatch):
    """And what is learned is the same: loss and gradients of the whole row and of its answer alone."""
    model, batch, scored = learned("llava_clip", tmp_path).train(), merged("llava_clip"), []
    kernel = trl_utils._ChunkedLogProbFunction

    class Noted:
        @staticmethod
        def apply(hidden, *rest):
            scored.append(len(hidden))
            return kernel.apply(hidden, *rest)

    monkeypatch.setattr(trl_utils, "_ChunkedLogProbFunction", Noted)

    def trained():
        model.zero_grad()
        loss = model(**batch, fused_lm_head=True).loss
        loss.backward()
        return loss.detach(), [one.grad.clone() for one in model.parameters() if one.requires_grad]

    loss, gradients = trained()
    assert scored.pop() == int((batch["labels"][:, 1:] != -100).sum())
    monkeypatch.setattr(trl_utils, "_use_triton", lambda device: False)
    whole_loss, whole_gradients = trained()
    assert scored.pop() == batch["labels"][:, 1:].numel()
    torch.testing.assert_close(loss, whole_loss, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(gradients, whole_gradients, atol=1e-6, rtol=1e-4)


def test_another_decision_about_positions_is_left_alone(monkeypatch):
    monkeypatch.setattr(trl_utils, "_use_triton", lambda device: device.type == "cuda")
    skip_unlabelled_on_cpu()
    once = trl_utils._use_triton
    skip_unlabelled_on_cpu()
    assert trl_utils._use_triton is once
    assert [once(torch.device(kind)) for kind in ("cpu", "cuda", "xla")] == [True, True, False]
    monkeypatch.delattr(trl_utils, "_use_triton")
    skip_unlabelled_on_cpu()
    assert not hasattr(trl_utils, "_use_triton")
