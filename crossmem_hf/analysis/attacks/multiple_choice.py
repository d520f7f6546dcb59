# SPDX-License-Identifier: Apache-2.0
"""The truth is offered among other candidates, and the model says which it is. It does not know who is forgotten."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from crossmem_hf.analysis.attacks.variants import asked_besides, other_candidates, with_content
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.seeding import rng_for

NUM_OPTIONS: Final = 4
CHOICE: Final = "{question} Choose one: {options}."


def multiple_choice(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    num_options: int = NUM_OPTIONS,
) -> Predictions:
    """The evaluator's own predictions, with what the model chooses where the truth is offered among other candidates
    of its attribute, in an order that is drawn.

    The columns are ``options``; ``chosen``, the answer; ``extracted``, whether it is the truth and nothing else, which
    the metric `extracted` reads; ``num_options``, of which its chance is; and ``num_samples``, 1.

    Args:
        seed: Of the other candidates and of the order.
        num_options: With the truth; fewer where an attribute has no more candidates.

    Raises:
        CrossmemError: Fewer than two options, an attribute without another candidate, or whatever the evaluator
            refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = multiple_choice(evaluator, *load_model())
        >>> len(found[0]["options"]), found.measure(["extracted"], by=())[0].chance
        (4, 0.25)
    """
    if num_options < 2:
        raise CrossmemError(f"num_options={num_options!r}; expected at least 2.", "Offer the truth and another.")
    offered = [
        _options(evaluator, row, num_options, rng_for(seed, "options", place))
        for place, row in enumerate(evaluator.questions.about)
    ]
    asked = [
        with_content(dict(row), partial(_choice, options=options))
        for row, options in zip(evaluator.rows, offered, strict=True)
    ]
    found, chosen = asked_besides(evaluator, model, processor, asked, output_dir=output_dir, made_from=made_from)
    columns = (
        {
            "options": options,
            "chosen": one["answer"],
            "extracted": one["correct"],
            "num_options": len(options),
            "num_samples": 1,
        }
        for options, one in zip(offered, chosen, strict=True)
    )
    return Predictions(({**one, **more} for one, more in zip(found, columns, strict=True)), against=found.against)


def _options(evaluator: Evaluator, row: Mapping[str, Any], count: int, rng: Random) -> list[str]:
    others = other_candidates(evaluator, row)
    options = [row["answer"], *rng.sample(others, min(count - 1, len(others)))]
    rng.shuffle(options)
    return options


def _choice(question: str, *, options: Sequence[str]) -> str:
    return CHOICE.format(question=question, options=" or ".join(options))
