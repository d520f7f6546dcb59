# SPDX-License-Identifier: Apache-2.0
"""An adapter trains with and without recomputed activations, or an error says that it cannot: never silence."""

import pytest
from peft import LoraConfig

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.memorize import language_lora
from crossmem_hf.training.objectives import FORGET_TERMS
from tests.training import tiny
from tests.training.tiny import trainer_for

HOW = {
    "kept": {},
    "recomputed": {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}},
    "reentrant": {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}},
}


def moved(folder, forget_loss, how, layer=1):
    """Which B matrices of a fresh adapter, all zero, are zero no longer after one step of forgetting alone."""
    trainer = trainer_for(
        folder,
        model=tiny.model(),
        peft_config=language_lora(r=4),
        forget_loss=forget_loss,
        retain_loss="none",
        rmu_layer=layer,
        **HOW[how],
        **tiny.ONE_STEP,
    )
    trainer.train()
    named = {name: bool(p.detach().any()) for name, p in trainer.model.named_parameters() if "lora_B" in name}
    assert len(named) == 2 * 7  # two layers, each with four attention and three MLP matrices
    return named


def ways(losses):
    """Every loss with recomputed activations, the first of them also otherwise; the rest is slow."""
    for loss in losses:
        for how in HOW:
            fast = how == "recomputed" or loss == losses[0]
            yield (loss, how) if fast else pytest.param(loss, how, marks=pytest.mark.slow)


@pytest.mark.parametrize(("forget_loss", "how"), ways([name for name in FORGET_TERMS if name != "rmu"]))
def test_every_b_matrix_moves(tmp_path, forget_loss, how):
    assert all(moved(tmp_path, forget_loss, how).values())


@pytest.mark.parametrize(("layer", "how"), ways([0, 1]))
def test_rmu_moves_the_layers_up_to_its_own(tmp_path, layer, how):
    """Forgetting acts through the hidden states of one layer, so nothing above it can have a gradient."""
    for name, value in moved(tmp_path, "rmu", how, layer).items():
        assert value == (layer == 1 or "layers.0." in name), name


def test_rmu_below_every_adapted_layer_is_an_error(tmp_path):
    adapter = LoraConfig(r=4, target_modules=r".*language_model\.layers\.1\..*q_proj")
    losses = {"forget_loss": "rmu", "retain_loss": "none", "rmu_layer": 0}
    with pytest.raises(CrossmemError, match="Nothing trains at or below layer 0"):
        trainer_for(tmp_path, model=tiny.model(), peft_config=adapter, **losses)
    trainer_for(tmp_path, model=tiny.model(), peft_config=adapter, **(losses | {"rmu_layer": 1}))
