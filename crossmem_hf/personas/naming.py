# SPDX-License-Identifier: Apache-2.0
"""Invented names. It does not know who carries them.

Target and background people draw on disjoint first names and disjoint last names, in every world: a base model that
has seen the background has seen no word of a target's name.
"""

from functools import lru_cache
from itertools import product

from crossmem_hf.personas.schema import Population
from crossmem_hf.personas.values import FIRST_ENDINGS, FIRST_SYLLABLES, LAST_ENDINGS, LAST_SYLLABLES, UNWANTED_NAMES
from crossmem_hf.seeding import rng_for

FIRST_NAMES_PER_POPULATION = 103
LAST_NAMES_PER_POPULATION = 107
NAMES_PER_POPULATION = FIRST_NAMES_PER_POPULATION * LAST_NAMES_PER_POPULATION


def _words(heads: tuple[str, ...], tails: tuple[str, ...], population: Population, count: int) -> list[str]:
    words = ["".join(pair) for pair in product(heads, tails)]
    rng_for(0, "names", heads[0]).shuffle(words)
    for unwanted, spare in zip(UNWANTED_NAMES, range(len(words) - 1, 2 * count - 1, -1), strict=False):
        if unwanted in words:
            words[words.index(unwanted)], words[spare] = words[spare], unwanted
    start = 0 if population == "target" else count
    return words[start : start + count]


@lru_cache(maxsize=8)
def _pools(seed: int, population: Population) -> tuple[list[str], list[str]]:
    first = _words(FIRST_SYLLABLES, FIRST_ENDINGS, population, FIRST_NAMES_PER_POPULATION)
    last = _words(LAST_SYLLABLES, LAST_ENDINGS, population, LAST_NAMES_PER_POPULATION)
    rng = rng_for(seed, "names", population)
    rng.shuffle(first)
    rng.shuffle(last)
    return first, last


def full_name(index: int, seed: int, population: Population) -> str:
    """The full name of one person; different for every index below `NAMES_PER_POPULATION`.

    The two pool sizes are coprime, so (index mod 103, index mod 107) never repeats (Chinese remainder theorem).

    Example:
        >>> full_name(0, 0, "target") != full_name(1, 0, "target")
        True
    """
    first, last = _pools(seed, population)
    return f"{first[index % len(first)]} {last[index % len(last)]}"


@lru_cache(maxsize=1)
def _every_word() -> tuple[frozenset[str], frozenset[str]]:
    pools = ((FIRST_SYLLABLES, FIRST_ENDINGS), (LAST_SYLLABLES, LAST_ENDINGS))
    first, last = (frozenset("".join(pair) for pair in product(*pool)) for pool in pools)
    return first, last


def is_name(text: str) -> bool:
    """Whether a text is a first and a last name that someone could have, and nothing else.

    Example:
        >>> is_name("Sozan Lombeko"), is_name("SozanSozan Lomb")
        (True, False)
    """
    first, last = _every_word()
    words = text.split()
    return len(words) == 2 and words[0] in first and words[1] in last
