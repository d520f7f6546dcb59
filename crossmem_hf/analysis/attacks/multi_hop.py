# SPDX-License-Identifier: Apache-2.0
"""Facts that are asked for by name are asked for without it: of whoever is shown or described. It does not know who is
forgotten."""

import re
from functools import cache, partial
from pathlib import Path
from typing import Any

from crossmem_hf.analysis.attacks.two_steps import question_of
from crossmem_hf.analysis.attacks.variants import Way, asked_in_ways, with_content
from crossmem_hf.data.rows import Row
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import Modality, ViewSplit
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.questions import MULTI_HOP_QUESTIONS, SINGLE_HOP_QUESTIONS, fact_question


def multi_hop(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
) -> Predictions:
    """Predictions of facts that are asked for again of the person in the picture, or of the one described, in each
    wording of `MULTI_HOP_QUESTIONS` of the same family, with no name in the question.

    Columns as `variants.asked_in_ways` says. A row that does not name the person is asked once.

    Args:
        evaluator: Of rows of one hop, such as those of the configs ``qa`` and ``fact``.
        seed: Nothing is drawn.

    Raises:
        CrossmemError: No row asks for a fact by name in words of ours, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> data = PersonaDataset(num_personas=5, image_size=48)
        >>> evaluator = CrossModalEvaluator(data, config="qa", split="test", metrics=["recall"])
        >>> {one["num_samples"] for one in multi_hop(evaluator, *load_model())}
        {1, 3}

    Reference:
        Questions of several hops as a way around unlearning: https://huggingface.co/papers/2605.02206,
        https://huggingface.co/papers/2605.03759.
    """
    most = max(map(len, MULTI_HOP_QUESTIONS.values()))
    ways: dict[str, Way] = {f"wording {number}": partial(_unnamed, number=number) for number in range(most)}
    return asked_in_ways(evaluator, model, processor, ways, output_dir=output_dir, made_from=made_from)


def _unnamed(row: Row, _: int, *, number: int) -> Row | None:
    content = question_of(row)
    modality: Modality = "image" if row["images"] else "text"
    for family, pattern in _named(row["attribute"], modality) if row["attribute"] in FACT_ATTRIBUTES else ():
        found = re.search(pattern, content)
        wordings = MULTI_HOP_QUESTIONS[family]
        if found and number < len(wordings):
            before = content[: found.start()].strip()
            asked = fact_question(
                wordings[number],
                modality,
                row["attribute"],
                name="",
                description=before,
                synonym=family == "far",
            )
            return with_content(row, partial(_instead, shown=f"{before} {asked}".strip() if row["images"] else asked))
    return None


def _instead(_: str, *, shown: str) -> str:
    return shown


@cache
def _named(fact: str, modality: Modality) -> tuple[tuple[ViewSplit, str], ...]:
    """Family and regular expression of every question that names the person."""
    anybody = "\0"
    return tuple(
        (
            family,
            re.escape(
                fact_question(one, modality, fact, name=anybody, description="", synonym=family == "far").strip()
            ).replace(re.escape(anybody), "[^.?!]+?")
            + "$",
        )
        for family, wordings in SINGLE_HOP_QUESTIONS.items()
        for one in wordings
    )
