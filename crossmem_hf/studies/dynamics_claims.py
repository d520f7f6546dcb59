# SPDX-License-Identifier: Apache-2.0
"""What is claimed of how sequences are memorized. It knows which numbers a claim is about, not how they are measured.

Steps are compared as ratios, on a scale of doublings.
"""

from collections.abc import Iterator, Sequence
from math import log2
from statistics import fmean
from typing import Final

from crossmem_hf.data.patterns import PATTERNS
from crossmem_hf.models.pattern_decoder import SHAPES
from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.personas.values import FACT_ATTRIBUTES
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.studies.claims import Claim, Find

KINDS: Final = tuple(PATTERNS)
SIZES: Final = tuple(SHAPES)
WEAK: Final = ("repeats", "every_seventh", "seed_lookup", "random_digits")
"""Kinds whose rule is of little help, or is none."""
PATTERNS_PART, PERSONAS_PART = "patterns", "personas"
"""Values of the key ``part``."""
_ORDER: Final = "In which order are names and facts of people memorized?"
_MODALITY: Final = "Through which modality first?"
_PAPER = "Panwar et al. (https://openreview.net/forum?id=98NrkXPRZ9)"


def dynamics_claims(parts: Sequence[str], sizes: Sequence[str]) -> Iterator[Claim]:
    """The claims about parts: for each size of decoder, across sizes, and about people."""
    if PERSONAS_PART in parts:
        yield from _of_people()
    if PATTERNS_PART not in parts:
        return
    for size in sizes:
        for early, late in (
            ("monotone", "jumps_with_letters"),
            ("jumps_with_letters", "jumps"),
            ("jumps", "random_digits"),
        ):
            yield _before(size, early, late)
        yield _forgotten(size)
        yield _bursts(size)
        yield _not_recent(size)
        yield _carries_over(size)
        yield _by_heart(size)
    if len(sizes) > 1:
        yield _larger_later(sizes[0], sizes[-1])


def _doublings(find: Find, size: str, kind: str) -> float:
    return log2(max(1.0, find("memorized_by", size=size, split="train", kind_of_pattern=kind)))


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _before(size: str, early: str, late: str) -> Claim:
    return Claim(
        sentence=f"Half of the sequences of the kind {_words(early)} are memorized before half of {_words(late)} "
        f"({size}).",
        paper=_PAPER,
        contrast=lambda find: _doublings(find, size, late) - _doublings(find, size, early),
        unit="doublings of steps",
    )


def _forgotten(size: str) -> Claim:
    return Claim(
        sentence=f"Random digits that were memorized are forgotten again, once or more in the mean ({size}).",
        paper=_PAPER,
        contrast=lambda find: find("forgettings", size=size, split="train", kind_of_pattern="random_digits"),
        threshold=1.0,
        unit="events",
    )


def _bursts(size: str) -> Claim:
    return Claim(
        sentence=f"Sequences are memorized in bursts, more than independent ones would be ({size}).",
        paper=_PAPER,
        contrast=lambda find: find("burstiness", size=size),
        threshold=1.0,
        unit="ratio",
    )


def _not_recent(size: str) -> Claim:
    return Claim(
        sentence=f"What is newly memorized is hardly more often what was just trained on than chance has it ({size}).",
        paper=_PAPER,
        contrast=lambda find: find("recency_excess", size=size),
        threshold=0.1,
        direction="below",
    )


def _carries_over(size: str) -> Claim:
    return Claim(
        sentence=f"Half and more of held-out sequences that count up are right in the end ({size}).",
        paper=_PAPER,
        contrast=lambda find: find("memorized", size=size, split="test", kind_of_pattern="monotone"),
        threshold=0.5,
    )


def _by_heart(size: str) -> Claim:
    return Claim(
        sentence=f"Of sequences that look up their seed more are right where they were trained on ({size}).",
        paper=_PAPER,
        contrast=lambda find: (
            find("memorized", size=size, split="train", kind_of_pattern="seed_lookup")
            - find("memorized", size=size, split="test", kind_of_pattern="seed_lookup")
        ),
        threshold=0.5,
    )


def _larger_later(small: str, large: str) -> Claim:
    return Claim(
        sentence=f"A larger decoder ({large}) memorizes sequences of weak patterns later than a smaller ({small}).",
        paper=_PAPER,
        contrast=lambda find: fmean(_doublings(find, large, kind) - _doublings(find, small, kind) for kind in WEAK),
        unit="doublings of steps",
    )


def _people(find: Find, attribute: str, modality: Modality, hops: int) -> float:
    where = {"part": PERSONAS_PART, "attribute": attribute, "modality": modality, "hops": hops}
    return log2(max(1.0, find("memorized_by", **where)))


def _of_people() -> Iterator[Claim]:
    for modality in MODALITIES:
        for fact in FACT_ATTRIBUTES:
            yield _name_first(fact, modality)
        yield _named_first(modality)
    yield _words_first("Names", ("full_name",), 1)
    yield _words_first("Facts of people who are not named", FACT_ATTRIBUTES, 2)


def _name_first(fact: str, modality: Modality) -> Claim:
    return Claim(
        sentence=f"Beside {MODALITY_NAMES[modality]} half of the names are memorized before half of the facts of the "
        f"kind {_words(fact)} that are asked for without the name.",
        paper="ours",
        contrast=lambda find: _people(find, fact, modality, 2) - _people(find, "full_name", modality, 1),
        unit="doublings of steps",
        question=_ORDER,
        differs="A fact stands in two rows a modality, once beside the name, a name in one a view; answers differ in "
        "length.",
    )


def _named_first(modality: Modality) -> Claim:
    return Claim(
        sentence=f"Beside {MODALITY_NAMES[modality]} facts are memorized earlier where the question names the person.",
        paper="ours",
        contrast=lambda find: fmean(
            _people(find, fact, modality, 2) - _people(find, fact, modality, 1) for fact in FACT_ATTRIBUTES
        ),
        unit="doublings of steps",
        question=_ORDER,
    )


def _words_first(words: str, attributes: Sequence[str], hops: int) -> Claim:
    return Claim(
        sentence=f"{words} are memorized from descriptions before they are from portraits.",
        paper="ours",
        contrast=lambda find: fmean(
            _people(find, one, "image", hops) - _people(find, one, "text", hops) for one in attributes
        ),
        unit="doublings of steps",
        question=_MODALITY,
    )
