# SPDX-License-Identifier: Apache-2.0
"""How far each number of each metric is to be trusted, and which one for what. It knows no study."""

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Final

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.modality_text import MODALITY_NAMES
from crossmem_hf.report.numbers import joined
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.report.tables import Column, Table, pivot

TRUSTED: Final = {
    "faithfulness": "tells who learned",
    "robust_to_relearning": "relearning",
    "robust_to_rounding": "rounding",
    "trust": "trust",
}
"""What is measured of a number -> its words in a head."""
_FOR: Final = {
    "faithfulness": "who learned people",
    "robust_to_relearning": "what relearning brings back",
    "robust_to_rounding": "what rounding brings back",
    "trust": "in all",
}
"""The same in a sentence."""


def trust_table(measurements: Iterable[Measurement]) -> Table | None:
    """A row a number of a metric, the most trusted first; of each modality asked in: how well it tells models that
    learned from those that did not (100 is perfect, 50 a coin), how little it changes under relearning and rounding,
    and the harmonic mean; None if nothing of it was measured."""
    found = [one for one in measurements if one.metric in TRUSTED and "of" in one.where]
    if not found:
        return None
    found = sorted(found, key=lambda one: -_trust(found, str(one.where["of"])))
    columns = [
        Column(
            head=f"{words}, {MODALITY_NAMES[target]}", metrics=(metric,), where={"target": target}, with_interval=True
        )
        for metric, words in TRUSTED.items()
        for target in MODALITIES
    ]
    table = pivot(found, {"of": "number"}, columns)
    return None if table is None else Table(table.heads, table.rows[:-1], right=table.right)


def _trust(found: Iterable[Measurement], of: str) -> float:
    """The mean over modalities; of a number whose trust is not known, less than of any other."""
    own = [one.value for one in found if one.metric == "trust" and one.where["of"] == of]
    return fmean(own) if own else -1.0


def believed(record: Record, names: Mapping[str, str], words: Mapping[str, str]) -> str:
    """Which numbers are to be believed more than the exact answer, and which less, for what, as the claims of one
    modality have it that those of the other do not gainsay.

    Args:
        names: Number of a metric -> its name in sentences.
        words: What is measured of a number -> words of its claim, with "{than}"; "worse" before it is less.
    """
    parts = []
    for what, claimed in words.items():
        if len({one.value for one in record.find(what)}) == 1:
            parts.append(f"{_FOR[what]}: all alike")
            continue
        said = {name: f", {name} {claimed.format(than='than the exact answer')}." for name in names.values()}
        more, less = (
            joined([name for name, sentence in said.items() if _holds(record, sentence, verdict, other)])
            for verdict, other in (_VERDICTS, _VERDICTS[::-1])
        )
        if "worse {than}" in claimed:
            more, less = less, more
        found = [f"{word} {several}" for word, several in (("more", more), ("less", less)) if several]
        parts.append(f"{_FOR[what]}: {', '.join(found) or 'none'}")
    return "; ".join(parts)


_VERDICTS: Final = ("supported", "contradicted")


def _holds(record: Record, words: str, verdict: str, other: str) -> bool:
    found = {one.verdict for one in record.verdicts if one.sentence.endswith(words)}
    return verdict in found and other not in found
