# SPDX-License-Identifier: Apache-2.0
"""Reporting how far a training has come. It does not know what is trained."""

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class ReportProgress(TrainerCallback):
    """Reports a training as the part of a job between two shares.

    Args:
        report: Called with the title and the share of the job that is done.
        title: What is going on.
        start: Share of the job done when training starts, 0 to 1.
        stop: Share of the job done when training ends.

    Attributes:
        step: The last step made.
    """

    def __init__(self, report: Callable[[str, float], None], title: str, start: float, stop: float) -> None:
        self.report, self.title, self.start, self.stop = report, title, start, stop
        self.step = 0

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Report the share reached."""
        self.step = state.global_step
        share = self.step / max(1, state.max_steps)
        self.report(f"{self.title} {self.step}/{state.max_steps}", self.start + share * (self.stop - self.start))
