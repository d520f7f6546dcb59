# SPDX-License-Identifier: Apache-2.0
"""Plain trl trainers take the further configs as they come, all columns and all, on the embedded model."""

import math

import pytest
import torch
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from crossmem_hf.data.loading import load_rows
from crossmem_hf.models.loading import load_model
from crossmem_hf.training.memorize import language_lora

SMALL = {"num_personas": 5, "num_views": 2, "image_size": 48, "qa_per_persona": 4}
ONE_STEP = {
    "max_steps": 1,
    "per_device_train_batch_size": 4,
    "learning_rate": 1e-3,
    "max_length": None,
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}


def trained(trainer):
    """The first loss, once a step has changed the adapter."""
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters() if value.requires_grad}
    trainer.train()
    after = dict(trainer.model.named_parameters())
    assert any(not torch.equal(value, after[name]) for name, value in before.items())
    return next(line["loss"] for line in trainer.state.log_history if "loss" in line)


def lora():
    return language_lora(r=4, alpha=8)


@pytest.mark.parametrize("split", ["forget", "retain"])
def test_dpo_takes_preferences(tmp_path, split):
    model, processor = load_model()
    pairs = load_rows(None, "preference", split, **SMALL)
    pairs = pairs.select([0, 5, 9, len(pairs) - 1])
    assert {len(images) for images in pairs["images"]} == {0, 1}
    trainer = DPOTrainer(
        model,
        args=DPOConfig(str(tmp_path), **ONE_STEP),
        train_dataset=pairs,
        processing_class=processor,
        peft_config=lora(),
    )
    assert trained(trainer) == pytest.approx(math.log(2), abs=1e-4)  # a fresh adapter is its own reference


@pytest.mark.parametrize(
    ("config", "split", "images"),
    [("multi_image", "train", {2}), ("two_hop", "bridge_image+facts", {0, 1}), ("two_hop", "bridge_text+facts", {0})],
)
def test_sft_takes_several_pictures_and_none(tmp_path, config, split, images):
    model, processor = load_model()
    rows = load_rows(None, config, split, **SMALL)
    rows = rows.select([0, 1, len(rows) - 2, len(rows) - 1])
    assert {len(shown) for shown in rows["images"]} == images
    trainer = SFTTrainer(
        model,
        args=SFTConfig(str(tmp_path), **ONE_STEP),
        train_dataset=rows,
        processing_class=processor,
        peft_config=lora(),
    )
    assert math.isfinite(trained(trainer))
