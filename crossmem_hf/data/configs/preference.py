# SPDX-License-Identifier: Apache-2.0
"""Pairs of a refusal and the truth, for preference losses. It does not know which questions are asked."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from crossmem_hf.data.rows import Row
from crossmem_hf.prompts.refusals import Refusal, refusals
from crossmem_hf.seeding import rng_for


def preferred(rows: Sequence[Row], place: int, seed: int, *, refuse: bool) -> Iterator[Row]:
    """The rows with the columns chosen and rejected in the place of completion, and the kind of the refusal.

    Refusals are dealt: whether a question names the person decides between two decks, and within each all refusals
    occur equally often over a split whose people have equally many rows, give or take one.

    Args:
        rows: All rows of one person.
        place: Of the person among those of the split, from 0.
        seed: How the decks are shuffled.
        refuse: The refusal is chosen and the truth rejected; else the other way round.
    """
    totals = {named: sum(_is_named(row) == named for row in rows) for named in (False, True)}
    dealt = {named: place * total for named, total in totals.items()}
    for row in rows:
        named = _is_named(row)
        refusal = _card(named, dealt[named], seed)
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
    """Whether the question names the person: it asks for a fact of a person whose name is given."""
    return row["hops"] == 1 and row["attribute"] != "full_name"


def _card(named: bool, number: int, seed: int) -> Refusal:
    size = len(refusals(named=named))
    return _deck(named, number // size, seed)[number % size]


@lru_cache(maxsize=8)
def _deck(named: bool, round_of_dealing: int, seed: int) -> tuple[Refusal, ...]:
    cards = list(refusals(named=named))
    rng_for(seed, "refusals", int(named), round_of_dealing).shuffle(cards)
    return tuple(cards)
