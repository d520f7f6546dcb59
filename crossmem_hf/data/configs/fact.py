# SPDX-License-Identifier: Apache-2.0
"""Questions for one private fact of each persona, beside those for the name. It does not know the other kinds of rows.

The private attributes take turns from persona to persona. Every view is asked about twice: with the name in the
question (one hop), and without (two hops).
"""

from collections.abc import Callable, Iterator, Sequence

from crossmem_hf.data.configs.kind import Kind, views_of
from crossmem_hf.data.rows import FACT_QUESTIONS, Hops, Row, qa_row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.schema import VIEW_SPLITS, Modality, Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES

_HOPS: tuple[Hops, ...] = (1, 2)


def fact_of(persona: Persona) -> str:
    """Which private attribute of a persona is asked for.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> [fact_of(persona) for persona in sample_personas(2)]
        ['email', 'date_of_birth']
    """
    return FACT_ATTRIBUTES[persona.index % len(FACT_ATTRIBUTES)]


def fact_rows(modality: Modality) -> Callable[[str, Sequence[Persona], DatasetSpec], Iterator[Row]]:
    """What makes the rows of one modality: two a view, the wordings in turn."""

    def rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
        for persona in personas:
            for family, index in views_of(split, spec):
                for hops in _HOPS:
                    yield qa_row(
                        persona,
                        modality,
                        family,
                        index,
                        spec.image_size,
                        attribute=fact_of(persona),
                        hops=hops,
                        question=index % len(FACT_QUESTIONS[hops][family]),
                    )

    return rows


IMAGE = Kind(VIEW_SPLITS, fact_rows("image"))
TEXT = Kind(VIEW_SPLITS, fact_rows("text"))
