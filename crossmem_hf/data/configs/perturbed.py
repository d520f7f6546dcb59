# SPDX-License-Identifier: Apache-2.0
"""Rows with false answers beside the true one, for the truth ratio. It does not know how false values are made."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.population import all_personas
from crossmem_hf.data.rows import ATTRIBUTES, FACT_QUESTIONS, Row, qa_row, recall_row, row_features
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.perturbed_answers import PerturbedAnswers
from crossmem_hf.personas.schema import MODALITIES, Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.variants import ANSWER_SENTENCES, QUERIED

if TYPE_CHECKING:
    import datasets

NUM_FALSE = 5
"""False answers a row, as many as TOFU has (arXiv 2401.06121)."""


def perturbed_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """For each persona and modality: the name, and each fact in one hop and in two; training views and wordings."""
    wrong = _perturbed_answers(spec.num_personas, spec.seed)
    for persona in personas:
        false = {attribute: wrong.of(persona, attribute, NUM_FALSE) for attribute in ATTRIBUTES}
        for modality in MODALITIES:
            yield perturbed_row(recall_row(persona, modality, "train", 0, spec.image_size), false["full_name"])
            for hops in FACT_QUESTIONS:
                for place, fact in enumerate(FACT_ATTRIBUTES):
                    view = place % spec.num_views
                    row = qa_row(persona, modality, "train", view, spec.image_size, attribute=fact, hops=hops)
                    yield perturbed_row(row, false[fact], frame=place)


def perturbed_row(row: Row, false: Sequence[str], *, frame: int = 0) -> Row:
    """The row with `false` answers, and with the truth and the false answers in one and the same sentence frame.

    ``answer`` against ``perturbed_answer`` compares bare values, ``paraphrased_answer`` against
    ``perturbed_paraphrase`` sentences, as TOFU does: never a value with a sentence.

    Example:
        >>> row = perturbed_row({"attribute": "job", "answer": "baker"}, ["miller"])
        >>> row["perturbed_answer"], row["paraphrased_answer"], row["perturbed_paraphrase"]
        (['miller'], 'Their job is baker.', ['Their job is miller.'])
    """
    say = _sentence(ANSWER_SENTENCES[frame % len(ANSWER_SENTENCES)], QUERIED[row["attribute"]])
    return {
        **row,
        "perturbed_answer": list(false),
        "paraphrased_answer": say(row["answer"]),
        "perturbed_paraphrase": [say(value) for value in false],
    }


def _sentence(frame: str, fact: str) -> Callable[[str], str]:
    return lambda value: frame.format(fact=fact, value=value)


@lru_cache(maxsize=2)
def _perturbed_answers(count: int, seed: int) -> PerturbedAnswers:
    return PerturbedAnswers(all_personas(count, seed))


def _features() -> "datasets.Features":
    from datasets import List, Value

    text = Value("string")
    return row_features(perturbed_answer=List(text), paraphrased_answer=text, perturbed_paraphrase=List(text))


PERTURBED = Kind(("forget", "retain"), perturbed_rows, _features)
