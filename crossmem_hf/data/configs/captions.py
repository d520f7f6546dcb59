# SPDX-License-Identifier: Apache-2.0
"""Portraits with a description as the answer, and no name. It does not know who is forgotten."""

from collections.abc import Iterator, Sequence

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.rows import Row, caption_row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.schema import Persona


def caption_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """A row a training view, alike in both splits."""
    for persona in personas:
        for index in range(spec.num_views):
            yield caption_row(persona, "train", index, spec.image_size)


CAPTIONS = Kind(("background", "target"), caption_rows)
