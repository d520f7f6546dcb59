# SPDX-License-Identifier: Apache-2.0
"""What a model remembers while it trains: logged, the best checkpoint kept, training stopped when all is forgotten. It
works with any trainer of `transformers`; what is asked and measured is the evaluator's."""

import logging
import math
from typing import TYPE_CHECKING, Any, Literal

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.modes import in_eval_mode, random_state_kept
from crossmem_hf.training.callbacks.best import BestCheckpoint
from crossmem_hf.training.callbacks.finite import are_finite
from crossmem_hf.training.callbacks.state import remember, remembered
from crossmem_hf.training.checks import check_not_reported, check_whole, first_reported

if TYPE_CHECKING:
    from crossmem_hf.evaluation.evaluator import Evaluator

logger = logging.getLogger(__name__)

PREFIX = "memorization/"
FORGET, RETAIN, MEAN = "forget", "retain", "harmonic_mean"
StopAt = float | Literal["chance"] | None


def harmonic_mean(forgotten: float, retained: float) -> float:
    """2ab / (a + b), 0 to 1: high only when both are; 0 when both are 0.

    Example:
        >>> harmonic_mean(1.0, 0.5), harmonic_mean(0.0, 1.0)
        (0.6666666666666666, 0.0)
    """
    total = forgotten + retained
    return 2 * forgotten * retained / total if total else 0.0


