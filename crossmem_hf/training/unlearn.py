# SPDX-License-Identifier: Apache-2.0
"""Unlearning in one call, with settings that suit the micro VLM. The trainer it runs is in `trainer`."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedTokenizerBase, ProcessorMixin, TrainerCallback

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.config import UnlearnConfig
from crossmem_hf.training.micro import UNLEARNING
from crossmem_hf.training.reference import drop_reference
from crossmem_hf.training.stopping import StopWhenForgotten
from crossmem_hf.training.trainer import UnlearnTrainer


def unlearn(
    model: PeftModel,
    processor: ProcessorMixin | PreTrainedTokenizerBase,
    forget: Dataset,
    retain: Dataset | None,
    *,
    output_dir: str | os.PathLike[str],
    recall: Callable[[], float] | None = None,
    config: UnlearnConfig | None = None,
    trainer_class: type[UnlearnTrainer] = UnlearnTrainer,
    callbacks: Sequence[TrainerCallback] = (),
    **overrides: Any,
) -> tuple[PeftModel, StopWhenForgotten | None]:
    """The model with its adapter changed so that `forget` is forgotten, and what the stopping rule saw.

    The adapter is changed in place and saved in `output_dir`; it loads on the same base as the memorised one.

    Args:
        recall: Recall on stopping rows, 0 to 1; None trains for all steps. See `StopWhenForgotten`.
        config: Complete settings; None takes `micro.UNLEARNING`.
        overrides: Fields of `trainer_class.config_class` that replace those of `micro.UNLEARNING`.

    Raises:
        CrossmemError: As `UnlearnTrainer`, or both `config` and `overrides`.
    """
    if config is not None and overrides:
        raise CrossmemError(f"Both config and overrides {sorted(overrides)!r} were passed.", "Pass one of them.")
    config = config or trainer_class.config_class(output_dir=str(output_dir), **(UNLEARNING | overrides))
    rule = None
    if recall is not None and config.stop_threshold is not None:
        rule = StopWhenForgotten(recall, config.stop_threshold, config.stop_every_steps)
    try:
        trainer = trainer_class(
            model,
            config,
            forget,
            retain,
            processing_class=processor,
            callbacks=[*callbacks, *([rule] if rule else [])],
        )
        trainer.train()
        trainer.save_model(str(output_dir))
    finally:
        drop_reference(model)
    return model, rule
