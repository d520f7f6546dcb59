# SPDX-License-Identifier: Apache-2.0
"""Which rows are about whom. It does not know who is forgotten."""

from collections.abc import Set

from datasets import Dataset

from crossmem_hf.data.splits import person_key
from crossmem_hf.errors import CrossmemError


def personas_of(dataset: Dataset) -> list[str]:
    """The `person_key` of each row, in order; no image is decoded.

    Raises:
        CrossmemError: A row is about nobody.
    """
    people = dataset.select_columns(["persona_id"]).with_format("arrow")[:]["persona_id"].to_pylist()
    if None in people:
        raise CrossmemError(f"Row {people.index(None)} has no persona_id.", "Say in each row whom it is about.")
    keys = {person: person_key(person) for person in set(people)}
    return [keys[person] for person in people]


def of_people(rows: Dataset, people: Set[str]) -> Dataset:
    """The rows about these people, in their order."""
    wanted = set(map(person_key, people))
    return rows.select([index for index, person in enumerate(personas_of(rows)) if person in wanted])
