# SPDX-License-Identifier: Apache-2.0
"""The adapter at other strengths, from none to more than it has. It does not know what the adapter learned."""

from functools import partial
from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.attacks.weights import State, asked_in_states
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions

FACTORS: Final = (0.0, 0.25, 0.5, 0.75, 1.25, 1.5)


def rescaled(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    factors: tuple[float, ...] = FACTORS,
) -> Predictions:
    """Predictions of the model, and of it with its LoRA adapters at these multiples of their scale; 0 is the model
    without them.

    Columns as `variants.asked_in_ways` says.

    Args:
        seed: Nothing is drawn.
        factors: Each is a pass of its own.

    Raises:
        CrossmemError: The model has no LoRA adapter, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> from crossmem_hf.training.memorize import language_lora
        >>> from peft import get_peft_model
        >>> model, processor = load_model()
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> adapted = get_peft_model(model, language_lora())
        >>> rescaled(evaluator, adapted, processor, factors=(0.5,))[0]["num_samples"]
        2

    Reference:
        Interpolated weights, https://huggingface.co/papers/2109.01903, through `peft.helpers.rescale_adapter_scale`.
    """
    from peft.helpers import rescale_adapter_scale
    from peft.tuners.lora import LoraLayer

    if not any(isinstance(module, LoraLayer) for module in model.modules()):
        raise CrossmemError("The model has no LoRA adapter to rescale.", "Load it with adapter=, not merged.")
    states: dict[str, State] = {f"x{factor:g}": partial(rescale_adapter_scale, model, factor) for factor in factors}
    return asked_in_states(evaluator, model, processor, states, output_dir=output_dir, made_from=made_from)
