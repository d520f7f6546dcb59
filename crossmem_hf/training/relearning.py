# SPDX-License-Identifier: Apache-2.0
"""The relearning attack: some people are learned again, the others are asked about. It knows the table of attacks from
within: `analysis.attacks.table` names it, and it alone of them trains."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict

from crossmem_hf.analysis.attacks.variants import columns_of, passes
from crossmem_hf.data.splits import person_key
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.seeding import rng_for
from crossmem_hf.training.memorize import memorize

SHARE: Final = 0.2
NUM_STEPS: Final = (5, 20, 50)
LEARNING_RATE: Final = 1e-3


def relearning(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    share: float = SHARE,
    num_steps: Sequence[int] = NUM_STEPS,
    learning_rate: float = LEARNING_RATE,
) -> Predictions:
    """The evaluator's own predictions, with what the model answers about the other personas once it has learned the
    rows of a share of them again, for so many steps.

    Columns as `variants.asked_in_ways` says, a number of steps in the place of a way; ``taught`` says whose rows were
    learned, who are asked once, before. Each training starts from the model as it is, which has its weights back
    afterwards: of an adapter, the adapter learns; a model without one gets one for as long.

    Args:
        seed: Of who is taught, and of the training.
        share: Of the personas that the rows are about; at least one is taught, and one is not.
        num_steps: Optimizer steps, 16 rows each; each number is a training and a pass of its own.
        learning_rate: Constant. The default suits the embedded models.

    Raises:
        CrossmemError: Fewer than two personas, a share or number out of range, or whatever trainer and evaluator
            refuse.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = relearning(evaluator, *load_model("micro-s"), num_steps=(2,))
        >>> sum(one["taught"] for one in found), sum(one["num_samples"] == 2 for one in found)
        (8, 32)

    Reference:
        Relearning a part brings the rest back: https://huggingface.co/papers/2406.13356.
    """
    taught = _taught(evaluator, share, num_steps, seed)
    is_taught = [person_key(row["persona_id"]) in taught for row in evaluator.questions.about]
    own, others = ([place for place, one in enumerate(is_taught) if one == wanted] for wanted in (True, False))
    learned = evaluator.rows.select(own)
    asking = evaluator.altered(rows=evaluator.rows.select(others), metrics=("recall",), holdout=None)

    predicted = passes(model, processor, output_dir, made_from)
    found = predicted(evaluator, "queried")
    said: list[dict[str, bool]] = [{"plain": one["correct"]} for one in found]
    for steps in num_steps:
        with relearned(model, processor, learned, max_steps=steps, learning_rate=learning_rate, seed=seed):
            answers = predicted(asking, f"{steps}-{share}-{learning_rate}")
        for place, one in zip(others, answers, strict=True):
            said[place][f"{steps} steps"] = one["correct"]
    columns = ({**columns_of(answers), "taught": one} for answers, one in zip(said, is_taught, strict=True))
    return Predictions(({**one, **more} for one, more in zip(found, columns, strict=True)), against=found.against)


@contextmanager
def relearned(model: Any, processor: Any, rows: Any, **how: Any) -> Iterator[None]:
    """Within it the model has learned rows; then it has the weights, the gradients asked for and the mode from before.

    Args:
        model: Its adapter learns; a model without one gets one for as long.
        how: Fields of `VisionSFTConfig` in the place of `micro.MEMORIZING`.
    """
    learns = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    has_adapter, was_training = isinstance(model, PeftModel), model.training
    kept = {name: value.clone() for name, value in get_peft_model_state_dict(model).items()} if has_adapter else {}
    quiet = {"disable_tqdm": True, "report_to": "none", "logging_strategy": "no", "lr_scheduler_type": "constant"}
    wrapped = None
    try:
        with TemporaryDirectory() as folder, redirect_stdout(StringIO()):  # where trainers say how fast they were
            settings: dict[str, Any] = quiet | {"per_device_train_batch_size": 16} | how
            wrapped = memorize(model, processor, rows, output_dir=folder, **settings)
        wrapped.eval()
        yield
    finally:
        if has_adapter:
            set_peft_model_state_dict(model, kept)
        elif wrapped is not None:
            wrapped.unload()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(learns[name])
        model.train(was_training)


def _taught(evaluator: Evaluator, share: float, num_steps: Sequence[int], seed: int) -> frozenset[str]:
    """Who is, if that and the numbers are possible."""
    if not 0 < share < 1 or not num_steps or min(num_steps) < 1:
        raise CrossmemError(
            f"share={share!r}, num_steps={tuple(num_steps)!r}; expected a share between 0 and 1, and numbers from 1.",
            "Pass share=0.2, num_steps=(5, 20), for example.",
        )
    personas = sorted({person_key(row["persona_id"]) for row in evaluator.questions.about})
    if len(personas) < 2:
        raise CrossmemError(
            f"The rows are about {len(personas)} persona; expected at least two.",
            "Ask about several: some are learned again, and the others are asked about.",
        )
    count = min(len(personas) - 1, max(1, round(share * len(personas))))
    return frozenset(rng_for(seed, "relearning").sample(personas, count))
