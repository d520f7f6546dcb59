# SPDX-License-Identifier: Apache-2.0
"""Which rows are about whom. It does not know who is forgotten."""

from collections.abc import Set

from datasets import Dataset


def personas_of(dataset: Dataset) -> list[str]:
    """The persona of each row, in order; no image is decoded."""
    return dataset.select_columns(["persona_id"]).with_format("arrow")[:]["persona_id"].to_pylist()


def of_people(rows: Dataset, people: Set[str]) -> Dataset:
    """The rows about these people, in their order."""
    return rows.select([index for index, persona in enumerate(personas_of(rows)) if persona in people])
