# SPDX-License-Identifier: Apache-2.0
"""Who is forgotten and who is retained. It knows ids only, not people, rows or questions."""

from collections import Counter
from collections.abc import Sequence
from math import floor
from unicodedata import normalize

from crossmem_hf.errors import CrossmemError
from crossmem_hf.seeding import seed_for


def person_key(persona_id: str) -> str:
    """What tells people apart: the id in Unicode form NFC, so that composed and decomposed spellings are one person.

    Example:
        >>> person_key("Jose\u0301") == person_key("Jos\u00e9") != person_key("Jose")
        True
    """
    return normalize("NFC", persona_id)


def check_fraction(fraction: float) -> None:
    """Accept a share of the people above 0 and below 1.

    Raises:
        CrossmemError: Anything else.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise CrossmemError(
            f"forget fraction {fraction!r}; expected a share above 0 and below 1.",
            "Pass 0.05, 0.1 or 0.2 for the usual 5, 10 or 20 %.",
        )


def forget_order(persona_ids: Sequence[str], seed: int = 0) -> list[str]:
    """The ids in the order in which they are forgotten: every forget set is a prefix of this list.

    The order depends on the ids and the seed alone, not on how they are listed or composed; adding people leaves the
    relative order of the others as it was.

    Raises:
        CrossmemError: An id occurs twice, be it in two Unicode spellings.
    """
    counts = Counter(map(person_key, persona_ids))
    if len(counts) != len(persona_ids):
        twice = sorted(name for name, count in counts.items() if count > 1)
        raise CrossmemError(
            f"Persona ids {twice[:3]!r} occur more than once among {len(persona_ids)}; expected each once.",
            "Pass each person once.",
        )
    keys = {persona_id: person_key(persona_id) for persona_id in persona_ids}
    return sorted(persona_ids, key=lambda one: (seed_for(seed, "forget-order", keys[one]), keys[one]))


def forget_ids(persona_ids: Sequence[str], fraction: float, seed: int = 0) -> frozenset[str]:
    """The people to forget; the sets of larger fractions contain those of smaller ones.

    Args:
        fraction: Share of the people, above 0 and below 1; the count is rounded to the nearest person, halves up.
        seed: Which order of forgetting.

    Returns:
        At least one id, and never all of them.

    Raises:
        CrossmemError: A fraction outside (0, 1), an id that occurs twice, or a set that would be empty.

    Example:
        >>> personas = [f"t0-{index:05d}" for index in range(20)]
        >>> len(forget_ids(personas, 0.1)), forget_ids(personas, 0.1) < forget_ids(personas, 0.2)
        (2, True)
    """
    check_fraction(fraction)
    count = floor(fraction * len(persona_ids) + 0.5 + 1e-9)
    if not 0 < count < len(persona_ids):
        empty = "forget" if count == 0 else "retain"
        raise CrossmemError(
            f"{fraction!r} of {len(persona_ids)} people leaves an empty {empty} set; expected someone in both.",
            "Use more people or another fraction.",
        )
    return frozenset(forget_order(persona_ids, seed)[:count])


def check_disjoint(forget: Sequence[str], retain: Sequence[str]) -> None:
    """Accept the persona ids of a forget and a retain set that are not empty and share nobody.

    Raises:
        CrossmemError: One of them is empty, or someone is in both.
    """
    for name, ids in (("forget", forget), ("retain", retain)):
        if not ids:
            raise CrossmemError(f"The {name} set is empty; expected at least one row.", f"Give it some {name} rows.")
    both = sorted(set(map(person_key, forget)) & set(map(person_key, retain)))
    if both:
        shown = ", ".join(map(repr, both[:3])) + (", ..." if len(both) > 3 else "")
        raise CrossmemError(
            f"{len(both)} persona(s) are in both the forget and the retain set: {shown}.",
            "Split by persona, e.g. with crossmem_hf.data.splits.forget_ids.",
        )
