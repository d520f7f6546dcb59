# SPDX-License-Identifier: Apache-2.0
"""What a kind of row is made of, and the views that a split shows. It does not know which kinds there are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmem_hf.data.rows import Row, row_features
from crossmem_hf.data.spec import NUM_HELD_OUT_VIEWS, DatasetSpec
from crossmem_hf.personas.schema import VIEW_SPLITS, Persona, ViewSplit

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


def views_of(split: str, spec: DatasetSpec) -> list[tuple[ViewSplit, int]]:
    """Family and number of each view of a persona in a split that is named like its family.

    Example:
        >>> views_of("far", DatasetSpec())
        [('far', 0), ('far', 1), ('far', 2), ('far', 3)]
    """
    count = spec.num_views if split == "train" else NUM_HELD_OUT_VIEWS
    return [(family, index) for family in VIEW_SPLITS if family == split for index in range(count)]
