# SPDX-License-Identifier: Apache-2.0
"""The relearning attacks: some people are learned again, the others are asked about. They know the table of attacks
from within: `analysis.attacks.table` names them, and they alone of it train."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict

from crossmem_hf.analysis.attacks.learned import Halves
from crossmem_hf.analysis.attacks.weights import State
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.modes import random_state_kept
from crossmem_hf.seeding import seed_everything
from crossmem_hf.training.adapters import adapted
from crossmem_hf.training.memorize import default_lora, memorize

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
    halves, how = Halves.of(evaluator, share, seed, "relearning"), {"learning_rate": learning_rate, "seed": seed}
    states = _states(model, processor, halves, num_steps, how)
    folder = None if output_dir is None else Path(output_dir) / f"{share}-{learning_rate}-{seed}"
    return halves.asked(model, processor, states, output_dir=folder, made_from=made_from)


def relearning_others(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    num_steps: Sequence[int] = NUM_STEPS,
    learning_rate: float = LEARNING_RATE,
) -> Predictions:
    """As `relearning`, but those to retain are learned again, and all who are to be forgotten are asked about: nothing
    of what comes back was in the training.

    Args:
        seed: Of the training.
        num_steps, learning_rate: As there.

    Raises:
        CrossmemError: The rows are not about both groups, a number out of range, or whatever trainer and evaluator
            refuse.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5, forget_fraction=0.2), metrics=["recall"])
        >>> found = relearning_others(evaluator, *load_model("micro-s"), num_steps=(2,))
        >>> sum(one["taught"] for one in found), sum(one["num_samples"] == 2 for one in found)
        (32, 8)

    Reference:
        Benign relearning, https://huggingface.co/papers/2406.13356.
    """
    halves, how = Halves.of_groups(evaluator), {"learning_rate": learning_rate, "seed": seed}
    states = _states(model, processor, halves, num_steps, how)
    folder = None if output_dir is None else Path(output_dir) / f"others-{learning_rate}-{seed}"
    return halves.asked(model, processor, states, output_dir=folder, made_from=made_from)


def _states(
    model: Any, processor: Any, halves: Halves, num_steps: Sequence[int], how: dict[str, Any]
) -> dict[str, State]:
    """The model after each number of steps on the rows about those who are taught."""
    if not num_steps or min(num_steps) < 1:
        raise CrossmemError(
            f"num_steps={tuple(num_steps)!r}; expected numbers from 1.", "Pass num_steps=(5, 20), for example."
        )
    learned = halves.rows(taught=True)
    return {
        f"{steps} steps": partial(relearned, model, processor, learned, max_steps=steps, **how) for steps in num_steps
    }


@contextmanager
def relearned(model: Any, processor: Any, rows: Any, **how: Any) -> Iterator[None]:
    """Within it the model has learned rows; then it has the weights, the gradients asked for and the mode from before,
    also where learning fails.

    Args:
        model: Its adapter learns; a model without one gets one for as long.
        how: Fields of `VisionSFTConfig` in the place of `micro.MEMORIZING`.
    """
    learns = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    has_adapter, was_training = isinstance(model, PeftModel), model.training
    cached = getattr(model.config, "use_cache", None)
    kept = {name: value.clone() for name, value in get_peft_model_state_dict(model).items()} if has_adapter else {}
    quiet = {"disable_tqdm": True, "report_to": "none", "logging_strategy": "no", "lr_scheduler_type": "constant"}
    precise = {"bf16": False, "fp16": False}  # or the model's forward pass stays wrapped in autocast
    wrapped = model
    try:
        with random_state_kept(), TemporaryDirectory() as folder, redirect_stdout(StringIO()):  # trainers say how fast
            if not has_adapter:
                seed_everything(how.get("seed", 0))
                wrapped = adapted(model, default_lora(model))
            settings: dict[str, Any] = quiet | precise | {"per_device_train_batch_size": 16} | how
            memorize(wrapped, processor, rows, output_dir=folder, **settings)
        wrapped.eval()
        yield
    finally:
        if has_adapter:
            set_peft_model_state_dict(model, kept)
        elif wrapped is not model:
            wrapped.unload()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(learns[name])
        if getattr(model.config, "use_cache", None) != cached:  # trainers switch it off
            model.config.use_cache = cached
        model.train(was_training)
