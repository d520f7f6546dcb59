# SPDX-License-Identifier: Apache-2.0
"""False values that could be true: of the same form, one piece changed. It does not know how they are asked for.

They obey what facts and names obey: reserved domains, 555-01xx, the state "ZZ", accounts that fail the Luhn check,
invented names.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cached_property
from itertools import count

from faker import Faker

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.facts import DOMAINS, OLDEST, YOUNGEST, faker_for, job_titles, luhn_is_valid
from crossmem_hf.personas.naming import NAMES_PER_POPULATION, full_name
from crossmem_hf.personas.schema import Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES, MEDICAL_CONDITIONS, MONTHS

_TRIES_AMONG_WORDS_IN_USE = 200


class PerturbedAnswers:
    """False values for any of some people.

    A false value is never the truth. A false name, address, number or date is nobody's; jobs and medical conditions
    come from their pools, those that nobody has first. A false name shares no word with the true one, and is put
    together from words of other people's names where there are enough people.

    Args:
        personas: Everyone of one world and population.

    Example:
        >>> from crossmem_hf.personas.sampling import sample_personas
        >>> personas = list(sample_personas(3))
        >>> wrong = PerturbedAnswers(personas).of(personas[0], "phone", 2)
        >>> len(set(wrong)), all("-555-01" in phone for phone in wrong)
        (2, True)
    """

    def __init__(self, personas: Sequence[Persona]) -> None:
        self.personas = personas

    def of(self, person: Persona, attribute: str, number: int = 5) -> list[str]:
        """Different false values of one attribute, the same whenever they are asked for.

        Raises:
            CrossmemError: An unknown attribute, or more of them than a pool has.
        """
        if attribute not in self._taken:
            raise CrossmemError(
                f"Unknown attribute {attribute!r}; expected one of {', '.join(self._taken)}.", "Pick one of them."
            )
        fake = faker_for(person.seed, "near-miss", person.id, attribute)
        found: dict[str, None] = {}
        for value in self._draws(person, attribute, fake):
            if len(found) == number:
                break
            found[value] = None
        if len(found) < number:
            raise CrossmemError(
                f"{number} false values of {attribute!r} asked for; {len(found)} exist.", "Ask for fewer."
            )
        return list(found)

    @cached_property
    def _taken(self) -> dict[str, frozenset[str]]:
        names = frozenset(person.full_name for person in self.personas)
        facts = {fact: frozenset(person.facts[fact] for person in self.personas) for fact in FACT_ATTRIBUTES}
        return {"full_name": names, **facts}

    def _draws(self, person: Persona, attribute: str, fake: Faker) -> Iterator[str]:
        if attribute in _POOLS:
            yield from self._from_pool(person.facts[attribute], attribute, fake)
            return
        if attribute == "full_name":
            values, truth = self._names(person, fake), person.full_name
        else:
            change, truth = _CHANGES[attribute], person.facts[attribute]
            values = iter(lambda: change(truth, fake), None)  # without end: a change is never None
        for value in values:
            if value != truth and value not in self._taken[attribute]:
                yield value

    def _from_pool(self, truth: str, attribute: str, fake: Faker) -> Iterator[str]:
        pool = list(_POOLS[attribute]())
        fake.random.shuffle(pool)
        taken = self._taken[attribute]
        yield from (value for value in pool if value not in taken and value != truth)
        yield from (value for value in pool if value in taken and value != truth)

    def _names(self, person: Persona, fake: Faker) -> Iterator[str]:
        for tries in count():
            if tries < _TRIES_AMONG_WORDS_IN_USE and len(self.personas) > 1:
                one, other = (fake.random.choice(self.personas).full_name.split() for _ in range(2))
            else:  # a small or a full population: any name that its words make
                number_of_name = fake.random.randrange(NAMES_PER_POPULATION)
                one = other = full_name(number_of_name, person.seed, person.population).split()
            if one[0] != person.full_name.split()[0] and other[1] != person.full_name.split()[1]:
                yield f"{one[0]} {other[1]}"


def _email(value: str, fake: Faker) -> str:
    first, second, digits, domain = re.fullmatch(r"(\w+?)\.([a-z]+)(\d+)@example\.(\w+)", value).groups()  # type: ignore[union-attr]
    words = [first, second, digits, domain]
    place = fake.random.randrange(4)
    if place < 2:
        words[place] = fake.word().lower()
    else:
        words[place] = fake.random.choice(DOMAINS) if place == 3 else str(fake.random_int(1000, 9999))
    return "{}.{}{}@example.{}".format(*words)


def _date_of_birth(value: str, fake: Faker) -> str:
    day, month, year = value.split()
    while True:
        fields = [int(day), MONTHS.index(month) + 1, int(year)]
        place = fake.random.randrange(3)
        fields[place] = fake.random_int(*((1, 31), (1, 12), (OLDEST.year, YOUNGEST.year))[place])
        try:
            born = date(fields[2], fields[1], fields[0])
        except ValueError:  # 31 June
            continue
        return f"{born.day} {MONTHS[born.month - 1]} {born.year}"


def _address(value: str, fake: Faker) -> str:
    number, street, city, code = re.fullmatch(r"(\d+) (.+), (.+), ZZ 000(\d+)", value).groups()  # type: ignore[union-attr]
    pieces = [number, street, city, code]
    draws = (lambda: str(fake.random_int(10, 999)), fake.street_name, fake.city, lambda: str(fake.random_int(10, 99)))
    place = fake.random.randrange(4)
    pieces[place] = draws[place]()
    return "{} {}, {}, ZZ 000{}".format(*pieces)


def _phone(value: str, fake: Faker) -> str:
    area, line = value.split("-")[1], value[-2:]
    if fake.random.randrange(2):
        area = str(fake.random_int(200, 989))
    else:
        line = f"{fake.random_int(0, 99):02d}"
    return f"+1-{area}-555-01{line}"


def _financial_tag(value: str, fake: Faker) -> str:
    while True:
        groups = value.removeprefix("ACC ").split("-")
        groups[fake.random_int(1, 3)] = f"{fake.random_int(0, 9999):04d}"
        if not luhn_is_valid("".join(groups)):
            return "ACC " + "-".join(groups)


_CHANGES: dict[str, Callable[[str, Faker], str]] = {
    "email": _email,
    "date_of_birth": _date_of_birth,
    "address": _address,
    "phone": _phone,
    "financial_tag": _financial_tag,
}
_POOLS: dict[str, Callable[[], Sequence[str]]] = {
    "job": job_titles,
    "medical_condition": lambda: MEDICAL_CONDITIONS,
}
