# SPDX-License-Identifier: Apache-2.0
"""What a model remembers, watched while it trains: logged, the best checkpoint kept, stopped when all is forgotten.
It works with any trainer of `transformers`; what a look measures is in `looks`."""

import logging
import math
from collections.abc import Mapping
from typing import Any, Literal

from datasets import Dataset
from torch.distributed.tensor import DTensor
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.watched import Candidates, Watched, check_not_reported, random_state_kept
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.training.callbacks.best import BestCheckpoint
from crossmem_hf.training.callbacks.finite import are_finite
from crossmem_hf.training.callbacks.state import remember, remembered

logger = logging.getLogger(__name__)

PREFIX = "memorization/"
FORGET, RETAIN, MEAN = "forget", "retain", "harmonic_mean"


def harmonic_mean(forgotten: float, retained: float) -> float:
    """2ab / (a + b), 0 to 1: high only when both are; 0 when both are 0.

    Example:
        >>> harmonic_mean(1.0, 0.5), harmonic_mean(0.0, 1.0)
        (0.6666666666666666, 0.0)
    """
    total = forgotten + retained
    return 2 * forgotten * retained / total if total else 0.0


class MemorizationCallback(TrainerCallback):
    """Measures, every so many optimizer steps, what the model in training remembers of sets of rows, by modality.

    It looks when training begins, every `every_steps`, and after the last step, and logs through the trainer, so that
    whatever ``report_to`` names gets ``memorization/forget_image_recall``, ``memorization/retain_text_exposure`` and
    so on (see `looks.Watched.look`), and ``memorization/harmonic_mean`` of (1 - forget recall) and retain recall, each
    averaged over modalities. Beside each Exposure stands what guessing gives, as
    ``memorization/forget_image_exposure_chance``; the look at step 0 is that of the model before this training, for
    unlearning the memorized one.

    The model, its modes and all random numbers are afterwards as they were: watched or not, a training ends with the
    same weights, bit for bit. Rows are shared between processes.

    After each look behind the first step that has the highest harmonic mean so far, the model is saved in
    ``output_dir/best`` (see `best.BestCheckpoint`). What was seen goes into checkpoints, and is taken up again by a
    run that goes on from one.

    Args:
        trainer: The trainer that this is added to.
        sets: Rows by name; "forget" and "retain" are those that the harmonic mean speaks of, and without either there
            is no best. To choose a checkpoint by rows is to fit them: report others. Test rows of our datasets
            (their `template` begins with "test") are watched only with neither `keep_best` nor `stop_at`.
        candidates: What the answers of all sets are ranked among for Exposure: one list, or one an attribute.
        every_steps: Optimizer steps between two looks, at least 1.
        keep_best: Whether to save the best.
        stop_at: Stop training when forget recall is this or lower through every modality: a number from 0 to 1, or
            "chance" (1 / number of candidates). None never stops.

    Attributes:
        history: The numbers of each look, without the prefix, and its "step".
        best: The entry of `history` that the folder ``best`` holds; empty if none.
        stopped_at: The step at which it stopped training, or None.

    Raises:
        CrossmemError: Rows or candidates that cannot be used (see `looks.Watched`), a number out of range, "chance"
            without candidates, test rows that would choose what is kept or when to stop, or a trainer without a
            processor; when training begins, weights in shards (FSDP, DeepSpeed ZeRO-3), which no process can ask
            alone.

    Example:
        ``trainer.add_callback(MemorizationCallback(trainer, {"forget": forget, "retain": retain}, candidates=names))``
    """

    def __init__(
        self,
        trainer: Trainer,
        sets: Mapping[str, Dataset],
        *,
        candidates: Candidates | None = None,
        every_steps: int = 10,
        keep_best: bool = True,
        stop_at: float | Literal["chance"] | None = None,
    ) -> None:
        if trainer.processing_class is None:
            raise CrossmemError("The trainer has no processor, so nothing can be asked.", "Pass processing_class.")
        if isinstance(every_steps, bool) or not isinstance(every_steps, int) or every_steps < 1:
            raise CrossmemError(f"every_steps={every_steps!r}; expected at least 1.", "Look every 1 or more steps.")
        if not sets:
            raise CrossmemError("There is no set of rows to watch.", 'Pass {"forget": rows, "retain": rows}.')
        self.trainer: Any = trainer
        self.every_steps, self.keep_best = every_steps, keep_best
        self.watched = [Watched(name=name, rows=rows, candidates=candidates) for name, rows in sets.items()]
        if keep_best or stop_at is not None:
            check_not_reported(sets)
        self.floor = self._floor(stop_at)
        self.history: list[dict[str, float]] = []
        self.best: dict[str, float] = {}
        self.stopped_at: int | None = None

    def _floor(self, stop_at: float | str | None) -> dict[str, float]:
        """The recall of each modality at which there is nothing left to forget; empty never stops."""
        if stop_at is None:
            return {}
        forget = next((watched for watched in self.watched if watched.name == FORGET), None)
        if forget is None:
            raise CrossmemError(f"stop_at={stop_at!r} without a set 'forget'.", "Watch the rows to forget.")
        if stop_at == "chance":
            if forget.candidates is None:
                raise CrossmemError("Without candidates there is no chance level to stop at.", "Pass candidates.")
            return forget.chance()
        if isinstance(stop_at, str) or not 0.0 <= stop_at <= 1.0:
            raise CrossmemError(f"stop_at={stop_at!r} is no recall.", "Choose 0 to 1, 'chance' or None.")
        return dict.fromkeys(forget.modalities, float(stop_at))

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Take up what a run that is gone on with has seen, and look once before the first step."""
        self._check_whole()
        kept = remembered(state, self)
        self.history, self.stopped_at = kept.get("history", []), kept.get("stopped_at")
        # A run that was killed may have kept a later one than its checkpoint tells of.
        there = BestCheckpoint(str(args.output_dir)).mended(writes=args.should_save) if self.keep_best else {}
        self.best = there if kept.get("best") else {}
        if self.stopped_at is not None:
            control.should_training_stop = True  # heeded after a step; the trainer knows no earlier place
        return self._look_once(args, state, control)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Look, if it is time or the last step."""
        last = control.should_training_stop or state.global_step >= state.max_steps
        return self._look_once(args, state, control) if last or state.global_step % self.every_steps == 0 else control

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Look at what training ended with, if something else ended it."""
        return self._look_once(args, state, control)

    def _look_once(self, args: TrainingArguments, state: TrainerState, control: TrainerControl) -> TrainerControl:
        """Look, unless these weights have been looked at."""
        step = state.global_step
        if self.history and self.history[-1]["step"] == step:
            return control
        model, should_log = self.trainer.model, control.should_log
        with in_eval_mode(model), random_state_kept():
            numbers = self._numbers(model)
            # Inside, since trl's trainers add what they have gathered in training to a log made in that mode.
            beside = {
                name: chance
                for watched in self.watched
                for name, chance in watched.chance_exposures().items()
                if name.removesuffix("_chance") in numbers
            }
            self.trainer.log({f"{PREFIX}{name}": value for name, value in (numbers | beside).items()})
            control.should_log = should_log  # logging takes the wish as fulfilled; it was for the loss
            self.history.append({"step": step, **numbers})
            if step and self.keep_best and numbers.get(MEAN, -math.inf) > self.best.get(MEAN, -math.inf):
                self._keep(args)
        if (
            step
            and self.floor
            and all(numbers[f"{FORGET}_{modality}_recall"] <= low for modality, low in self.floor.items())
        ):
            self.stopped_at = self.stopped_at or step
            control.should_training_stop = True
            logger.info("Step %d: recall of the rows to forget is at its floor through every modality.", step)
        remember(state, self, {"history": self.history, "best": self.best, "stopped_at": self.stopped_at})
        return control

    def _numbers(self, model: Any) -> dict[str, float]:
        numbers: dict[str, float] = {}
        means = {}
        for watched in self.watched:
            found = watched.look(model, self.trainer.processing_class)
            recalls = [found[f"{watched.name}_{modality}_recall"] for modality in watched.modalities]
            means[watched.name] = sum(recalls) / len(recalls)
            numbers |= found
        if FORGET in means and RETAIN in means:
            numbers[MEAN] = harmonic_mean(1 - means[FORGET], means[RETAIN])
        return numbers

    def _keep(self, args: TrainingArguments) -> None:
        if not are_finite(self.trainer.model.parameters()):
            return  # nonsense is not the best, whatever it answers; the trainer says what is wrong
        self.best = dict(self.history[-1])
        place = BestCheckpoint(str(args.output_dir))

        def save(folder: str) -> None:
            self.trainer.save_model(folder, _internal_call=True)  # which pushes nothing to the Hub

        place.keep(save, self.best, writes=args.should_save)

    def _check_whole(self) -> None:
        plugin = getattr(self.trainer.accelerator.state, "deepspeed_plugin", None)
        in_shards = self.trainer.is_fsdp_enabled or (plugin is not None and plugin.zero_stage == 3)
        if in_shards or any(isinstance(weight, DTensor) for weight in self.trainer.model.parameters()):
            raise CrossmemError(
                "The model's weights are in shards (FSDP or DeepSpeed ZeRO-3), so no process can ask it alone.",
                "Train with DDP or ZeRO-1 or -2, or measure checkpoints afterwards with crossmem score.",
            )
