# SPDX-License-Identifier: Apache-2.0
"""Which personas and which rows make up each split of each config. It does not know how rows are stored."""

from collections.abc import Iterator, Sequence

from crossmem_hf.data.configs.table import KINDS, check_split
from crossmem_hf.data.population import in_split
from crossmem_hf.data.rows import Row
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.schema import Persona


def personas_of(config: str, split: str, spec: DatasetSpec) -> list[Persona]:
    """The personas whose rows a split holds; forget and retain splits share nobody, nor do background and target.

    Raises:
        CrossmemError: Unknown config or split, a forget or retain set that would be empty, or portraits of others.
    """
    check_split(config, split)
    return in_split(split, spec)


def rows_of(config: str, split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """The rows of a split, persona by persona, at constant memory."""
    return KINDS[config].rows(split, personas, spec)
