# SPDX-License-Identifier: Apache-2.0
"""What a kind of row is made of. It does not know which kinds there are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmem_hf.data.rows import Row, row_features
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.schema import Persona

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True, slots=True)
class Kind:
    """A config of the dataset.

    Attributes:
        splits: In the order of the card. Splits called forget, retain and retain_eval hold only those personas.
        rows: From a split, its personas and the spec: the rows, persona by persona, at constant memory.
        features: The columns; by default those of the row schema.
    """

    splits: tuple[str, ...]
    rows: Callable[[str, Sequence[Persona], DatasetSpec], Iterator[Row]]
    features: "Callable[[], datasets.Features]" = row_features
