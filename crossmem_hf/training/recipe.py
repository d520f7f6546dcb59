# SPDX-License-Identifier: Apache-2.0
"""What the unlearning recipes have in common: settings in, an unlearned adapter out. The losses are the trainer's."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossmem_hf.training.config import UnlearnConfig


def unlearn_recipe(
    script: str, config_class: "type[UnlearnConfig] | None" = None, arguments: Sequence[str] | None = None
) -> list[str]:
    """Run one unlearning, as told by the command line, and leave its adapter in ``output_dir``.

    Returns what to tell whoever started it, a line each; nothing on processes that write nothing.

    Args:
        script: The recipe's file; the YAML beside it holds the settings for the embedded model.
        config_class: Which settings there are; None is `UnlearnConfig`, for any method and any losses.
        arguments: In the place of the command line.

    Raises:
        CrossmemError: A mistake in the settings, rows or model, before the first step; a loss that is not finite.
    """
    from crossmem_hf.data.selection import through
    from crossmem_hf.evaluation.evaluator import Evaluator
    from crossmem_hf.evaluation.memorization_check import check_memorized
    from crossmem_hf.training.settings import check_steps
    from crossmem_hf.training.unlearn import unlearn

    data, start, config, choice = _parsed(script, config_class, arguments)
    data = data.wide_enough(config.forget_modality)
    rows = data.rows()
    forget, retain = data.forget_and_retain(rows)
    queried = through(forget, config.forget_modality)
    check_steps(config, len(queried))
    stops = config.stop_threshold is not None
    stopping = Evaluator(data.stopping_rows(queried), metrics=["recall"], name="stopping") if stops else None
    evaluator = start.evaluator(data, forget, retain)
    model, processor = start.memorized(choice, rows, config)
    check_memorized(model, processor, forget, min_recall=start.min_memorization, allow=start.allow_unmemorized)
    _, rule = unlearn(
        model,
        processor,
        forget,
        retain,
        output_dir=config.output_dir,
        recall=None if stopping is None else partial(stopping.recall, model, processor),
        config=config,
        evaluator=evaluator,
        evaluation=start.evaluation,
    )
    if not config.should_save:
        return []
    evaluations = [
        f"step {step:>4}: recall {value:.2f} of the personas to forget, on views kept for stopping"
        for step, value in (rule.history if rule else [])
    ]
    return [
        *evaluations,
        *_best(config.output_dir, evaluator is not None),
        f"The unlearned adapter is in {config.output_dir}",
    ]


def _parsed(script: str, config_class: Any, arguments: Sequence[str] | None) -> tuple[Any, ...]:
    """Rows, start, config and model as the command line says; a mistake in them costs nothing yet."""
    from crossmem_hf.training.arguments import ModelArguments, RowArguments, UnlearnArguments
    from crossmem_hf.training.command_line import parsed
    from crossmem_hf.training.config import UnlearnConfig
    from crossmem_hf.training.processes import check_processes
    from crossmem_hf.training.pushing import check_push
    from crossmem_hf.training.resuming import resume_point
    from crossmem_hf.training.settings import UNLEARNING, check_settings

    kinds = (RowArguments, UnlearnArguments, config_class or UnlearnConfig, ModelArguments)
    data, start, config, choice = parsed(script, kinds, arguments)
    check_settings(config, UNLEARNING)
    check_processes(config.world_size)
    check_push(config)
    config.resume_from_checkpoint = resume_point(config)
    return data, start, config, choice


def _best(output_dir: str, evaluated: bool) -> list[str]:
    """What is in the folder `best`, if the model was evaluated in training."""
    from crossmem_hf.training.callbacks.best import RECORD

    record = Path(output_dir) / "best" / RECORD
    if not evaluated or not record.exists():
        return []
    best = json.loads(record.read_text())
    shown = ", ".join(f"{name} {best[name]:.2f}" for name in sorted(best) if name.endswith(("_recall", "_exposure")))
    return [
        f"step {best['step']:>4}: the best evaluation ({shown}) is in {record.parent}",
        "Exposure is read beside its chance level and beside step 0, the memorized model: memorization/* in the logs.",
    ]
