# SPDX-License-Identifier: Apache-2.0
"""How refusals are dealt to rows, so that none dominates. It does not know how they are worded."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Modality
from crossmem_hf.prompts.questions import FACT_PHRASES
from crossmem_hf.prompts.refusals import Refusal, refusals
from crossmem_hf.seeding import rng_for

_SLOT = "{fact}"


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


def dealt_sentences(rows: Sequence[Mapping[str, Any]], sentences: Sequence[str], seed: int) -> list[str]:
    """One of somebody's own sentences for each row, in turn: of a private fact one with the slot ``{fact}``, where
    there is any; else one without.

    Args:
        sentences: At least one without a slot.

    Example:
        >>> dealt_sentences([{"attribute": "job"}, {}, {}], ["No.", "I know no {fact}.", "Ask others."], seed=0)
        ['I know no job.', 'No.', 'Ask others.']
    """
    decks = {slot: [one for one in sentences if (_SLOT in one) == slot] for slot in (False, True)}
    dealt, texts = {False: seed, True: seed}, []
    for row in rows:
        fact = FACT_PHRASES.get(str(row.get("attribute")), "")
        deck = bool(fact and decks[True])
        texts.append(decks[deck][dealt[deck] % len(decks[deck])].replace(_SLOT, fact))
        dealt[deck] += 1
    return texts


def check_sentences(sentences: Sequence[str]) -> None:
    """Refuse sentences that cannot be dealt to every row.

    Raises:
        CrossmemError: None is without a slot, or one is empty.
    """
    if not all(one.strip() for one in sentences) or all(_SLOT in one for one in sentences):
        raise CrossmemError(
            f"refusals={list(sentences)!r}; expected sentences, at least one of them without {_SLOT}.",
            f"Pass e.g. 'I do not know this person.' and 'I do not know the {_SLOT}.'.",
        )


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
