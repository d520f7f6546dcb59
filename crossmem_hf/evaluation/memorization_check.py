# SPDX-License-Identifier: Apache-2.0
"""Whether personas were memorized well enough for unlearning to mean anything. It does not know how either is done."""

import logging
from typing import TYPE_CHECKING, Any

from crossmem_hf.errors import CrossmemError

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)


def check_memorized(
    model: Any, processor: Any, forget: "Dataset", *, min_recall: float = 0.9, allow: bool = False, max_rows: int = 256
) -> dict[str, float]:
    """Recall (0 to 1, full right answers) of the rows to forget in each modality, if the best one's is enough.

    Modalities are the values of the rows' `modality`. Personas are learned through one, recalled less through the
    other, so one is enough. Rows are those that were trained on: whether new views of the same personas are known is
    another question. Rows are shared between processes. A model that does not stand on an accelerator where there is
    one is moved there first, as a trainer would.

    Args:
        forget: Rows of all modalities that there are, whichever of them will be unlearned through.
        min_recall: The best modality must reach it. 0 runs no model and returns nothing.
        allow: Log a warning in the place of the error.
        max_rows: Most rows, chosen by `subsample.stratified_subsample`.

    Raises:
        CrossmemError: No modality reaches `min_recall`, the rows cannot be asked, or processes hold the model in
            shards.

    Example:
        >>> from crossmem_hf.data.loading import load_rows
        >>> from crossmem_hf.models.loading import load_model
        >>> model, processor = load_model()
        >>> check_memorized(model, processor, load_rows(None, "recall_text", "test", num_personas=2), allow=True)
        {'text': 0.0}
    """
    from crossmem_hf.evaluation.evaluator import Evaluator
    from crossmem_hf.evaluation.rows import questions_from
    from crossmem_hf.evaluation.subsample import stratified_subsample

    if not 0.0 <= min_recall <= 1.0:
        raise CrossmemError(f"min_recall={min_recall!r} is no recall.", "Choose 0 to 1.")
    questions = questions_from(forget, ("recall",), None, name="forget")
    if min_recall == 0.0:
        return {}
    if _in_shards():
        _refuse_unless(
            allow,
            "Processes hold the weights in shards (FSDP, DeepSpeed), which cannot be asked before training.",
            "Measure the adapter with `crossmem score` on one device; if it knows them, set allow_unmemorized.",
        )
        return {}
    evaluator = Evaluator(stratified_subsample(questions.rows, max_rows), metrics=["recall"], name="forget")
    _place(model)
    found = evaluator(model, processor).measure(["recall"], by=("target",))
    recalls = {str(one.where["target"]): one.value for one in found}
    shown = ", ".join(f"{one.where['target']} {one.value:.2f} (n={one.n})" for one in found)
    if max(recalls.values()) >= min_recall:
        _report(logging.INFO, f"Memorized: recall {shown}.")
        return recalls
    _refuse_unless(
        allow,
        f"The rows to forget are not memorized: recall {shown}; expected at least {min_recall} through one modality.",
        "Train longer (recipes/sft.py: more steps or epochs, a higher learning rate) and pass that adapter, or add "
        "rows of the modality that personas were learned in, or lower min_memorization, or set allow_unmemorized: "
        "what a model does not know it cannot forget.",
    )
    return recalls


def _refuse_unless(allow: bool, fault: str, remedy: str) -> None:
    if not allow:
        raise CrossmemError(fault, remedy)
    _report(logging.WARNING, f"{fault} Going on, as allow_unmemorized says.")


def _report(level: int, message: str) -> None:
    """Once, not once a process."""
    from crossmem_hf.runs.distributed import joined_state

    if joined_state().is_main_process:
        logger.log(level, "%s", message)


def _in_shards() -> bool:
    """Whether processes have loaded, or will have, a part of the weights only; FSDP leaves all to the first."""
    from transformers import integrations

    known: Any = integrations
    return bool(known.is_deepspeed_zero3_enabled() or known.is_fsdp_enabled())


def _place(model: Any) -> None:
    import torch

    from crossmem_hf.runs.distributed import joined_state

    if torch.accelerator.is_available() and next(model.parameters()).device.type == "cpu":
        model.to(joined_state().device)
