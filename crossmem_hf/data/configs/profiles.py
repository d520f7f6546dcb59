# SPDX-License-Identifier: Apache-2.0
"""A persona a row, with all that is known of them. It does not know what is asked."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.population import forget_ranks
from crossmem_hf.data.rows import Row, profile_row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.schema import Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES

if TYPE_CHECKING:
    import datasets


def profile_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """A row a persona."""
    rank = forget_ranks(spec.num_personas, spec.seed)
    for persona in personas:
        yield profile_row(persona, rank[persona.id], spec.image_size)


def _features() -> "datasets.Features":
    from datasets import Features, Image, Value

    text = Value("string")
    about = {"persona_id": text, "full_name": text, "portrait": Image(), "description": text}
    attributes = dict.fromkeys((*VISUAL_ATTRIBUTES, *FACT_ATTRIBUTES), text)
    return Features({**about, **attributes, "forget_rank": Value("int64")})


PROFILES = Kind(("forget", "retain"), profile_rows, _features)
