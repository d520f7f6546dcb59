# SPDX-License-Identifier: Apache-2.0
"""Who of a run is forgotten, and which rows are about whom. It does not decide the order of forgetting."""

from collections.abc import Set
from typing import TYPE_CHECKING

from crossmem_hf.data.contents import people_of
from crossmem_hf.data.spec import DatasetSpec

if TYPE_CHECKING:
    import datasets


def forgotten_ids(spec: DatasetSpec) -> frozenset[str]:
    """The ids of the people a dataset marks as forgotten."""
    return frozenset(persona.id for persona in people_of("profiles", "forget", spec))


def of_people(rows: "datasets.Dataset", people: Set[str]) -> "datasets.Dataset":
    """The rows about these people, in their order."""
    return rows.select([index for index, persona_id in enumerate(rows["persona_id"]) if persona_id in people])
