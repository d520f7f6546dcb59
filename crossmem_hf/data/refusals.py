# SPDX-License-Identifier: Apache-2.0
"""How refusals are dealt to rows, so that none dominates. It does not know how they are worded."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from crossmem_hf.personas.schema import Modality
from crossmem_hf.prompts.refusals import Refusal, refusals
from crossmem_hf.seeding import rng_for


def dealt_refusals(rows: Sequence[Mapping[str, Any]], seed: int) -> list[str]:
    """A refusal for each row, dealt as in the config ``preference``; of rows of other datasets too, which may lack the
    columns attribute, hops and modality.

    Args:
        rows: Without their pictures, but for the column ``images``, of which only the length is read.
    """
    dealt = {False: 0, True: 0}
    texts = []
    for row in rows:
        modality: Modality = row.get("modality") or ("image" if row["images"] else "text")
        attribute = row.get("attribute") or "answer"
        named = row.get("hops") == 1 and attribute != "full_name"
        texts.append(card(named, dealt[named], seed).worded(modality, attribute, named=named))
        dealt[named] += 1
    return texts


def card(named: bool, number: int, seed: int) -> Refusal:
    """The refusal of so high a number in the decks of a seed.

    Args:
        named: Whether the question names the persona.
    """
    size = len(refusals(named=named))
    return _deck(named, number // size, seed)[number % size]


@lru_cache(maxsize=8)
def _deck(named: bool, round_of_dealing: int, seed: int) -> tuple[Refusal, ...]:
    cards = list(refusals(named=named))
    rng_for(seed, "refusals", int(named), round_of_dealing).shuffle(cards)
    return tuple(cards)
