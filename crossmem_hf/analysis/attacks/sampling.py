# SPDX-License-Identifier: Apache-2.0
"""The sampling attack: is the truth among n answers drawn? It does not know who is forgotten."""

from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any, Final

from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from crossmem_hf.analysis.attacks.variants import passes
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.scoring.generation import DRAW
from crossmem_hf.seeding import seed_for

NUM_SAMPLES: Final = 32
TOGETHER: Final = 32
"""Answers to a row that are drawn in one pass, which reads its question once."""


def sampling(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    num_samples: int = NUM_SAMPLES,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> Predictions:
    """The evaluator's own predictions, with what many drawn answers say beside what the one answer said.

    The columns are ``num_samples``; ``num_said``, how many of them were the truth and nothing else; ``extracted``,
    whether any was, which the metric `extracted` reads. Unlike `extraction_probability`, it counts every spelling that
    recall counts, and works where logits are changed at decoding.

    Args:
        num_samples: Answers drawn a row; questions are read once for `TOGETHER` of them.
        temperature: Of the draws, above 0.
        top_p: Tokens are drawn among the likeliest that have so much probability together, at the temperature.

    Raises:
        CrossmemError: No sample at all, a temperature or share out of range, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> predictions = sampling(evaluator, *load_model(), num_samples=2)
        >>> predictions.measure(["extracted"], by=())
        [extracted 0 [0, 0.522], n=40, chance 0.36]

    Reference:
        (n, p)-discoverable extraction, https://huggingface.co/papers/2410.19482, by drawing in the place of computing;
        drawing answers to extract what was memorized is from https://huggingface.co/papers/2012.07805. Unlearned
        models are attacked so with 5 samples, ``temperature=0.8, top_p=0.95``, in https://huggingface.co/papers/2608.04519.
    """
    _check(num_samples, temperature, top_p)
    warped = _warped(evaluator.logits_processor, temperature, top_p)
    drawing = evaluator.altered(metrics=("recall",), holdout=None, temperature=1.0, logits_processor=warped)

    predicted = passes(model, processor, output_dir, made_from)
    found = predicted(evaluator, "queried")
    said = [0] * len(found)
    for first in range(0, num_samples, TOGETHER):
        draws = range(first, min(first + TOGETHER, num_samples))
        asking = drawing.altered(rows=_repeated(evaluator.rows, draws), seed=seed_for(seed, "sampling"))
        drawn = predicted(asking, f"samples_{draws}-{temperature}-{top_p}")
        said = [
            count + sum(one["correct"] for one in drawn[place * len(draws) : (place + 1) * len(draws)])
            for place, count in enumerate(said)
        ]
    columns = ({"num_samples": num_samples, "num_said": count, "extracted": count > 0} for count in said)
    predictions = ({**one, **more} for one, more in zip(found, columns, strict=True))
    return Predictions(predictions, against=found.against)


def _check(num_samples: int, temperature: float, top_p: float) -> None:
    if num_samples < 1:
        raise CrossmemError(f"num_samples={num_samples!r}; expected at least 1.", "Draw an answer or more.")
    if not 0 < temperature < inf or not 0 < top_p <= 1:
        raise CrossmemError(
            f"temperature={temperature!r}, top_p={top_p!r}; expected a number above 0, and a share up to 1.",
            "Pass temperature=0.8, top_p=0.95, for example.",
        )


def _repeated(rows: Any, draws: range) -> Any:
    """Each row once for each draw, one behind the other."""
    places = [place for place in range(len(rows)) for _ in draws]
    return rows.select(places).add_column(DRAW, [*draws] * len(rows))


def _warped(own: Any, temperature: float, top_p: float) -> list[Any] | None:
    """An evaluator's own processors, then those that make draws at a temperature of 1 as wanted."""
    processors: list[Any] = [] if own is None else list(own) if isinstance(own, Sequence) else [own]
    processors += [TemperatureLogitsWarper(temperature)] if temperature != 1 else []
    processors += [TopPLogitsWarper(top_p)] if top_p < 1 else []
    return processors or None
