# SPDX-License-Identifier: Apache-2.0
"""Chain of thought at inference for two hops: the model names the person, and is asked for the fact of that name. It
does not know which link was learned from what."""

from itertools import product
from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.attacks.two_steps import asked_in_two_steps, parted
from crossmem_hf.data.rows import Row
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.questions import NAME_QUESTIONS
from crossmem_hf.prompts.variants import LINK_QUESTIONS, link_question

MAX_NAME: Final = 24


def named_first(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
) -> Predictions:
    """Predictions of facts that are asked for, in the words of the row, of the name that the model gave before.

    The question for the name presents the person as the row does; that for the fact presents nobody. The column
    ``named`` has the name.

    Args:
        evaluator: Of rows of two hops of the configs ``two_hop_test`` and ``two_hop_far``.
        seed: Nothing is drawn.

    Raises:
        CrossmemError: A row asks something else, or whatever the evaluator refuses.

    Reference:
        Two-hop questions with and without the bridge said before are from
        https://huggingface.co/papers/2411.16353; there both steps are one answer.
    """

    def first(row: Row) -> str:
        description = _parts(row)[0]
        return NAME_QUESTIONS["text" if description else "image"].format(description=description)

    def second(row: Row, said: str) -> str:
        return _parts(row)[1].format(name=said)

    return asked_in_two_steps(
        evaluator,
        model,
        processor,
        first,
        second,
        column="named",
        max_new_tokens=MAX_NAME,
        output_dir=output_dir,
        made_from=made_from,
    )


def _parts(row: Row) -> tuple[str, str]:
    """The description that a row begins with, and the question that follows, about whoever will be named."""
    asked: dict[str, str] = {}
    for family, wordings in LINK_QUESTIONS.items() if row["attribute"] in FACT_ATTRIBUTES else ():
        for wording, modality in product(wordings, MODALITIES):
            named, presented = (
                link_question(wording, row["attribute"], name=name, modality=modality, synonym=family == "far")
                for name in ("{name}", None)
            )
            asked[presented] = named
    description, question = parted(row, tuple(asked))
    return description, asked[question]
