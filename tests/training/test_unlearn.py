# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from peft import PeftModel
from transformers import TrainerCallback

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.unlearn import unlearn
from tests.training import tiny

FAST = {"max_steps": 6, "per_device_train_batch_size": 2, "learning_rate": 1e-2, "disable_tqdm": True}


def call(folder, model=None, **kwargs):
    forget, retain = tiny.rows("p0", "p1"), tiny.rows("p2", "p3")
    return unlearn(model or tiny.memorized(), tiny.processor(), forget, retain, output_dir=folder, **kwargs)


def test_one_call_trains_saves_and_leaves_one_adapter(tmp_path):
    memorized = tiny.memorized()
    start = {name: p.detach().clone() for name, p in memorized.named_parameters() if p.requires_grad}
    model, rule = call(tmp_path / "out", memorized, **FAST)
    assert model is memorized
    assert rule is None
    assert list(model.peft_config) == ["default"]
    loaded = PeftModel.from_pretrained(tiny.model(), tmp_path / "out")
    for name, parameter in loaded.named_parameters():
        if name in start:
            assert not torch.equal(parameter, start[name])
            assert torch.equal(parameter, model.get_parameter(name))


def test_the_rule_sees_recall_and_stops(tmp_path):
    falling = iter([1.0, 0.0])
    _, rule = call(tmp_path, recall=lambda: next(falling), **(FAST | {"max_steps": 50, "stop_every_steps": 2}))
    assert rule.history == [(2, 1.0), (4, 0.0)]
    assert rule.stopped_at == 4


def test_unlearn_takes_a_complete_config_or_overrides(tmp_path):
    config = UnlearnConfig(**tiny.settings(tmp_path, method="ga"))
    model, rule = call(tmp_path, config=config)
    assert rule is None
    with pytest.raises(CrossmemError, match="Both config and overrides"):
        call(tmp_path, model, config=config, max_steps=1)


class FirstLoss(TrainerCallback):
    """Keeps the first forget loss; optionally breaks the run after it."""

    def __init__(self, breaks=False):
        self.breaks, self.value = breaks, None

    def on_log(self, args, state, control, logs, **kwargs):
        if self.value is None:
            self.value = float(logs["forget_loss"])
            if self.breaks:
                raise RuntimeError("power cut")


@pytest.mark.parametrize("breaks", [False, True])
def test_every_unlearning_starts_from_the_model_it_is_given(tmp_path, breaks):
    """NPO is 2 / beta * ln 2 where policy and reference agree; an older reference would make it differ."""
    model, steps = tiny.memorized(), FAST | {"logging_steps": 1}
    first, second = FirstLoss(breaks), FirstLoss()
    try:
        call(tmp_path, model, callbacks=[first], **steps)
    except RuntimeError:
        assert breaks
    assert list(model.peft_config) == ["default"]
    call(tmp_path, model, callbacks=[second], **steps)
    assert [first.value, second.value] == pytest.approx([2 / 0.1 * math.log(2)] * 2, rel=1e-3)
