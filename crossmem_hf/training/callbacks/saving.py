# SPDX-License-Identifier: Apache-2.0
"""Checkpoints at given steps, which the trainer's own schedule cannot say. It does not know what is saved."""

from collections.abc import Iterable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crossmem_hf.errors import CrossmemError


class SaveAtSteps(TrainerCallback):
    """Asks the trainer for a checkpoint, ``checkpoint-STEP`` in its folder, at each of some steps.

    Args:
        steps: Optimizer steps, from 1; different ones.

    Raises:
        CrossmemError: A step is below 1, or there twice.

    Example:
        >>> SaveAtSteps([10, 100]).steps
        (10, 100)
    """

    def __init__(self, steps: Iterable[int]) -> None:
        self.steps = tuple(steps)
        if any(step < 1 for step in self.steps) or len(set(self.steps)) < len(self.steps):
            raise CrossmemError(f"steps={self.steps!r}; expected different steps from 1.", "Pass e.g. (25, 50, 100).")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """The control, asking to save at one of the steps."""
        control.should_save |= state.global_step in self.steps
        return control
