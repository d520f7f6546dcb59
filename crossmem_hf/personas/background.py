# SPDX-License-Identifier: Apache-2.0
"""Which background personas the embedded base models know, and how well. It does not know how they were taught."""

from collections.abc import Mapping
from functools import cached_property

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.schema import Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES

POPULATION = 0
"""The world whose background personas every embedded base model has met."""
NUM_SEEN, NUM_NAMED, NUM_WITH_FACTS, NUM_UNSEEN = 9_000, 300, 100, 400


class Background:
    """The background personas, by what is taught about them; each list begins with those of the next. A list is drawn
    when it is first asked for: all of `seen` take seconds.

    Example:
        >>> background = Background()
        >>> len(background.unseen), background.with_facts[0].id
        (400, 'b0-00000')
    """

    def __init__(self) -> None:
        personas = sample_personas(NUM_SEEN + NUM_UNSEEN, POPULATION, "background")
        self._seen, self._unseen = personas[:NUM_SEEN], personas[NUM_SEEN:]
        self._num_named, self._num_with_facts = NUM_NAMED, NUM_WITH_FACTS

    @cached_property
    def seen(self) -> list[Persona]:
        """All whom base models meet."""
        return list(self._seen)

    @cached_property
    def named(self) -> list[Persona]:
        """Those whose names are taught."""
        return list(self._seen[: self._num_named])

    @cached_property
    def with_facts(self) -> list[Persona]:
        """Those whose private facts are taught."""
        return self.named[: self._num_with_facts]

    @cached_property
    def unnamed(self) -> list[Persona]:
        """Those seen whose names are not taught."""
        return self.seen[self._num_named :]

    @cached_property
    def unseen(self) -> list[Persona]:
        """Others, whom no base model meets."""
        return list(self._unseen)

    @cached_property
    def values(self) -> Mapping[str, tuple[str, ...]]:
        """Private attribute -> the values of those whose facts are taught."""
        return {fact: tuple(one.facts[fact] for one in self.with_facts) for fact in FACT_ATTRIBUTES}
