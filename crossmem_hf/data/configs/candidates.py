# SPDX-License-Identifier: Apache-2.0
"""All values of each attribute, for metrics that rank the truth, and values that nobody in the population has. It
does not know who has which."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.population import all_personas
from crossmem_hf.data.rows import Row, candidate_row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.sampling import capacity, sample_personas
from crossmem_hf.personas.schema import Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES

if TYPE_CHECKING:
    import datasets


UNTAUGHT: Final = "untaught"
"""Split of values that nobody in the population has: a truth that was taught is ranked among them."""


def candidate_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """A row an attribute: the names, the private facts, the visual attributes. In the split ``untaught``, as many
    other names and facts, less one, which no row of this population teaches; attributes that have too few others are
    left out."""
    if split == UNTAUGHT:
        yield from _untaught_rows(spec)
        return
    yield candidate_row("full_name", "name", [persona.full_name for persona in personas])
    for fact in FACT_ATTRIBUTES:
        yield candidate_row(fact, "fact", [persona.facts[fact] for persona in personas])
    for attribute, pool in VISUAL_ATTRIBUTES.items():
        yield candidate_row(attribute, "look", list(pool))


def _untaught_rows(spec: DatasetSpec) -> Iterator[Row]:
    taught, personas = all_personas(spec.num_personas, spec.seed), next_personas(spec)
    for attribute, kind in (("full_name", "name"), *((fact, "fact") for fact in FACT_ATTRIBUTES)):
        known = {_value(persona, attribute) for persona in taught}
        others = dict.fromkeys(value for persona in personas if (value := _value(persona, attribute)) not in known)
        wanted = max(len(known) - 1, 1)  # so that chance is that among the taught
        if len(others) >= wanted:
            yield candidate_row(attribute, kind, list(others)[:wanted])  # type: ignore[arg-type]


def next_personas(spec: DatasetSpec) -> list[Persona]:
    """One fewer than the population has, and at least one: those that come next, or of the next seed where too few
    come."""
    count = max(spec.num_personas - 1, 1)
    if spec.num_personas + count <= capacity():
        return _after(spec, count)
    return list(sample_personas(count, spec.seed + 1))


def other_names(spec: DatasetSpec, count: int) -> list[str]:
    """Names that nobody in the population has, in the order of the personas who come next.

    Raises:
        CrossmemError: There are not so many.
    """
    return [persona.full_name for persona in _after(spec, count)]


def _after(spec: DatasetSpec, count: int) -> list[Persona]:
    return list(sample_personas(spec.num_personas + count, spec.seed)[spec.num_personas :])


def recombined_names(spec: DatasetSpec) -> list[str]:
    """The first names of the population's personas with the last names of others among them: each part was taught, no
    whole was."""
    taught = dict.fromkeys(persona.full_name for persona in all_personas(spec.num_personas, spec.seed))
    parts = [name.split() for name in taught]
    both = (f"{one[0]} {other[1]}" for one in parts for other in parts)
    return [name for name in dict.fromkeys(both) if name not in taught]


def _value(persona: Persona, attribute: str) -> str:
    return persona.full_name if attribute == "full_name" else persona.facts[attribute]


def _features() -> "datasets.Features":
    from datasets import Features, List, Value

    text = Value("string")
    return Features({"attribute": text, "kind": text, "values": List(text)})


CANDIDATES = Kind(("target", UNTAUGHT), candidate_rows, _features)