class MemorizationCallback(TrainerCallback):
    """Evaluates the model in training every so many optimizer steps, by group and modality.

    It evaluates when training begins, every `every_steps`, and after the last step, and logs through the trainer, so
    that whatever ``report_to`` names gets ``memorization/forget_image_recall``, ``memorization/retain_text_exposure``
    and so on (`Predictions.headlines` of the evaluator's metrics), and ``memorization/harmonic_mean`` of (1 - forget
    recall) and retain recall, each averaged over modalities. Beside each number stands what guessing gives, as
    ``memorization/forget_image_exposure_chance``; step 0 is the model before this training, for unlearning the
    memorized one.

    The model, its modes and all random numbers are afterwards as they were: evaluated or not, a training ends with the
    same weights, bit for bit. Rows are shared between processes.

    After each evaluation behind the first step that has the highest harmonic mean so far, the model is saved in
    ``output_dir/best`` (see `best.BestCheckpoint`). What was measured goes into checkpoints, and is taken up again by
    a run that goes on from one.

    Args:
        trainer: The trainer that this is added to.
        evaluator: Asks the rows; its groups "forget" and "retain" are those that the harmonic mean speaks of, and
            without either, or without the metric `recall`, there is no best.
        every_steps: Optimizer steps between two evaluations, at least 1.
        keep_best: Whether to save the best. To choose a checkpoint by rows is to fit them: report others. None saves
            it unless the evaluator has test rows (their `template` begins with "test").
        stop_at: Stop training when forget recall is this or lower in every modality: a number from 0 to 1, or
            "chance" (1 / number of candidates). None never stops.

    Attributes:
        history: The numbers of each evaluation, without the prefix, and its "step".
        best: The entry of `history` that the folder ``best`` holds; empty if none.
        stopped_at: The step at which it stopped training, or None.

    Raises:
        CrossmemError: A number out of range, nothing to forget where `stop_at` is set, test rows that would choose
            what is kept or when to stop, or a trainer without a processor; when training begins, weights in shards
            (FSDP, DeepSpeed ZeRO-3), which no process can ask alone.

    Example:
        ``trainer.add_callback(MemorizationCallback(trainer, CrossModalEvaluator(data, split="validation")))``
    """

    def __init__(
        self,
        trainer: Trainer,
        evaluator: "Evaluator",
        *,
        every_steps: int = 10,
        keep_best: bool | None = None,
        stop_at: StopAt = None,
    ) -> None:
        if trainer.processing_class is None:
            raise CrossmemError("The trainer has no processor, so nothing can be asked.", "Pass processing_class.")
        if isinstance(every_steps, bool) or not isinstance(every_steps, int) or every_steps < 1:
            raise CrossmemError(
                f"every_steps={every_steps!r}; expected at least 1.", "Evaluate every 1 or more steps."
            )
        self.trainer: Any = trainer
        self.evaluator, self.every_steps = evaluator, every_steps
        self.keep_best = first_reported(evaluator.rows) is None if keep_best is None else keep_best
        if keep_best or stop_at is not None:
            check_not_reported({"evaluation": evaluator.rows})
        self.floor = self._floor(stop_at)
        self.history: list[dict[str, float]] = []
        self.best: dict[str, float] = {}
        self.stopped_at: int | None = None

    def _floor(self, stop_at: float | str | None) -> dict[str, float]:
        """The recall of each modality at which there is nothing left to forget; empty never stops."""
        if stop_at is None:
            return {}
        chance = self.evaluator.chance(FORGET)
        if "recall" not in self.evaluator.metrics or not chance or FORGET not in self.evaluator.groups:
            raise CrossmemError(
                f"stop_at={stop_at!r}, and the evaluator measures no recall of personas to forget.",
                "Give it the metric recall and forgotten=, the ids of the personas to forget.",
            )
        if stop_at == "chance":
            if max(chance.values()) == 1.0:
                raise CrossmemError(
                    "There is one candidate, so nobody can guess.", "Pass candidates to the evaluator."
                )
            return chance
        if isinstance(stop_at, str) or not 0.0 <= stop_at <= 1.0:
            raise CrossmemError(f"stop_at={stop_at!r} is no recall.", "Choose 0 to 1, 'chance' or None.")
        return dict.fromkeys(chance, float(stop_at))

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Take up what a run that is gone on with has measured, and evaluate once before the first step."""
        check_whole(self.trainer)
        kept = remembered(state, self)
        self.history, self.stopped_at = kept.get("history", []), kept.get("stopped_at")
        # A run that was killed may have kept a later one than its checkpoint knows of.
        there = BestCheckpoint(str(args.output_dir)).mended(writes=args.should_save) if self.keep_best else {}
        self.best = there if kept.get("best") else {}
        if self.stopped_at is not None:
            control.should_training_stop = True  # heeded after a step; the trainer knows no earlier place
        return self._evaluate_once(args, state, control)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Evaluate, if it is time or the last step."""
        last = control.should_training_stop or state.global_step >= state.max_steps
        due = last or state.global_step % self.every_steps == 0
        return self._evaluate_once(args, state, control) if due else control

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Evaluate what training ended with, if something else ended it."""
        return self._evaluate_once(args, state, control)

    def _evaluate_once(self, args: TrainingArguments, state: TrainerState, control: TrainerControl) -> TrainerControl:
        """Evaluate, unless these weights have been evaluated."""
        step = state.global_step
        if self.history and self.history[-1]["step"] == step:
            return control
        model, should_log = self.trainer.model, control.should_log
        with in_eval_mode(model), random_state_kept():
            numbers, chances = self._numbers(model)
            # Inside, since trl's trainers add what they have gathered in training to a log made in that mode.
            self.trainer.log({f"{PREFIX}{name}": value for name, value in (numbers | chances).items()})
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
            logger.info("Step %d: recall of the rows to forget is at its floor in every modality.", step)
        remember(state, self, {"history": self.history, "best": self.best, "stopped_at": self.stopped_at})
        return control

    def _numbers(self, model: Any) -> tuple[dict[str, float], dict[str, float]]:
        """The numbers by name, and the chance levels beside them."""
        predictions = self.evaluator(model, self.trainer.processing_class)
        found = predictions.headlines(self.evaluator.metrics, by=("group", "target"))
        numbers = {name: one.value for name, one in found.items()}
        chances = {f"{name}_chance": one.chance for name, one in found.items() if one.chance is not None}
        recalls: dict[Any, list[float]] = {}
        for one in found.values():
            if one.metric == "recall":
                recalls.setdefault(one.where.get("group"), []).append(one.value)
        means = {group: sum(several) / len(several) for group, several in recalls.items()}
        if FORGET in means and RETAIN in means:
            numbers[MEAN] = harmonic_mean(1 - means[FORGET], means[RETAIN])
        return numbers, chances

    def _keep(self, args: TrainingArguments) -> None:
        if not are_finite(self.trainer.model.parameters()):
            return  # nonsense is not the best, whatever it answers; the trainer says what is wrong
        self.best = dict(self.history[-1])
        place = BestCheckpoint(str(args.output_dir))

        def save(folder: str) -> None:
            self.trainer.save_model(folder, _internal_call=True)  # which pushes nothing to the Hub

        place.keep(save, self.best, writes=args.should_save)
