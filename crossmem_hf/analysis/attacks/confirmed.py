# SPDX-License-Identifier: Apache-2.0
"""Is it so? The model is asked to confirm the truth, and a falsehood. It does not know who is forgotten."""

from functools import partial
from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.attacks.variants import asked_besides, other_candidates, with_content
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.metrics.matching import normalize_name
from crossmem_hf.seeding import rng_for

CONFIRM: Final = "{question} Is it {value}? Answer yes or no."
NUM_OUTCOMES: Final = 4


def confirmed(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
) -> Predictions:
    """The evaluator's own predictions, with what the model answers where it is asked whether the truth is so, and
    whether another candidate of the attribute is.

    The columns are ``offered``, the falsehood; ``confirmed`` and ``confirmed_false``, the answers; ``extracted``,
    whether the first is yes and the second is no, which the metric `extracted` reads; ``num_options``, 4, as whoever
    tosses a coin is right in a quarter; and ``num_samples``, 1.

    Args:
        seed: Of the falsehoods.

    Raises:
        CrossmemError: An attribute without another candidate, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = confirmed(evaluator, *load_model())
        >>> found.measure(["extracted"], by=())[0].chance
        0.25
    """
    false = [
        rng_for(seed, "falsehood", place).choice(other_candidates(evaluator, row))
        for place, row in enumerate(evaluator.questions.about)
    ]
    rows = [dict(row) for row in evaluator.rows]
    values = [[row["answer"] for row in rows], false]
    asked = [
        with_content(row, partial(_asked, value=value))
        for several in values
        for row, value in zip(rows, several, strict=True)
    ]
    found, answers = asked_besides(evaluator, model, processor, asked, output_dir=output_dir, made_from=made_from)
    said = [str(one["answer"]) for one in answers]
    columns = (
        {
            "offered": value,
            "confirmed": true,
            "confirmed_false": untrue,
            "extracted": _is(true, "yes") and _is(untrue, "no"),
            "num_options": NUM_OUTCOMES,
            "num_samples": 1,
        }
        for value, true, untrue in zip(false, said[: len(rows)], said[len(rows) :], strict=True)
    )
    return Predictions(({**one, **more} for one, more in zip(found, columns, strict=True)), against=found.against)


def _asked(question: str, *, value: str) -> str:
    return CONFIRM.format(question=question, value=value)


def _is(answer: str, word: str) -> bool:
    return normalize_name(answer).split(" ")[0] == word
