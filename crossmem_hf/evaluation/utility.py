# SPDX-License-Identifier: Apache-2.0
"""What an embedded base model knows of others than those it memorized: questions whose answers unlearning should leave
as they are. It does not know who was unlearned.

In the place of a general benchmark such as MMBench, which a model of this size cannot be asked. The wordings and views
are those of rows about target personas; base models were taught others.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from crossmem_hf.data.rows import Row, filled, presented, recall_row, row_features
from crossmem_hf.personas.background import Background
from crossmem_hf.personas.schema import MODALITIES, Modality, Persona
from crossmem_hf.prompts.background import UNKNOWN_PERSON
from crossmem_hf.prompts.questions import FEATURE_QUESTIONS, features_answer
from crossmem_hf.rendering.prose import describe

if TYPE_CHECKING:
    import datasets

ATTRIBUTES: Final = "visual_attributes"
"""What those look like whom the base never met."""
UNKNOWN: Final = "unknown_name"
"""Who such personas are: only a refusal is right. The third attribute is ``full_name``, of those whom it knows."""


def utility_rows(num_personas: int = 40, image_size: int = 64) -> "datasets.Dataset":
    """Rows about background personas, in both modalities: a third each of visual attributes, names, and of names that
    the model does not know.

    Args:
        num_personas: Of each third, from 1 to 200.

    Example:
        >>> rows = utility_rows(2)
        >>> len(rows), sorted(set(rows["attribute"]))
        (12, ['full_name', 'unknown_name', 'visual_attributes'])
    """
    from datasets import Dataset

    return Dataset.from_list(list(_rows(num_personas, image_size)), features=row_features())


def attribute_rows(personas: Iterable[Persona], image_size: int = 64) -> "datasets.Dataset":
    """Rows that ask what personas look like, in both modalities, in views and words of the split ``test``: whether a
    model can see and read what it is asked about.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> attribute_rows(sample_personas(2, seed=0))["modality"]
        Column(['image', 'image', 'text', 'text'])
    """
    from datasets import Dataset

    rows = [_attributes(one, modality, image_size) for modality in MODALITIES for one in personas]
    return Dataset.from_list(rows, features=row_features())


def _rows(count: int, size: int) -> Iterator[Row]:
    background = Background()
    for modality in MODALITIES:
        yield from (_attributes(one, modality, size) for one in background.unseen[:count])
        yield from (recall_row(one, modality, "test", 0, size) for one in background.named[:count])
        for one in background.unseen[-count:]:
            row, refusal = recall_row(one, modality, "test", 0, size), UNKNOWN_PERSON[0]
            answer = [{"role": "assistant", "content": refusal}]
            yield row | {"attribute": UNKNOWN, "answer": refusal, "completion": answer}


def _attributes(persona: Persona, modality: Modality, size: int) -> Row:
    description = describe(persona, "test", 0)
    question = FEATURE_QUESTIONS[modality].format(description=description.text)
    about = {"attribute": ATTRIBUTES, "modality": modality, "hops": 0, "view": 0, "template": description.template}
    images = presented(persona, modality, "test", 0, size)
    return filled(persona, images, question, features_answer(persona.visual_attributes), about)
