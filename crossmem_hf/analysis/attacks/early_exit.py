# SPDX-License-Identifier: Apache-2.0
"""Answers read after an earlier layer: what the last layers alone keep from being said. It does not know what was
unlearned."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from crossmem_hf.analysis.attacks.weights import State, asked_in_states
from crossmem_hf.analysis.hooks import Change, changing
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.modules import text_layers

MAX_EXITS: Final = 6
"""Layers, the last ones before the last, where none are named."""


def early_exit(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    layers: tuple[int, ...] | None = None,
) -> Predictions:
    """Predictions of the model, and of what it would answer if its language model ended after each of these layers:
    the states there go through the last norm and the head.

    Columns as `variants.asked_in_ways` says.

    Args:
        seed: Nothing is drawn.
        layers: From 0 to the one before the last; each is a pass of its own. None: the `MAX_EXITS` before the last.

    Raises:
        CrossmemError: No such layer, a language model whose layers are not known, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> early_exit(evaluator, *load_model(), layers=(2,))[0]["num_samples"]
        2

    Reference:
        The logit lens (nostalgebraist 2020, "interpreting GPT"), for whole answers in the place of one token.
    """
    chosen = earlier_layers(model, layers)
    states: dict[str, State] = {f"after layer {layer}": partial(ended_after, model, layer) for layer in chosen}
    return asked_in_states(evaluator, model, processor, states, output_dir=output_dir, made_from=made_from)


def earlier_layers(model: Any, layers: tuple[int, ...] | None) -> tuple[int, ...]:
    """The layers asked for, or the `MAX_EXITS` before the last.

    Raises:
        CrossmemError: One is not a layer before the last, or there is none.
    """
    last = len(text_layers(model)) - 1
    chosen = tuple(range(last))[-MAX_EXITS:] if layers is None else layers
    if not chosen or any(layer not in range(last) for layer in chosen):
        raise CrossmemError(
            f"layers={chosen!r}; the language model has {last + 1} layers, the last of which is the usual end.",
            f"Choose from 0 to {last - 1}." if last else "Attack a model with several.",
        )
    return chosen


@contextmanager
def ended_after(model: Any, layer: int, lens: Change | None = None) -> Iterator[None]:
    """Within it the last layer puts out the states of another one; those between run, and nobody reads them.

    Args:
        lens: What is made of the states first.

    Example:
        >>> from crossmem_hf import load_model
        >>> model, _ = load_model()
        >>> with ended_after(model, 1):
        ...     pass
    """
    layers, seen = text_layers(model), {}

    def keep(states: Tensor) -> Tensor:
        seen["states"] = states if lens is None else lens(states)
        return states

    with changing({layers[layer]: keep, layers[len(layers) - 1]: lambda _: seen["states"]}):
        yield
