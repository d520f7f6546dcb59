# SPDX-License-Identifier: Apache-2.0
"""Which background personas the embedded base models know, and how well. It does not know how they were taught."""

from collections.abc import Mapping
from functools import cached_property

from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import FACT_ATTRIBUTES

POPULATION = 0
"""The world whose background personas every embedded base model has met."""
NUM_SEEN, NUM_NAMED, NUM_WITH_FACTS, NUM_UNSEEN = 9_000, 300, 100, 400


class Background:
    """The background personas, by what is taught about them; each list begins with those of the next.

    Attributes:
        seen: All whom base models meet.
        named: Those whose names are taught.
        with_facts: Those whose private facts are taught.
        unnamed: Those seen whose names are not taught.
        unseen: Others, whom no base model meets.

    Example:
        >>> background = Background()
        >>> len(background.seen), background.with_facts[0].id
        (9000, 'b0-00000')
    """

    def __init__(self) -> None:
        personas = sample_personas(NUM_SEEN + NUM_UNSEEN, POPULATION, "background")
        self.seen, self.unseen = list(personas[:NUM_SEEN]), list(personas[NUM_SEEN:])
        self.named, self.with_facts = self.seen[:NUM_NAMED], self.seen[:NUM_WITH_FACTS]
        self.unnamed = self.seen[NUM_NAMED:]

    @cached_property
    def values(self) -> Mapping[str, tuple[str, ...]]:
        """Private attribute -> the values of those whose facts are taught."""
        return {fact: tuple(one.facts[fact] for one in self.with_facts) for fact in FACT_ATTRIBUTES}
