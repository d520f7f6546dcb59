# SPDX-License-Identifier: Apache-2.0
"""Checkpoints at given steps."""

from types import SimpleNamespace

import pytest
from transformers import TrainerControl

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.callbacks.saving import SaveAtSteps


def test_checkpoints_are_asked_for_at_the_steps_and_nowhere_else():
    callback, saved = SaveAtSteps([2, 5]), []
    for step in range(1, 7):
        control = callback.on_step_end(None, SimpleNamespace(global_step=step), TrainerControl())
        saved += [step] if control.should_save else []
    assert saved == [2, 5]


def test_what_the_trainer_wants_to_save_is_saved_too():
    control = TrainerControl(should_save=True)
    assert SaveAtSteps([5]).on_step_end(None, SimpleNamespace(global_step=1), control).should_save


@pytest.mark.parametrize("steps", [[0], [3, 3]])
def test_steps_that_cannot_be_are_refused(steps):
    with pytest.raises(CrossmemError, match="expected different steps from 1"):
        SaveAtSteps(steps)
