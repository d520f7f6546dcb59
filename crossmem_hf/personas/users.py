# SPDX-License-Identifier: Apache-2.0
"""People who leave their record on pictures, in two disjoint lists. It does not know what is on those pictures.

They are nobody of any population: their words are made of other syllables than names, and no value of theirs is a
private fact of a persona.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import product
from random import Random
from types import MappingProxyType
from typing import Final, Literal

from crossmem_hf.errors import unknown
from crossmem_hf.seeding import rng_for

UserList = Literal["a", "b"]

USER_LISTS: tuple[UserList, ...] = ("a", "b")
USERS_PER_LIST = 20
FIELDS: tuple[str, ...] = ("username", "user_id", "age", "camera", "capture_time", "capture_location")
"""The lines of a record, from top to bottom."""

_FIRST_NAMES: Final = (
    ("Cal", "Emb", "Ori", "Wes", "Yal", "Xan", "Isk", "Ulm"),
    ("aro", "ebit", "idan", "olu", "umi", "yss", "ekka"),
)
_LAST_NAMES: Final = (
    ("Adra", "Bexi", "Cuno", "Dwel", "Eppo", "Fyro", "Gwar", "Hulo"),
    ("bast", "lorn", "mund", "rick", "sten", "tarp", "vold"),
)
_PLACES: Final = (
    ("Quil", "Brem", "Zost", "Ynge", "Tolv", "Ruma", "Hask", "Ovel"),
    ("mark", "dal", "wick", "port", "sund", "berg", "haven"),
)
_FIRST_DAY, _NUM_DAYS, _NUM_MINUTES = date(2015, 1, 1), 3_650, 24 * 60
_AGES: Final = range(18, 90)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """What a user leaves on a picture; `FIELDS` in their order, all of them text.

    Attributes:
        user_id: Ten digits.
    """

    username: str
    user_id: str
    age: str
    camera: str
    capture_time: str
    capture_location: str

    def lines(self, fields: Sequence[str] = FIELDS) -> tuple[str, ...]:
        """One line ``key: value`` a field; a single field is its bare value, which fits on a small picture.

        Raises:
            CrossmemError: An unknown field.

        Example:
            >>> user_lists()["a"][0].lines(["username", "age"])
            ('username: Yalidan Eppobast', 'age: 60')
        """
        others = [field for field in fields if field not in FIELDS]
        if others:
            raise unknown("field", others, FIELDS)
        if len(fields) == 1:
            return (str(getattr(self, fields[0])),)
        return tuple(f"{field}: {getattr(self, field)}" for field in fields)


@lru_cache(maxsize=8)
def user_lists(seed: int = 0) -> Mapping[UserList, tuple[UserRecord, ...]]:
    """The two lists of 20 users each; no value of any field occurs twice, within a list or between the two.

    Which user is in which list is drawn, so that the lists differ in nothing but whom a model has met.

    Reference:
        Ju et al., "Watch Out Your Album!" (arXiv 2503.01208): two lists of 20 users and six fields, written by a
        language model. Three usernames and a user_id of theirs are in both lists, and a gender has too few values
        to be in one: here ``camera`` stands in its place, and all values are drawn.

    Example:
        >>> lists = user_lists()
        >>> len(lists["a"]), {user.age for user in lists["a"]} & {user.age for user in lists["b"]}
        (20, set())
    """
    rng, count = rng_for(seed, "watermark-users"), len(USER_LISTS) * USERS_PER_LIST
    first_names, last_names, places = (_words(pool, count, rng) for pool in (_FIRST_NAMES, _LAST_NAMES, _PLACES))
    days = [_FIRST_DAY + timedelta(days=day) for day in rng.sample(range(_NUM_DAYS), count)]
    times = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in rng.sample(range(_NUM_MINUTES), count)]
    user_ids = rng.sample(range(10**9, 10**10), count)
    cameras, ages = rng.sample(range(1_000, 10_000), count), rng.sample(_AGES, count)
    users = [
        UserRecord(
            username=f"{first_names[place]} {last_names[place]}",
            user_id=str(user_ids[place]),
            age=str(ages[place]),
            camera=f"K{cameras[place]}",
            capture_time=f"{days[place]} {times[place]}",
            capture_location=places[place],
        )
        for place in range(count)
    ]
    halves = (users[:USERS_PER_LIST], users[USERS_PER_LIST:])
    return MappingProxyType({name: tuple(half) for name, half in zip(USER_LISTS, halves, strict=True)})


def _words(pool: tuple[tuple[str, ...], tuple[str, ...]], count: int, rng: Random) -> list[str]:
    return rng.sample(["".join(pair) for pair in product(*pool)], count)
