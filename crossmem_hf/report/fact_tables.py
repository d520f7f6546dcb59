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
    after = [_said(record, source, "memorized", target) for target in (source, other(source))]
    if not all(after):
        return ""
    found = (
        f"A private fact learned beside each name from {MODALITY_NAMES[source]} alone is recalled for {after[0]}, and "
        f"for {after[1]}."
    )
    left = [_said(record, source, "unlearned", target, "forget") for target in (source, other(source))]
    return f"{found} Unlearned: for {joined(left)}." if all(left) else found


def _said(record: Record, source: Modality, stage: str, target: Modality, group: str | None = None) -> str:
    """E.g. ``"90% of new portraits with the name in the question, 88% without"``; empty where it was not measured."""
    place = {"stage": stage, "source": source, "target": target, "group": group}
    found = [record.one("recall", **place, hops=hops) for hops in _HOPS]
    named, unnamed = (None if one is None else amount(one) for one in found)
    if named is None or unnamed is None:
        return ""
    new = "new " if source == target else ""
    return f"{named} of {new}{MODALITY_NAMES[target]} with the name in the question and {unnamed} without"


def _facts(record: Record) -> list[Measurement]:
    return [m for m in record.measurements if "hops" in m.where and m.where.get("stage") in STAGES]
