# SPDX-License-Identifier: Apache-2.0
"""How people are drawn: deterministic, balanced, apart from each other. It does not know how they look on paper.

Visual attributes are an error-correcting code. Six carry the position of a person (mixed radix digits), two colors
are check digits, so that any two people of a population, and a target and a background person of any two worlds,
differ in at least three attributes; the other four are dealt from shuffled decks. Nothing is remembered between
people, so person 7 does not depend on how many are asked for.
"""

from collections.abc import Sequence
from math import prod
from numbers import Integral
from typing import overload

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.facts import private_facts
from crossmem_hf.personas.naming import NAMES_PER_POPULATION, full_name
from crossmem_hf.personas.schema import Persona, Population
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.seeding import rng_for, seed_for

_POSITION_ATTRIBUTES = ("skin_tone", "hair_style", "eye_color", "headwear", "clothing", "eyewear")
_CHECK_ATTRIBUTES = ("hair_color", "clothing_color")
_DEALT_ATTRIBUTES = ("facial_hair", "earrings", "face_shape", "cheeks")
_CHECK_BASE = 7
_NUM_CODES = prod(len(VISUAL_ATTRIBUTES[name]) for name in _POSITION_ATTRIBUTES)
_STRIDE = 11_659  # coprime to _NUM_CODES; of all strides, the one whose first 20, 50 and 200 people are most balanced
_POPULATIONS: tuple[Population, ...] = ("target", "background")


def capacity(population: Population = "target") -> int:
    """How many people a population has at most: half of all codes, and never more than there are names.

    Example:
        >>> capacity()
        10500
    """
    _check_population(population)
    return min(_NUM_CODES // 2, NAMES_PER_POPULATION)


class Personas(Sequence[Persona]):
    """Some people of a world, each drawn when it is looked at: as long as a list, and as small as a range.

    Example:
        >>> Personas(range(2, 5), 3, "target")
        Personas(3 of t3: t3-00002 Fidris Lombune, ...)
    """

    def __init__(self, places: range, seed: int, population: Population) -> None:
        self._places, self._seed, self._population = places, seed, population

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Persona: ...
    @overload
    def __getitem__(self, place: slice) -> "Personas": ...
    def __getitem__(self, place: int | slice) -> "Persona | Personas":
        found = self._places[place]
        if isinstance(found, range):
            return Personas(found, self._seed, self._population)
        return _persona(found, self._seed, self._population)

    def __repr__(self) -> str:
        first = f": {self[0].id} {self[0].full_name}{', ...' * (len(self) > 1)}" if self else ""
        return f"Personas({len(self)} of {self._population[0]}{self._seed}{first})"


def sample_personas(n: int, seed: int = 0, population: Population = "target") -> Personas:
    """The first `n` people of a world, a sequence at constant memory: each is drawn when it is looked at.

    Args:
        n: How many, from 1 to `capacity(population)`. Person k is the same whatever `n` is.
        seed: Which world.
        population: ``"target"`` people are to be memorized; ``"background"`` people are what a base model may see.
            The two share no first name, no last name and no look-alikes (at least three attributes differ).

    Raises:
        CrossmemError: More people than exist, fewer than one, or an unknown population.

    Example:
        >>> [person.id for person in sample_personas(2, seed=3)]
        ['t3-00000', 't3-00001']
        >>> sample_personas(50)[-1].id, len(sample_personas(50)[10:])
        ('t0-00049', 40)
    """
    _check_population(population)
    if not isinstance(n, Integral):
        raise CrossmemError(f"n={n!r} personas; expected a whole number.", "Pass an int.")
    if not 1 <= n <= capacity(population):
        raise CrossmemError(
            f"n={n!r} personas asked of the {population} population; 1 to {capacity(population)} exist.",
            f"Ask for at most {capacity(population)}.",
        )
    return Personas(range(int(n)), seed, population)


def _check_population(population: str) -> None:
    if population not in _POPULATIONS:
        raise CrossmemError(
            f"Unknown population {population!r}; expected one of {_POPULATIONS}.", "Pick one of the two."
        )


def _persona(index: int, seed: int, population: Population) -> Persona:
    persona_id = f"{population[0]}{seed}-{index:05d}"
    name_index = (index + seed_for(seed, "name-start", population)) % NAMES_PER_POPULATION
    return Persona(
        id=persona_id,
        index=index,
        seed=seed,
        population=population,
        full_name=full_name(name_index, seed, population),
        visual_attributes=_visual_attributes(index, seed, population),
        facts=private_facts(seed, persona_id),
    )


def _visual_attributes(index: int, seed: int, population: Population) -> dict[str, str]:
    half = _NUM_CODES // 2
    position = (index + seed_for(seed, "look-start", population)) % half + half * _POPULATIONS.index(population)
    code = position * _STRIDE % _NUM_CODES
    digits: dict[str, int] = {}
    for name in _POSITION_ATTRIBUTES:
        code, digits[name] = divmod(code, len(VISUAL_ATTRIBUTES[name]))
    # Two parity digits with distinct non-zero weights: one changed digit changes both, two changed digits change one.
    ordered = list(digits.values())
    digits["hair_color"] = sum(ordered) % _CHECK_BASE
    digits["clothing_color"] = sum((weight + 1) * digit for weight, digit in enumerate(ordered)) % _CHECK_BASE
    for name in _DEALT_ATTRIBUTES:
        digits[name] = _dealt(index, len(VISUAL_ATTRIBUTES[name]), seed, population, name)
    return {name: pool[digits[name]] for name, pool in VISUAL_ATTRIBUTES.items()}


def _dealt(index: int, size: int, seed: int, population: Population, name: str) -> int:
    deck = list(range(size))
    rng_for(seed, "deck", population, name, index // size).shuffle(deck)
    return deck[index % size]
