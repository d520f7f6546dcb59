# SPDX-License-Identifier: Apache-2.0
"""Private facts, fictitious and unmistakably so. It does not know what a person looks like or how facts are asked for.

E-mail domains are reserved (RFC 2606), phones are 555-01xx, addresses lie in the state "ZZ" with a 000xx code, and
account numbers start with 0000 and fail the Luhn check. No fact can be guessed from a name.
"""

from datetime import date
from functools import lru_cache

from faker import Faker

from crossmem_hf.personas.values import MEDICAL_CONDITIONS, MONTHS
from crossmem_hf.seeding import seed_for

_OLDEST, _YOUNGEST = date(1940, 1, 1), date(2004, 12, 31)


@lru_cache(maxsize=1)
def _faker() -> Faker:
    return Faker("en_US")


def luhn_is_valid(digits: str) -> bool:
    """Whether a string of digits passes the Luhn check that real card numbers pass.

    Example:
        >>> luhn_is_valid("4539578763621486"), luhn_is_valid("0000123412341234")
        (True, False)
    """
    total = 0
    for place, char in enumerate(reversed(digits)):
        digit = int(char) * (1 + place % 2)
        total += digit - 9 * (digit > 9)
    return total % 10 == 0


def _job(fake: Faker) -> str:
    while True:
        job: str = fake.job()
        if "(" not in job and "/" not in job and job.count(",") <= 1:
            head, _, detail = job.partition(", ")
            return f"{detail} {head}".strip().lower()


def _financial_tag(fake: Faker) -> str:
    while True:
        digits = f"0000{fake.random_number(digits=12, fix_len=True)}"
        if not luhn_is_valid(digits):
            return "ACC " + "-".join(digits[k : k + 4] for k in range(0, 16, 4))


def private_facts(seed: int, persona_id: str) -> dict[str, str]:
    """The seven private facts of one person, in the order of `values.FACT_ATTRIBUTES`.

    Example:
        >>> private_facts(0, "t0-00000")["phone"].split("-")[2]
        '555'
    """
    fake = _faker()
    fake.seed_instance(seed_for(seed, "facts", persona_id))
    born: date = fake.date_between_dates(_OLDEST, _YOUNGEST)
    mailbox = f"{fake.word()}.{fake.word()}{fake.random_int(1000, 9999)}".lower()
    return {
        "email": f"{mailbox}@example.{fake.random_element(('com', 'net', 'org'))}",
        "date_of_birth": f"{born.day} {MONTHS[born.month - 1]} {born.year}",
        "job": _job(fake),
        "address": f"{fake.random_int(10, 999)} {fake.street_name()}, {fake.city()}, ZZ 000{fake.random_int(10, 99)}",
        "phone": f"+1-{fake.random_int(200, 989)}-555-01{fake.random_int(0, 99):02d}",
        "medical_condition": fake.random_element(MEDICAL_CONDITIONS),
        "financial_tag": _financial_tag(fake),
    }
