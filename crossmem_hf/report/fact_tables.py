# SPDX-License-Identifier: Apache-2.0
"""Private facts by stage, modality and number of hops, as tables and in words. It knows nothing of layout."""

from collections.abc import Iterator

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import GROUP_WORDS, MODALITY_NAMES, STAGES, other
from crossmem_hf.report.numbers import amount, joined
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.report.tables import Column, Table, pivot

_HOPS = {1: "named", 2: "not named"}
_METRICS = {"recall": "recall", "exposure": "Exposure"}


def fact_tables(record: Record) -> Iterator[tuple[str, Table]]:
    """Title and table of forget set and retain set: a row a stage and modality learned from, a column a modality asked
    in and number of hops; none where no facts were asked for at a stage."""
    facts = _facts(record)
    for group, words in GROUP_WORDS.items():
        columns = [
            Column(
                head=f"{name}, {MODALITY_NAMES[target]}, {_HOPS[hops]}",
                metrics=(metric,),
                where={"group": group, "target": target, "hops": hops},
                with_interval=True,
            )
            for metric, name in _METRICS.items()
            for target in MODALITIES
            for hops in _HOPS
        ]
        table = pivot(facts, {"stage": "stage", "source": "learned from"}, columns)
        if table is not None:
            yield words[0].upper() + words[1:], table


def fact_summary(record: Record) -> list[str]:
    """A sentence a modality learned from: recall of facts in both modalities, and what unlearning left of it."""
    return [sentence for source in MODALITIES if (sentence := _sentence(record, source))]


def _sentence(record: Record, source: Modality) -> str:
    learned = [_said(record, source, hops, "memorized") for hops in _HOPS]
    if not all(learned):
        return ""
    found = (
        f"A private fact learned beside each name from {MODALITY_NAMES[source]} alone is recalled for {learned[0]} "
        f"if the question names the persona, and for {learned[1]} if it does not."
    )
    left = [_said(record, source, hops, "unlearned", "forget") for hops in _HOPS]
    return f"{found} After unlearning, of the forget set: {left[0]}, and {left[1]}." if all(left) else found


def _said(record: Record, source: Modality, hops: int, stage: str, group: str | None = None) -> str:
    """E.g. ``"90% of new portraits and 45% of descriptions"``; empty where it was not measured."""
    place = {"stage": stage, "source": source, "group": group, "hops": hops}
    found = {target: record.one("recall", target=target, **place) for target in (source, other(source))}
    words = [
        f"{amount(m)} of {'new ' if target == source else ''}{MODALITY_NAMES[target]}"
        for target, m in found.items()
        if m is not None
    ]
    return joined(words) if len(words) == len(found) else ""


def _facts(record: Record) -> list[Measurement]:
    return [m for m in record.measurements if "hops" in m.where and m.where.get("stage") in STAGES]
