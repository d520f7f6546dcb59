# SPDX-License-Identifier: Apache-2.0
"""What the trainer refuses before it starts, and how it gives up without losing good weights."""

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from PIL import Image
from transformers import TrainerCallback

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.trainer import UnlearnTrainer
from tests.training import tiny
from tests.training.tiny import recalled, text_model, trainer_for, weights


def spoil(trainer, row):
    """Make one forget row's pixels NaN, as a broken image would."""
    rows = trainer.rows["forget"]
    rows._kept[row] = rows[row] | {"pixel_values": torch.full_like(rows[row]["pixel_values"], float("nan"))}


def noting(model, steps):
    """A callback that appends the weights after every step to `steps`."""

    class Noting(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            steps.append(weights(model))

    return Noting()


def test_a_loss_that_is_not_a_number_stops_with_the_rows_named(tmp_path):
    model = tiny.memorized()
    forget = tiny.rows("p0", "p1", views=4)
    trainer = trainer_for(
        tmp_path, model=model, forget=forget, per_device_train_batch_size=1, max_steps=8, forget_loss="ga"
    )
    steps = []
    trainer.add_callback(noting(model, steps))
    spoil(trainer, 5)
    with pytest.raises(CrossmemError, match=r"NaN or infinite \(forget: row 5 \(p1\)\)") as caught:
        trainer.train()
    assert "last_good" in str(caught.value)
    expected = steps[-2] if len(steps) > 1 else weights(tiny.memorized())
    for name, value in weights(model).items():
        assert torch.equal(value, expected[name])
    loaded = PeftModel.from_pretrained(tiny.model(), tmp_path / "last_good")
    assert torch.isfinite(recalled(loaded, tiny.rows("p0"))).all()


def test_weights_that_blew_up_are_set_back(tmp_path):
    model = tiny.memorized()
    trainer = trainer_for(tmp_path, model=model, learning_rate=1e30, max_grad_norm=0.0, max_steps=5, optim="sgd")
    with pytest.raises(CrossmemError, match="the last good ones"):
        trainer.train()
    start = weights(tiny.memorized())
    for name, value in weights(model).items():
        assert torch.equal(value, start[name])
    loaded = PeftModel.from_pretrained(tiny.model(), tmp_path / "last_good")
    torch.testing.assert_close(recalled(loaded, tiny.rows("p0")), recalled(tiny.memorized(), tiny.rows("p0")))


def test_the_last_step_may_not_leave_bad_weights(tmp_path):
    model = tiny.memorized()
    trainer = trainer_for(tmp_path, model=model, learning_rate=float("inf"), max_steps=1, optim="sgd")
    with pytest.raises(CrossmemError, match="NaN or infinite"):
        trainer.train()
    assert all(torch.isfinite(value).all() for value in weights(model).values())


def floating(person):
    """Rows whose picture nobody could see."""
    rows = tiny.rows(person)
    return Dataset.from_list([{**row, "images": [Image.new("F", (8, 8))]} for row in rows], features=rows.features)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forget": tiny.rows("p0").select([])}, "The forget set is empty"),
        ({"retain": tiny.rows("p0").select([])}, "The retain set is empty"),
        ({"forget": tiny.rows("p0", "p2")}, "both the forget and the retain set: 'p2'"),
        ({"forget": tiny.rows("p0").remove_columns(["completion"])}, r"lacks the columns \['completion'\]"),
        ({"retain": floating("p1")}, "Row 0 of the retain set: A picture cannot be shown: .*floating-point"),
        ({"max_length": 8}, "would cut its answer"),
    ],
)
def test_bad_input_is_refused_before_training(tmp_path, change, message):
    with pytest.raises(CrossmemError, match=message):
        trainer_for(tmp_path, **change)


def test_a_retain_loss_without_retain_set(tmp_path):
    config = UnlearnConfig(**tiny.settings(tmp_path))
    with pytest.raises(CrossmemError, match="needs a retain set"):
        UnlearnTrainer(tiny.memorized(), config, tiny.rows("p0"), processing_class=tiny.processor())


@pytest.mark.parametrize("losses", [{"retain_loss": "kl"}, {"forget_loss": "undial"}, {"retain_loss": "hidden"}])
def test_full_fine_tuning_leaves_no_reference_to_run(tmp_path, losses):
    with pytest.raises(CrossmemError, match=r"leaves no copy of it\. Pass a memorized PeftModel"):
        trainer_for(tmp_path, model=tiny.model(), rmu_layer=0, **losses)


def test_a_text_only_model_cannot_be_shown_pictures(tmp_path):
    model, tokenizer = text_model()
    with pytest.raises(CrossmemError, match="Row 0 of the forget set has an image; a 'llama' model"):
        UnlearnTrainer(
            model,
            UnlearnConfig(**tiny.settings(tmp_path)),
            tiny.rows("p0"),
            tiny.rows("p2"),
            processing_class=tokenizer,
            peft_config=LoraConfig(r=2, target_modules=["q_proj"]),
        )
