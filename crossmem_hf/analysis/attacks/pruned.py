# SPDX-License-Identifier: Apache-2.0
"""The smallest weights set to zero: what unlearning added may go with them. It does not know what was unlearned."""

from functools import partial
from pathlib import Path
from typing import Any, Final

from torch.nn.utils.prune import L1Unstructured

from crossmem_hf.analysis.attacks.weights import State, asked_in_states, changed_weights
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions

SHARES: Final = (0.1, 0.3, 0.5)


def pruned(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    shares: tuple[float, ...] = SHARES,
) -> Predictions:
    """Predictions of the model, and of it without these shares of the weights of each linear layer, the smallest ones,
    adapters merged into them.

    Columns as `variants.asked_in_ways` says.

    Args:
        seed: Nothing is drawn.
        shares: Above 0 and below 1; each is a pass of its own.

    Raises:
        CrossmemError: Another share, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> pruned(evaluator, *load_model())[0]["num_samples"]
        4

    Reference:
        Pruning by magnitude, https://huggingface.co/papers/1506.02626, as an attack.
    """
    if not shares or any(not 0 < share < 1 for share in shares):
        raise CrossmemError(f"shares={shares!r}; expected numbers between 0 and 1.", "Pass (0.1, 0.3), for example.")
    states: dict[str, State] = {
        f"{share:.0%}": partial(changed_weights, model, L1Unstructured(amount=share).prune) for share in shares
    }
    return asked_in_states(evaluator, model, processor, states, output_dir=output_dir, made_from=made_from)
