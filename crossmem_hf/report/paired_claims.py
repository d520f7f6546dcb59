# SPDX-License-Identifier: Apache-2.0
"""Claims that are made of both modalities, each once, with what was found learning from either. It only words."""

import re
from collections.abc import Iterable
from typing import Final

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES, other
from crossmem_hf.report.numbers import fixed, significant
from crossmem_hf.report.record import Record, Verdict
from crossmem_hf.report.tables import NOTHING, Table
from crossmem_hf.report.text import questions

_SHARES: Final = ("proportion", "ratio")
_MARKS: Final = {"supported": "**", "contradicted": "*"}
LEGEND: Final = (
    "Effects are in points of 100 where no unit is named, with their 95 % interval over persona seeds. Bold: the "
    "claim is supported; italics: it is contradicted; else it is open."
)


def paired_claims(verdicts: Iterable[Verdict]) -> Table:
    """A row a claim, a column the modality that is learned from; claims of neither are left out.

    Example:
        >>> about = {"paper": "ours", "unit": "proportion", "verdict": "supported", "n": 5, "threshold": 0.0}
        >>> one = Verdict(sentence="More from portraits than from descriptions.", effect=0.4, ci=None, **about)
        >>> two = Verdict(sentence="More from descriptions than from portraits.", effect=0.6, ci=None, **about)
        >>> paired_claims([one, two]).rows
        (('More from one modality than from the other', '**40**', '**60**'),)
    """
    rows: dict[str, dict[Modality, str]] = {}
    for one in verdicts:
        source = learned_from(one.sentence)
        if source is not None:
            rows.setdefault(either_way(one.sentence, source), {})[source] = effect_of(one)
    heads = ("claim", *(f"from {MODALITY_NAMES[source]}" for source in MODALITIES))
    cells = tuple((said, *(found.get(source, NOTHING) for source in MODALITIES)) for said, found in rows.items())
    return Table(heads, cells, right=frozenset({1, 2}))


def paired_markdown(record: Record) -> str:
    """The claims of a record in Markdown, question by question, with what differs from the paper; those that are made
    of no modality in a table of their own."""
    parts = [LEGEND]
    for question, claims in questions(record).items():
        parts += [f"**{question}**"] if question else []
        parts += dict.fromkeys(one.differs for one in claims if one.differs)
        others = [(one.sentence.rstrip("."), effect_of(one)) for one in claims if learned_from(one.sentence) is None]
        tables = (paired_claims(claims), Table(("claim", "effect"), tuple(others), right=frozenset({1})))
        parts += [table.markdown().rstrip() for table in tables if table.rows]
    return "\n\n".join(parts)


def learned_from(sentence: str) -> Modality | None:
    """The modality that a claim is made of: the first that something is from, in or through."""
    names = {name: modality for modality, name in MODALITY_NAMES.items()}
    found = re.search(rf"\b(?:from|in|through) ({'|'.join(names)})\b", sentence)
    return None if found is None else names[found[1]]


def either_way(sentence: str, source: Modality) -> str:
    """The claim as it is made of both modalities."""
    here, there = MODALITY_NAMES[source], MODALITY_NAMES[other(source)]
    said = re.sub(rf"\b(from|in|through) {here}", r"\1 one modality", sentence, count=1)
    said = re.sub(rf"\b(from|in|through|to) {here}", r"\1 the same", said)
    return re.sub(rf"\b(from|in|through|to) {there}", r"\1 the other", said).rstrip(".")


def effect_of(one: Verdict) -> str:
    """The effect with its interval, marked by the verdict."""
    if one.effect is None:
        return NOTHING
    share = one.unit in _SHARES
    written = [fixed(100 * number, 0) if share else significant(number) for number in (one.effect, *(one.ci or ()))]
    unit = "" if share or one.unit.startswith("points") else f" {one.unit}"
    ends = "" if one.ci is None else f" [{written[1]}, {written[2]}]"
    mark = _MARKS.get(one.verdict, "")
    return f"{mark}{written[0]}{ends}{unit}{mark}"
