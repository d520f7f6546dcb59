# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from transformers import TrainerControl, TrainerState

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.callbacks.stopping import StopWhenForgotten


def run(rule, steps, model=None):
    model = model or torch.nn.Linear(1, 1)
    for step in range(1, steps + 1):
        control = rule.on_step_end(None, TrainerState(global_step=step), TrainerControl(), model=model)
        if control.should_training_stop:
            return step
    return None


def test_stops_at_the_first_look_at_or_below_the_floor():
    falling = iter([0.9, 0.5, 0.2, 0.0])
    rule = StopWhenForgotten(lambda: next(falling), 0.2, every_steps=3)
    assert run(rule, 20) == rule.stopped_at == 9
    assert rule.history == [(3, 0.9), (6, 0.5), (9, 0.2)]


def test_never_stops_above_the_floor():
    rule = StopWhenForgotten(lambda: 0.21, 0.2, every_steps=1)
    assert run(rule, 5) is None
    assert rule.stopped_at is None


def test_looks_in_eval_mode_and_goes_back_to_training():
    model = torch.nn.Linear(1, 1).train()
    modes = []
    run(StopWhenForgotten(lambda: modes.append(model.training) or 1.0, 0.0, every_steps=1), 1, model)
    assert modes == [False]
    assert model.training


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_recall_that_is_no_number(value):
    with pytest.raises(CrossmemError, match="decides when to stop"):
        run(StopWhenForgotten(lambda: value, 0.2, every_steps=1), 1)


@pytest.mark.parametrize(("threshold", "every_steps"), [(1.5, 1), (-0.1, 1), (float("nan"), 1), (0.1, 0)])
def test_bad_arguments(threshold, every_steps):
    with pytest.raises(CrossmemError):
        StopWhenForgotten(lambda: 0.0, threshold, every_steps)


def test_looking_leaves_every_module_in_its_mode():
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout()).train()
    model[0].eval()
    rule = StopWhenForgotten(lambda: 1.0, 0.0, every_steps=1)
    rule.on_step_end(None, TrainerState(global_step=1), TrainerControl(), model=model)
    assert [module.training for module in model] == [False, True]


def test_what_it_saw_goes_into_the_checkpoint_and_comes_back(tmp_path):
    falling = iter([0.9, 0.5, 0.0])
    rule, state = StopWhenForgotten(lambda: next(falling), 0.2, every_steps=1), TrainerState()
    for state.global_step in (1, 2):
        rule.on_step_end(None, state, TrainerControl(), model=torch.nn.Linear(1, 1))
    state.save_to_json(str(tmp_path / "state.json"))
    resumed, state = StopWhenForgotten(lambda: 0.0, 0.2), TrainerState.load_from_json(str(tmp_path / "state.json"))
    control = resumed.on_train_begin(None, state, TrainerControl())
    assert resumed.history == [(1, 0.9), (2, 0.5)]
    assert not control.should_training_stop
    resumed.on_train_begin(None, TrainerState(), TrainerControl())
    assert resumed.history == [], "a run that begins anew has seen nothing"


def test_a_run_that_had_stopped_does_not_train_on():
    rule, state = StopWhenForgotten(lambda: 0.0, 0.2, every_steps=1), TrainerState(global_step=3)
    rule.on_step_end(None, state, TrainerControl(), model=torch.nn.Linear(1, 1))
    resumed = StopWhenForgotten(lambda: 0.0, 0.2, every_steps=1)
    assert resumed.on_train_begin(None, state, TrainerControl()).should_training_stop
    assert resumed.stopped_at == 3
