# SPDX-License-Identifier: Apache-2.0
"""All values of each attribute, for metrics that rank the truth. It does not know who has which."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.rows import Row, candidate_row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.schema import Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES

if TYPE_CHECKING:
    import datasets


def candidate_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """A row an attribute: the names, the private facts, the visual attributes."""
    yield candidate_row("full_name", "name", [persona.full_name for persona in personas])
    for fact in FACT_ATTRIBUTES:
        yield candidate_row(fact, "fact", [persona.facts[fact] for persona in personas])
    for attribute, pool in VISUAL_ATTRIBUTES.items():
        yield candidate_row(attribute, "look", list(pool))


def _features() -> "datasets.Features":
    from datasets import Features, List, Value

    text = Value("string")
    return Features({"attribute": text, "kind": text, "values": List(text)})


CANDIDATES = Kind(("target",), candidate_rows, _features)
