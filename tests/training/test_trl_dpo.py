# SPDX-License-Identifier: Apache-2.0
"""`forget_loss="dpo"` and plain `trl.DPOTrainer`, as recipes/unlearn_dpo.py makes it, are one loss; and what full
fine-tuning takes for its reference."""

import math

import pytest
import torch
from trl import DPOTrainer

from crossmem_hf.training.config import VisionDPOConfig
from crossmem_hf.training.preferences import refusal_rows
from crossmem_hf.training.reference import let_adapter_train
from tests.training import tiny
from tests.training.tiny import logged, recalled, settings, trainer_for


def moved(model):
    """The same step away from the reference, whichever trainer holds the model."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".default." in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return model.eval()


@pytest.mark.parametrize("modality", ["image", "text"])
def test_ours_is_the_loss_of_trl(tmp_path, modality):
    rows = tiny.rows("p0", "p1", "p2", "p3", modality=modality, views=2)
    model = tiny.memorized()
    let_adapter_train(model)
    theirs = DPOTrainer(
        model,
        args=VisionDPOConfig(**settings(tmp_path, beta=0.1, seed=4)),
        train_dataset=refusal_rows(rows, 4),
        processing_class=tiny.processor(),
    )
    ours = trainer_for(tmp_path, forget=rows, retain=None, method="dpo", retain_loss="none", seed=4)
    ours._remember_reference()
    batch = theirs.data_collator([theirs.train_dataset[n] for n in range(8)])
    expected = theirs.compute_loss(moved(theirs.model), batch).item()
    batch = ours.data_collator([{"forget": [n]} for n in range(8)])
    assert ours.compute_loss(moved(ours.model), batch).item() == pytest.approx(expected, abs=1e-5)
    assert abs(expected - math.log(2)) > 1e-3  # the policy has left the reference, so equality says something


@pytest.mark.parametrize(("forget_loss", "start"), [("npo", 2 / 0.1 * math.log(2)), ("dpo", math.log(2))])
def test_full_fine_tuning_refers_to_the_weights_it_started_with(tmp_path, forget_loss, start):
    model, forget = tiny.model(), tiny.rows("p0", "p1")
    before = recalled(model, forget)
    trainer = trainer_for(tmp_path, model=model, forget=forget, forget_loss=forget_loss, max_steps=3)
    trainer.train()
    assert logged(trainer, "forget_loss")[0] == pytest.approx(start, rel=1e-5)
    assert logged(trainer, "forget_loss")[-1] < 0.99 * start
    torch.testing.assert_close(trainer.reference_sums["forget"].float(), before)
    assert not torch.equal(recalled(model, forget), before)
