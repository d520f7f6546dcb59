# SPDX-License-Identifier: Apache-2.0
"""A model that is asked in other states of its weights, which then are what they were, bit by bit. It does not know
what the states do."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crossmem_hf.analysis.attacks.variants import columns_of, passes
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions

State = Callable[[], AbstractContextManager[Any]]
"""Within what it makes, the weights are others."""


def asked_in_states(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    states: Mapping[str, State],
    *,
    output_dir: Path | str | None,
    made_from: str | None,
) -> Predictions:
    """The evaluator's own predictions, with what the model answers to the same rows in each state.

    Columns as `variants.asked_in_ways` says, a state in the place of a way.

    Args:
        states: Name -> state; each costs a pass of free answers.
        output_dir: As for `Evaluator`, with `made_from`.
    """
    predicted = passes(model, processor, output_dir, made_from)
    found, asking = predicted(evaluator, "queried"), evaluator.altered(metrics=("recall",), holdout=None)
    said: list[dict[str, bool]] = [{"plain": one["correct"]} for one in found]
    for name, state in states.items():
        with state():
            for answers, one in zip(said, predicted(asking, name), strict=True):
                answers[name] = one["correct"]
    return Predictions(
        ({**one, **columns_of(answers)} for one, answers in zip(found, said, strict=True)), against=found.against
    )


@contextmanager
def changed_weights(model: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within it every linear layer has the weight that `change` makes of its own, adapters merged into it first; the
    head is left alone where it is the embedding. The weights from before are kept, and come back bit by bit.

    Args:
        change: Of a (out, in) weight, which it leaves as it is.

    Example:
        >>> layer = nn.Sequential(nn.Linear(1, 1))
        >>> before = layer[0].weight.item()
        >>> with changed_weights(layer, torch.zeros_like):
        ...     layer[0].weight.item()
        0.0
        >>> layer[0].weight.item() == before
        True
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    tuned = [module for module in model.modules() if isinstance(module, BaseTunerLayer) and not module.merged]
    linears = _linears(model, tuned)
    with torch.no_grad():
        kept = [linear.weight.clone() for linear in linears]
        try:
            for layer in tuned:
                layer.merge()
            for linear in linears:
                linear.weight.copy_(change(linear.weight.clone()))
            yield
        finally:
            for layer in tuned:
                layer.unmerge()  # in the layer's books; what is left of its rounding is overwritten
            for linear, weight in zip(linears, kept, strict=True):
                linear.weight.copy_(weight)


def _linears(model: nn.Module, tuned: list[Any]) -> list[nn.Linear]:
    """Without those of adapters, and without those whose weight an embedding has too."""
    of_adapters = {
        id(part) for layer in tuned for name in layer.adapter_layer_names for part in getattr(layer, name).modules()
    }
    tied = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    every = [module for module in model.modules() if isinstance(module, nn.Linear) and id(module) not in of_adapters]
    return [linear for linear in every if id(linear.weight) not in tied]
