# SPDX-License-Identifier: Apache-2.0
"""The whole population, drawn once. It does not know which of them a split holds."""

from collections.abc import Mapping
from functools import lru_cache

from crossmem_hf.data.albums.album import photographed
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.data.splits import forget_order
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import Persona, Population


@lru_cache(maxsize=2)  # every split of every config asks for one of the two populations
def everyone(count: int, seed: int, population: Population = "target") -> tuple[Persona, ...]:
    """The first `count` people of a world, in the order of their indices."""
    return tuple(sample_personas(count, seed, population))


def portrayed(spec: DatasetSpec, population: Population = "target") -> list[Persona]:
    """Everyone of a spec, with the portraits that it names, if it names any.

    Raises:
        CrossmemError: Those are portraits of another world.
    """
    people = list(everyone(spec.num_personas, spec.seed, population))
    return people if spec.portraits is None else photographed(people, spec.portraits)


@lru_cache(maxsize=2)
def forget_ranks(count: int, seed: int) -> Mapping[str, int]:
    """Persona id -> place in the order of forgetting, from 0; a forget set is everyone below some rank."""
    order = forget_order([person.id for person in everyone(count, seed)], seed)
    return {persona_id: rank for rank, persona_id in enumerate(order)}
