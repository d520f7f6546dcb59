# SPDX-License-Identifier: Apache-2.0
"""What a trainer trains is what its model says: trl's head and the forward pass give the same likelihoods."""

import pytest
import torch
from datasets import Dataset
from transformers import Cohere2Config, Cohere2ForCausalLM

from crossmem_hf.logprobs import answer_scores
from crossmem_hf.models.modules import UNSCALED
from crossmem_hf.training.heads import unscaled_as_in_forward
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
