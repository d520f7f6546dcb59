# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from crossmem_hf.training.callbacks.frozen import NoGradientsIntoFrozenTower
from tests.training import tiny
from tests.training.test_checkpointing import HOW
from tests.training.tiny import trainer_for


def tower_of(model):
    return next(part for name, part in model.named_modules() if name.endswith("vision_tower"))


def trained(folder, how, *, stops, thaw=False):
    """A trainer after two steps, how often the tower's last layer ran, and whether it had gradients."""
    trainer = trainer_for(folder, **HOW[how])
    assert any(isinstance(callback, NoGradientsIntoFrozenTower) for callback in trainer.callback_handler.callbacks)
    if not stops:
        trainer.remove_callback(NoGradientsIntoFrozenTower)
    tower, ran = tower_of(trainer.model), []
    if thaw:
        tower.requires_grad_(True)
    layer = [part for name, part in tower.named_modules() if name.endswith("self_attn")][-1]
    layer.register_forward_hook(lambda module, inputs, output: ran.append(output[0].requires_grad))
    trainer._remember_reference()  # before the counting
    ran.clear()
    trainer.train()
    return trainer, ran


@pytest.mark.parametrize("how", HOW)
def test_a_frozen_tower_runs_once_a_step(tmp_path, how):
    _, ran = trained(tmp_path, how, stops=True)
    assert ran == [False] * 2


@pytest.mark.parametrize("how", ["recomputed", "reentrant"])
def test_without_the_callback_it_would_run_twice(tmp_path, how):
    """When this fails, `transformers` has stopped asking for such gradients, and the callback can go."""
    assert len(trained(tmp_path, how, stops=False)[1]) == 4


@pytest.mark.parametrize("how", HOW)
def test_nothing_that_trains_notices(tmp_path, how):
    ours, without = (trained(tmp_path / str(stops), how, stops=stops)[0] for stops in (True, False))
    assert tiny.logged(ours, "loss") == tiny.logged(without, "loss")
    assert tiny.logged(ours, "grad_norm") == tiny.logged(without, "grad_norm")
    for name, weight in tiny.weights(without.model).items():
        assert torch.equal(tiny.weights(ours.model)[name], weight), name


@pytest.mark.parametrize("how", ["recomputed", "reentrant"])
def test_a_thawed_tower_gets_its_gradients(tmp_path, how):
    before = {name: weight.clone() for name, weight in tower_of(tiny.memorized()).state_dict().items()}
    trainer, _ = trained(tmp_path, how, stops=True, thaw=True)
    after = tower_of(trainer.model).state_dict()
    (patches,) = [name for name in before if name.endswith("patch_embedding.weight")]
    assert not torch.equal(after[patches], before[patches])


def test_the_model_is_left_as_it_was(tmp_path):
    trainer, _ = trained(tmp_path, "recomputed", stops=True)
    hooks = [hook for part in trainer.model.modules() for hook in part._forward_hooks.values()]
    assert not any("without_gradient" in hook.__qualname__ for hook in hooks if hasattr(hook, "__qualname__"))
