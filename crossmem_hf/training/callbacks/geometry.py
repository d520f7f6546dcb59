# SPDX-License-Identifier: Apache-2.0
"""The shape of a model's states while it trains: logged, and kept in checkpoints. It works with any trainer of
`transformers`; what is measured is that of `analysis.representations`."""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crossmem_hf.analysis.representations import representation_geometry
from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.representation_geometry.geometry_math import Form
from crossmem_hf.models.modes import in_eval_mode, random_state_kept
from crossmem_hf.scoring.batches import Auto, check_size
from crossmem_hf.storage import fingerprint
from crossmem_hf.training.callbacks.state import check_name, remember, remembered
from crossmem_hf.training.checks import check_whole


class RepresentationGeometryCallback(TrainerCallback):
    """Follows RankMe, participation ratio and, with a rank range, alpha-ReQ of what some rows leave in a model.

    It measures when training begins, every `every_steps`, and after the last step, and logs through the trainer, so
    that whatever ``report_to`` names gets ``geometry/forget_rankme`` and so on. It costs a forward pass over the rows
    each time; every process makes the whole pass. The model, its modes and all random numbers are afterwards as they
    were. A run that goes on from a checkpoint goes on with what that had measured.

    Args:
        trainer: The trainer that this is added to; needs a processor.
        rows: Name -> conversational rows with `prompt` and `images`, such as those to forget and those to retain.
        every_steps: Optimizer steps between two measurements, at least 1.
        layer: As for `representation_geometry`.
        form: As for `representation_geometry`.
        rank_range: As for `representation_geometry`; None leaves alpha-ReQ out, as few rows and narrow models need.
        batch_size: Rows at a time.
        name: Tells several of these on one trainer apart, in logs (``geometry_NAME/forget_rankme``) and checkpoints.

    Attributes:
        history: The numbers of each measurement by name, such as ``forget_rankme``, and its ``step``.

    Raises:
        CrossmemError: No rows, a number out of range, or a trainer without a processor; when training begins, two
            callbacks of one name, a checkpoint of other rows or settings, weights in shards (FSDP, DeepSpeed ZeRO-3),
            or whatever `representation_geometry` refuses.

    Example:
        ``trainer.add_callback(RepresentationGeometryCallback(trainer, {"forget": forget, "retain": retain}))``

    Reference:
        https://huggingface.co/papers/2509.23024, where saved checkpoints are measured.
    """

    def __init__(
        self,
        trainer: Trainer,
        rows: Mapping[str, Any],
        *,
        every_steps: int = 10,
        layer: int = -1,
        form: Form = "eigenvalue",
        rank_range: Sequence[int] | None = None,
        batch_size: int | Auto = "auto",
        name: str = "",
    ) -> None:
        if trainer.processing_class is None:
            raise CrossmemError("The trainer has no processor, so nothing can be asked.", "Pass processing_class.")
        if not rows or not all(len(own) for own in rows.values()):
            raise CrossmemError("There are no rows, or none of a name.", "Pass rows by name, {'forget': rows}.")
        check_size("every_steps", every_steps)
        self.trainer: Any = trainer
        self.rows, self.every_steps, self.name = dict(rows), every_steps, name
        self._how: dict[str, Any] = {"layer": layer, "form": form, "rank_range": rank_range}
        self._batch_size = batch_size
        self._of_rows = ""
        self.history: list[dict[str, float]] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Take up what a run that is gone on with has measured, and measure once before the first step."""
        check_name(self.trainer, self)
        check_whole(self.trainer)
        asked = {name: [str(row["prompt"]) for row in own] for name, own in self.rows.items()}
        kept, self._of_rows = remembered(state, self), fingerprint([asked, self._how])
        if kept and kept["rows"] != self._of_rows:
            raise CrossmemError(
                f"The checkpoint of step {state.global_step} has looked at other rows, or otherwise.",
                "Pass the rows and settings that the run began with, or another name.",
            )
        self.history = list(kept.get("history", []))
        return self._measure_once(state, control)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Measure, if it is time or the last step."""
        last = control.should_training_stop or state.global_step >= state.max_steps
        return self._measure_once(state, control) if last or state.global_step % self.every_steps == 0 else control

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Measure what training ended with, if something else ended it."""
        return self._measure_once(state, control)

    def _measure_once(self, state: TrainerState, control: TrainerControl) -> TrainerControl:
        """Measure, unless these weights have been measured."""
        if self.history and self.history[-1]["step"] == state.global_step:
            return control
        model, should_log = self.trainer.model, control.should_log
        with in_eval_mode(model), random_state_kept():
            numbers = {
                f"{name}_{number}": value
                for name, own in self.rows.items()
                for number, value in self._geometry(model, own).items()
            }
            # Inside, since trl's trainers add what they have gathered in training to a log made in that mode.
            prefix = f"geometry_{self.name}" if self.name else "geometry"
            self.trainer.log({f"{prefix}/{name}": value for name, value in numbers.items()})
            control.should_log = should_log  # logging takes the wish as fulfilled; it was for the loss
        self.history.append({"step": state.global_step, **numbers})
        remember(state, self, {"history": self.history, "rows": self._of_rows})
        return control

    def _geometry(self, model: Any, rows: Any) -> dict[str, float]:
        how = self._how | {"batch_size": self._batch_size}
        found = representation_geometry(model, self.trainer.processing_class, rows, **how)
        return {name: value for name, value in found.items() if name not in ("n", "dim")}
