# SPDX-License-Identifier: Apache-2.0
"""The whole population, drawn once, and who of it is forgotten. It does not know what a row says."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from crossmem_hf.data.albums.album import photographed
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.data.splits import forget_ids, forget_order
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import Persona, Population

DEMONSTRATED: Final = ("composed", "chained")
"""Splits that show, about every other persona, how two links are put together."""


@lru_cache(maxsize=2)  # every split of every config asks for one of the two populations
def all_personas(count: int, seed: int, population: Population = "target") -> tuple[Persona, ...]:
    """The first `count` personas of a population, in the order of their indices."""
    return tuple(sample_personas(count, seed, population))


def portrayed(spec: DatasetSpec, population: Population = "target") -> list[Persona]:
    """All personas of a spec, with the portraits that it names, if it names any.

    Raises:
        CrossmemError: Those are portraits of another population.
    """
    personas = list(all_personas(spec.num_personas, spec.seed, population))
    return personas if spec.portraits is None else photographed(personas, spec.portraits)


def forgotten_ids(spec: DatasetSpec, fraction: float | None = None) -> frozenset[str]:
    """The ids of those whom a spec forgets.

    Args:
        fraction: In the place of the spec's own; the sets of larger fractions contain those of smaller ones.

    Raises:
        CrossmemError: The forget or the retain set would be empty.

    Example:
        >>> len(forgotten_ids(DatasetSpec(num_personas=10)))
        2
    """
    ids = [persona.id for persona in all_personas(spec.num_personas, spec.seed)]
    return forget_ids(ids, spec.forget_fraction if fraction is None else fraction, spec.seed)


def is_demonstrated(persona: Persona) -> bool:
    """Whether the splits `DEMONSTRATED` are about a persona, whatever their number.

    Example:
        >>> [is_demonstrated(persona) for persona in all_personas(3, 0)]
        [True, False, True]
    """
    return persona.index % 2 == 0


def in_split(split: str, spec: DatasetSpec) -> list[Persona]:
    """The personas whose rows a split of this name holds, in whatever config.

    Raises:
        CrossmemError: A forget or retain set that would be empty, or portraits of others.
    """
    if split == "background":
        return portrayed(spec, "background")
    personas = portrayed(spec)
    if split in DEMONSTRATED:
        return [persona for persona in personas if is_demonstrated(persona)]
    if split not in ("forget", "retain", "retain_eval"):
        return personas
    forgotten = forgotten_ids(spec)
    return [persona for persona in personas if (persona.id in forgotten) == (split == "forget")]


@lru_cache(maxsize=2)
def forget_ranks(count: int, seed: int) -> Mapping[str, int]:
    """Persona id -> place in the order of forgetting, from 0; a forget set is everyone below some rank."""
    order = forget_order([persona.id for persona in all_personas(count, seed)], seed)
    return {persona_id: rank for rank, persona_id in enumerate(order)}
