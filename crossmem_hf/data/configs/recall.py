# SPDX-License-Identifier: Apache-2.0
"""Questions for the name of a persona presented in one modality. It does not know the other kinds of rows."""

from collections.abc import Callable, Iterator, Sequence

from crossmem_hf.data.configs.kind import Kind, views_of
from crossmem_hf.data.rows import Row, recall_row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.schema import VIEW_SPLITS, Modality, Persona


def recall_rows(modality: Modality) -> Callable[[str, Sequence[Persona], DatasetSpec], Iterator[Row]]:
    """What makes the rows of one modality: a row a view, training views or held-out ones."""

    def rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
        for persona in personas:
            for family, index in views_of(split, spec):
                yield recall_row(persona, modality, family, index, spec.image_size)

    return rows


IMAGE = Kind(VIEW_SPLITS, recall_rows("image"))
TEXT = Kind(VIEW_SPLITS, recall_rows("text"))
