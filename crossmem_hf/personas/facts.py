# SPDX-License-Identifier: Apache-2.0
"""Private facts, fictitious and unmistakably so. It does not know what a person looks like or how facts are asked for.

E-mail domains are reserved (RFC 2606), phones are 555-01xx, addresses lie in the state "ZZ" with a 000xx code, and
account numbers start with 0000 and fail the Luhn check. No fact can be guessed from a name.
"""

from datetime import date
from functools import lru_cache

from faker import Faker
from faker.providers.job.en_US import Provider as JobProvider

from crossmem_hf.personas.values import MEDICAL_CONDITIONS, MONTHS
from crossmem_hf.seeding import seed_for

DOMAINS = ("com", "net", "org")
OLDEST, YOUNGEST = date(1940, 1, 1), date(2004, 12, 31)


@lru_cache(maxsize=1)
def _faker() -> Faker:
    return Faker("en_US")


def faker_for(seed: int, *names: str | int) -> Faker:
    """The one generator of facts, seeded for one purpose; whoever asks next seeds it anew."""
    fake = _faker()
    fake.seed_instance(seed_for(seed, *names))
    return fake


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


def _worded(job: str) -> str:
    """A job of Faker's list as one says it; empty for those that cannot be said plainly."""
    if "(" in job or "/" in job or job.count(",") > 1:
        return ""
    head, _, detail = job.partition(", ")
    return f"{detail} {head}".strip().lower()


@lru_cache(maxsize=1)
def job_titles() -> tuple[str, ...]:
    """All jobs that people can have, in alphabetical order."""
    return tuple(sorted({worded for job in JobProvider.jobs if (worded := _worded(job))}))


def _job(fake: Faker) -> str:
    while True:
        job = _worded(fake.job())
        if job:
            return job


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
    fake = faker_for(seed, "facts", persona_id)
    born: date = fake.date_between_dates(OLDEST, YOUNGEST)
    mailbox = f"{fake.word()}.{fake.word()}{fake.random_int(1000, 9999)}".lower()
    return {
        "email": f"{mailbox}@example.{fake.random_element(DOMAINS)}",
        "date_of_birth": f"{born.day} {MONTHS[born.month - 1]} {born.year}",
        "job": _job(fake),
        "address": f"{fake.random_int(10, 999)} {fake.street_name()}, {fake.city()}, ZZ 000{fake.random_int(10, 99)}",
        "phone": f"+1-{fake.random_int(200, 989)}-555-01{fake.random_int(0, 99):02d}",
        "medical_condition": fake.random_element(MEDICAL_CONDITIONS),
        "financial_tag": _financial_tag(fake),
    }
