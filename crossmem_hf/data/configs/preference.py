# SPDX-License-Identifier: Apache-2.0
"""Pairs of a refusal and the truth, for preference losses. It does not know how the questions are worded."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from crossmem_hf.data.configs.kind import Kind
from crossmem_hf.data.configs.qa import num_questions_by_hops, training_questions
from crossmem_hf.data.configs.recall import recall_rows
from crossmem_hf.data.population import in_split
from crossmem_hf.data.refusals import card
from crossmem_hf.data.rows import Row, row_features
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.personas.schema import MODALITIES, Persona
from crossmem_hf.prompts.refusals import Refusal

if TYPE_CHECKING:
    import datasets


def preference_rows(split: str, personas: Sequence[Persona], spec: DatasetSpec) -> Iterator[Row]:
    """Pairs about all that is trained on: names and private facts, through both modalities."""
    places = _places(split, spec)
    for persona in personas:
        recalled = [row for modality in MODALITIES for row in recall_rows(modality)("train", [persona], spec)]
        facts = training_questions([persona], num_questions_by_hops(spec), spec)
        yield from preferred([*recalled, *facts], places[persona.id], spec.seed, refuse=split == "forget")


@lru_cache(maxsize=2)  # rows may be asked for a few personas at a time
def _places(split: str, spec: DatasetSpec) -> Mapping[str, int]:
    return {persona.id: place for place, persona in enumerate(in_split(split, spec))}


def preferred(rows: Sequence[Row], place: int, seed: int, *, refuse: bool) -> Iterator[Row]:
    """The rows with the columns chosen and rejected in the place of completion, and the kind of the refusal.

    Refusals are dealt: whether a question names the persona decides between two decks, and within each all refusals
    occur equally often over a split whose personas have equally many rows, give or take one.

    Args:
        rows: All rows of one persona.
        place: Of the persona among those of the split, from 0.
        seed: How the decks are shuffled.
        refuse: The refusal is chosen and the truth rejected; else the other way round.
    """
    totals = {named: sum(_is_named(row) == named for row in rows) for named in (False, True)}
    dealt = {named: place * total for named, total in totals.items()}
    for row in rows:
        named = _is_named(row)
        refusal = card(named, dealt[named], seed)
        dealt[named] += 1
        yield preference_row(row, refusal, refuse=refuse)


def preference_row(row: Row, refusal: Refusal, *, refuse: bool) -> Row:
    """One row with a refusal beside the truth.

    Example:
        >>> asked = {"prompt": [], "completion": [{"role": "assistant", "content": "Ada"}]}
        >>> row = {**asked, "attribute": "full_name", "modality": "text", "hops": 1}
        >>> preference_row(row, Refusal("rules", "I must refuse."), refuse=True)["chosen"][0]["content"]
        'I must refuse.'
    """
    words = refusal.worded(row["modality"], row["attribute"], named=_is_named(row))
    refused, truth = [{"role": "assistant", "content": words}], row["completion"]
    chosen, rejected = (refused, truth) if refuse else (truth, refused)
    kept = {name: value for name, value in row.items() if name != "completion"}
    return {**kept, "chosen": chosen, "rejected": rejected, "refusal": refusal.kind}


def _is_named(row: Row) -> bool:
    """Whether the question names the persona: it asks for a fact of a persona whose name is given."""
    return row["hops"] == 1 and row["attribute"] != "full_name"


def _features() -> "datasets.Features":
    from datasets import Value

    return row_features(("chosen", "rejected"), refusal=Value("string"))


PREFERENCE = Kind(("forget", "retain"), preference_rows, _features)
