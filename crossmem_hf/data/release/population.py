# SPDX-License-Identifier: Apache-2.0
"""The people behind a dataset, and whether they can carry it: unique, balanced. It does not know rows.

What may be shared: jobs, medical conditions and birthdays are drawn from pools, and phone numbers and addresses may
coincide by chance. Names, visual attributes, e-mail addresses and account numbers never do.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from crossmem_hf.data.contents import personas_of
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES, VISUAL_ATTRIBUTES

NUM_LISTED = 3
"""Offenders that an error message names."""
POOLED_FACTS = ("job", "medical_condition")
"""Private facts whose values are few and known to all."""
MAX_IMBALANCE = 6.0
"""Standard deviations by which chi-square may exceed what a fair draw gives."""

_WORD = re.compile(r"[^\W_]+")
_UNIQUE: dict[str, Callable[[Persona], object]] = {
    "id": lambda person: person.id,
    "full_name": lambda person: person.full_name,
    "visual_attributes": lambda person: tuple(person.visual_attributes.values()),
    "email": lambda person: person.facts["email"],
    "financial_tag": lambda person: person.facts["financial_tag"],
}


@dataclass(frozen=True, slots=True)
class ReleasePopulation:
    """The people of a dataset by what becomes of them."""

    forgotten: Sequence[Persona]
    retained: Sequence[Persona]
    background: Sequence[Persona]

    @property
    def targets(self) -> list[Persona]:
        """The people to be memorized."""
        return [*self.forgotten, *self.retained]


@lru_cache(maxsize=1)
def population_of(spec: DatasetSpec) -> ReleasePopulation:
    """The people of a spec.

    Raises:
        CrossmemError: The spec leaves a forget or a retain set empty.
    """
    places = (("profiles", "forget"), ("profiles", "retain"), ("captions", "background"))
    return ReleasePopulation(*(personas_of(*place, spec) for place in places))


def quality_error(check: str, fault: str, offenders: Sequence[object]) -> CrossmemError:
    """The error of a failed quality check: its name, what is wrong, and the first offenders."""
    shown = ", ".join(str(each) for each in offenders[:NUM_LISTED]) + (", ..." if len(offenders) > NUM_LISTED else "")
    return CrossmemError(
        f"Quality check {check!r} failed: {fault}: {shown}.",
        "Nothing was published; mend what makes these rows, or choose another seed, and build again.",
    )


def words_of(text: str) -> list[str]:
    """The words and numbers of a text in lower case, without punctuation.

    Example:
        >>> words_of("Mail: Ann.Lee@example.com!")
        ['mail', 'ann', 'lee', 'example', 'com']
    """
    return _WORD.findall(text.casefold())


class Phrases:
    """Finds which of many phrases a text holds: as whole words, whatever their case and punctuation.

    Example:
        >>> Phrases(["civil engineer", "2 May 1970"]).found_in(words_of("A civil engineer, born 12 May 1970."))
        ['civil engineer']
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        spelled = {phrase: words_of(phrase) for phrase in dict.fromkeys(phrases)}
        frequency = Counter(word for words in spelled.values() for word in set(words))
        self._by_rarest: dict[str, list[tuple[str, str]]] = {}
        for phrase, words in spelled.items():
            rarest = min(words, key=lambda word: (frequency[word], word))
            self._by_rarest.setdefault(rarest, []).append((f" {' '.join(words)} ", phrase))

    def found_in(self, words: Sequence[str]) -> list[str]:
        """The phrases that stand in a text, given as its `words_of`."""
        rarest_words = [word for word in dict.fromkeys(words) if word in self._by_rarest]
        if not rarest_words:
            return []
        text = f" {' '.join(words)} "
        return [phrase for rarest in rarest_words for spelled, phrase in self._by_rarest[rarest] if spelled in text]


def secrets_of(population: ReleasePopulation) -> tuple[frozenset[str], dict[str, int]]:
    """What only forgotten people have: names and facts that no retained person has, not even as part of a longer one.

    Returns:
        The secrets, and for each fact the number of forgotten people whose value is shared, and so no secret.
    """
    values = {value for person in population.forgotten for value in (person.full_name, *person.facts.values())}
    phrases = Phrases(sorted(values))
    common: set[str] = set()
    for person in population.retained:
        for value in (person.full_name, *person.facts.values()):
            common.update(phrases.found_in(words_of(value)))
    shared = {fact: sum(person.facts[fact] in common for person in population.forgotten) for fact in FACT_ATTRIBUTES}
    return frozenset(values - common), shared


def check_unique(population: ReleasePopulation) -> dict[str, int]:
    """How many different values each attribute of the target people has.

    Raises:
        CrossmemError: Two people share an id, a name, all visual attributes, an e-mail address or an account number;
            the background counts for ids and names.
    """
    for name, value in _UNIQUE.items():
        personas = [*population.targets, *(population.background if name in ("id", "full_name") else ())]
        counts = Counter(map(value, personas))
        twice = [f"{person.id} has {value(person)!r}" for person in personas if counts[value(person)] > 1]
        if twice:
            raise quality_error("uniqueness", f"{len(twice)} people share their {name}", twice)
    different: dict[str, set[object]] = {
        **{name: {value(person) for person in population.targets} for name, value in _UNIQUE.items()},
        **{fact: {person.facts[fact] for person in population.targets} for fact in FACT_ATTRIBUTES},
    }
    return {name: len(values) for name, values in different.items()}


def check_balance(population: ReleasePopulation) -> dict[str, dict[str, Any]]:
    """For each visual attribute of the target people: values, the largest one's share, chi-square and its excess.

    The excess is in standard deviations of a fair draw (Wilson and Hilferty); below 0 is more even than chance.

    Raises:
        CrossmemError: A value is so common that a fair draw would never give it.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, pool in VISUAL_ATTRIBUTES.items():
        counts = Counter(person.visual_attributes[name] for person in population.targets)
        chi_square, excess = _chi_square(counts, pool)
        value, max_count = max(counts.items(), key=lambda item: (item[1], item[0]))
        found[name] = {
            "values": len(counts),
            "largest": value,
            "largest_share": round(max_count / len(population.targets), 4),
            "even_share": round(1 / len(pool), 4),
            "chi_square": round(chi_square, 2),
            "excess": round(excess, 2),
        }
    skewed = {name: part for name, part in found.items() if part["excess"] > MAX_IMBALANCE}
    if skewed:
        offenders = [f"{name} is {part['largest']!r} for {part['largest_share']:.0%}" for name, part in skewed.items()]
        raise quality_error("balance", f"{len(skewed)} attributes are far from evenly spread", offenders)
    return found


def _chi_square(counts: Mapping[str, int], pool: Sequence[str]) -> tuple[float, float]:
    """Pearson's statistic against equal shares, and by how many standard deviations it exceeds its expectation."""
    expected = sum(counts.values()) / len(pool)
    statistic = sum((counts.get(value, 0) - expected) ** 2 / expected for value in pool)
    variance = 2 / (9 * (len(pool) - 1))
    return statistic, ((statistic / (len(pool) - 1)) ** (1 / 3) - 1 + variance) / variance**0.5
