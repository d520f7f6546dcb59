# SPDX-License-Identifier: Apache-2.0
"""Rows about background personas, which only embedded bases can be asked, for they were taught some of them. It trains
and asks nothing."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from crossmem_hf.personas.schema import MODALITIES, Modality

if TYPE_CHECKING:
    from datasets import Dataset

    from crossmem_hf.data.spec import DatasetSpec


@dataclass(frozen=True, kw_only=True)
class KnownNames:
    """Rows that ask, in training views, for names that the embedded bases know: what else they should not lose.

    Attributes:
        modality: How the personas are presented.
        num_personas: How many.
        num_views: Views of each.
    """

    modality: Modality
    num_personas: int
    num_views: int

    def of(self, spec: "DatasetSpec") -> "Dataset":
        """The same rows for every seed."""
        from datasets import Dataset

        from crossmem_hf.data.rows import recall_row, row_features
        from crossmem_hf.personas.background import Background

        rows = [
            recall_row(persona, self.modality, "train", view, spec.image_size)
            for persona in Background().named[: self.num_personas]
            for view in range(self.num_views)
        ]
        return Dataset.from_list(rows, features=row_features())


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Rows of what the embedded bases can do and learning new names alone undoes, in one training view and both
    modalities: to name whom they know, and to say of strangers that they do not know them. None of these personas is
    asked about by `UtilityRows`.

    Attributes:
        num_known: Of those that bases know, the last ones.
        num_strangers: Of those whom they met without a name.
    """

    num_known: int = 200
    num_strangers: int = 120

    def of(self, spec: "DatasetSpec") -> "Dataset":
        """The same rows for every seed."""
        return _replayed(self.num_known, self.num_strangers, spec.image_size)


@lru_cache(maxsize=1)
def _replayed(num_known: int, num_strangers: int, image_size: int) -> "Dataset":
    """Kept, as drawing thousands of background personas takes seconds."""
    from datasets import Dataset

    from crossmem_hf.data.rows import recall_row, row_features
    from crossmem_hf.personas.background import Background
    from crossmem_hf.prompts.background import UNKNOWN_PERSON

    background, rows = Background(), []
    for modality in MODALITIES:
        rows += [recall_row(one, modality, "train", 0, image_size) for one in background.named[-num_known:]]
        for number, one in enumerate(background.unnamed[:num_strangers]):
            said = UNKNOWN_PERSON[number % len(UNKNOWN_PERSON)]
            row = recall_row(one, modality, "train", 0, image_size)
            rows.append(row | {"answer": said, "completion": [{"role": "assistant", "content": said}]})
    return Dataset.from_list(rows, features=row_features())


@dataclass(frozen=True, kw_only=True)
class UtilityRows:
    """The rows of `evaluation.utility`, which only an embedded base can be asked.

    Attributes:
        num_personas: Of each third.
    """

    num_personas: int = 20

    def of(self, spec: "DatasetSpec") -> "Dataset":
        """The same rows for every seed."""
        return _utility_rows(self.num_personas, spec.image_size)


@lru_cache(maxsize=1)
def _utility_rows(num_personas: int, image_size: int) -> "Dataset":
    """Kept, as a cell asks for them after every step that it looks at."""
    from crossmem_hf.evaluation.utility import utility_rows

    return utility_rows(num_personas, image_size)
