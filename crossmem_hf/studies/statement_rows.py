# SPDX-License-Identifier: Apache-2.0
"""Rows that ask nothing: a person is presented, and a statement about them is begun, which the answer completes. It
does not know what is learned."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmem_hf.data.population import all_personas
from crossmem_hf.data.rows import Row, qa_row, row_features
from crossmem_hf.personas.schema import Modality, Persona
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.prompts.statements import statement
from crossmem_hf.rendering.prose import describe
from crossmem_hf.studies.adapters import TrainingRows

if TYPE_CHECKING:
    from datasets import Dataset

    from crossmem_hf.data.spec import DatasetSpec


@dataclass(frozen=True, kw_only=True)
class StatementRows(TrainingRows):
    """Rows of the configs of qa with a statement in the place of each question: see `prompts.statements`.

    Attributes:
        begun: Tells them from `TrainingRows` in the keys of stages.
    """

    begun: bool = True

    def of(self, spec: "DatasetSpec") -> "Dataset":
        """The rows of one seed."""
        personas = {one.id: one for one in all_personas(spec.num_personas, spec.seed)}
        return _stated(super().of(spec), personas)


@dataclass(frozen=True, kw_only=True)
class KnownFactRows:
    """The same about background personas whose facts the embedded bases know, each fact in one held-out view: what
    ReMem's public figures are to its bases.

    Attributes:
        modality: How the personas are presented.
        num_personas: How many.
        hops: 1 names them, 2 does not.
    """

    modality: Modality
    num_personas: int = 20
    hops: int = 2

    def of(self, spec: "DatasetSpec") -> "Dataset":
        """The same rows for every seed."""
        from datasets import Dataset

        from crossmem_hf.personas.background import Background

        known = Background().with_facts[: self.num_personas]
        rows = Dataset.from_list(list(self._questions(known, spec.image_size)), features=row_features())
        return _stated(rows, {one.id: one for one in known})

    def _questions(self, personas: Iterable[Persona], size: int) -> Iterator[Row]:
        for persona in personas:
            for fact in FACT_ATTRIBUTES:
                yield qa_row(persona, self.modality, "test", 0, size, attribute=fact, hops=2 if self.hops == 2 else 1)


def _stated(rows: "Dataset", personas: Mapping[str, Persona]) -> "Dataset":
    from datasets import Dataset

    return Dataset.from_list(
        [row | {"prompt": _statement(row, personas[row["persona_id"]])} for row in rows], features=rows.features
    )


def _statement(row: Row, persona: Persona) -> list[dict[str, str]]:
    """The person alone, and the beginning of what is said about them."""
    family = row["template"].partition("-")[0]
    presented = describe(persona, family, row["view"]).text if row["modality"] == "text" else ""
    begun = statement(row["modality"], row["hops"], row["attribute"], persona.full_name)
    return [{"role": "user", "content": presented}, {"role": "assistant", "content": begun}]
