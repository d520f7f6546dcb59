# SPDX-License-Identifier: Apache-2.0
"""When unlearning has gone far enough. It knows a number that falls, not how it is measured."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.training.callbacks.state import remember, remembered


class StopWhenForgotten(TrainerCallback):
    """Stops training once recall has fallen to a floor.

    Pass recall on *stopping* rows (validation views). Rows that are reported later must not be among them, or the
    reported recall is low by construction. What was seen goes into checkpoints, and is taken up again by a run that
    goes on from one.

    Args:
        evaluate: Recall of the forgotten personas, 0 to 1. Called on every process, with the model in eval mode and
            its active adapter on; the first process's answer decides.
        threshold: Stop at this value or below, 0 to 1.
        every_steps: Optimizer steps between two evaluations; at least 1.

    Attributes:
        history: (step, recall) pairs, in order.
        stopped_at: The step at which training was stopped, or None.

    Raises:
        CrossmemError: A bad argument, or `evaluate` returns something that is no finite number.
    """

    def __init__(self, evaluate: Callable[[], float], threshold: float, every_steps: int = 5) -> None:
        if not 0.0 <= threshold <= 1.0:
            raise CrossmemError(f"threshold={threshold!r} is no recall.", "Choose a number from 0 to 1.")
        if every_steps < 1:
            raise CrossmemError(f"every_steps={every_steps!r} is below 1.", "Evaluate every 1 or more steps.")
        self.evaluate, self.threshold, self.every_steps = evaluate, threshold, every_steps
        self.history: list[tuple[int, float]] = []
        self.stopped_at: int | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Take up what a run that is gone on with has seen; one that had stopped makes a single step more."""
        kept = remembered(state, self)
        self.history = [(step, recall) for step, recall in kept.get("history", [])]
        self.stopped_at = kept.get("stopped_at")
        control.should_training_stop |= self.stopped_at is not None
        return control

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """The control, asking to stop when the floor is reached."""
        if state.global_step % self.every_steps:
            return control
        recall = self._recall(kwargs["model"])
        self.history.append((state.global_step, recall))
        if recall <= self.threshold:
            self.stopped_at = state.global_step
            control.should_training_stop = True
        remember(state, self, {"history": self.history, "stopped_at": self.stopped_at})
        return control

    def _recall(self, model: Any) -> float:
        with in_eval_mode(model):
            recall = float(self.evaluate())
        if PartialState().num_processes > 1:
            shared = [recall]
            broadcast_object_list(shared)
            recall = shared[0]
        if not math.isfinite(recall):
            raise CrossmemError(
                f"The recall that decides when to stop is {recall!r}.", "Check the stopping rows: is the set empty?"
            )
        return recall


def check_rule(threshold: float | None, callbacks: Iterable[Any]) -> None:
    """Nothing, if the setting stop_threshold is null, or a `StopWhenForgotten` is among a trainer's callbacks.

    Raises:
        CrossmemError: Nothing would measure recall, and the setting have no effect.
    """
    if threshold is not None and not any(isinstance(callback, StopWhenForgotten) for callback in callbacks):
        raise CrossmemError(
            f"stop_threshold={threshold!r}, and nothing measures recall in training.",
            "Add the callback StopWhenForgotten, or call unlearn(..., recall=...), or leave stop_threshold out.",
        )
