# SPDX-License-Identifier: Apache-2.0
"""Unlearning in one call, with settings that suit the micro VLM. The trainer it runs is in `trainer`."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedTokenizerBase, ProcessorMixin, TrainerCallback

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.callbacks.memorization import MemorizationCallback
from crossmem_hf.training.callbacks.stopping import StopWhenForgotten
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.micro import UNLEARNING
from crossmem_hf.training.reference import drop_reference
from crossmem_hf.training.resuming import OwnCheckpoints, resume_point
from crossmem_hf.training.trainer import UnlearnTrainer

if TYPE_CHECKING:
    from crossmem_hf.evaluation.evaluator import Evaluator


def unlearn(
    model: PeftModel,
    processor: ProcessorMixin | PreTrainedTokenizerBase,
    forget: Dataset,
    retain: Dataset | None,
    *,
    output_dir: str | os.PathLike[str],
    recall: Callable[[], float] | None = None,
    config: UnlearnConfig | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    evaluator: "Evaluator | None" = None,
    evaluation: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> tuple[PeftModel, StopWhenForgotten | None]:
    """The model with its adapter changed so that `forget` is forgotten, and what the stopping rule saw.

    The adapter is changed in place and saved in `output_dir`; it loads on the same base as the memorized one. A run
    that was killed goes on from ``resume_from_checkpoint`` (a setting; see `resuming.resume_point`), given the same
    memorized model, rows and settings, and ends with the weights it would have had.

    Args:
        recall: Recall on stopping rows, 0 to 1; None trains for all steps, and stop_threshold must not be set then.
            See `StopWhenForgotten`.
        config: Complete settings; None takes `micro.UNLEARNING`.
        evaluator: Evaluated in training, by a `MemorizationCallback` with the options `evaluation`.
        overrides: Fields of `UnlearnConfig`, such as ``method="rmu"``, that replace those of `micro.UNLEARNING`.

    Raises:
        CrossmemError: As `UnlearnTrainer`, both `config` and `overrides`, or a checkpoint that is not complete.
    """
    if config is not None and overrides:
        raise CrossmemError(f"Both config and overrides {sorted(overrides)!r} were passed.", "Pass one of them.")
    chosen = UNLEARNING if recall is not None else UNLEARNING | {"stop_threshold": None}
    config = config or UnlearnConfig(output_dir=str(output_dir), **(chosen | overrides))
    rule = None
    if recall is not None and config.stop_threshold is not None:
        rule = StopWhenForgotten(recall, config.stop_threshold, config.stop_every_steps)
    point = resume_point(config)

    def begun(step: int) -> None:
        if trainer.last_good is not None:
            trainer.last_good.keep(step)  # or a loss that is NaN at once would undo what the checkpoint had reached

    try:
        trainer = UnlearnTrainer(
            model,
            config,
            forget,
            retain,
            processing_class=processor,
            callbacks=[OwnCheckpoints(begun), *callbacks, *([rule] if rule else [])],
        )
        if evaluator is not None:  # the last, so that it sees that another stops the training
            trainer.add_callback(MemorizationCallback(trainer, evaluator, **(evaluation or {})))
        trainer.train(resume_from_checkpoint=point)
        trainer.save_model(str(output_dir))
    finally:
        drop_reference(model)
    return model, rule
