# SPDX-License-Identifier: Apache-2.0
"""Who of a run is forgotten. It does not decide the order of forgetting."""

from crossmem_hf.data.contents import people_of
from crossmem_hf.data.spec import DatasetSpec


def forgotten_ids(spec: DatasetSpec) -> frozenset[str]:
    """The ids of the people a dataset marks as forgotten."""
    return frozenset(persona.id for persona in people_of("profiles", "forget", spec))
