# SPDX-License-Identifier: Apache-2.0
"""What each attack gets out of unlearned models beyond what it gets out of the retain-only one. It knows no study."""

from collections.abc import Iterable, Mapping
from typing import Final

from crossmem_hf.report.numbers import joined
from crossmem_hf.report.record import BASELINES, Measurement, Record, Verdict
from crossmem_hf.report.tables import Column, Table, pivot

WORST: Final = "worst of other seeds"
"""Row of what the attack leaves that leaves most in the other seeds."""
_WORDS: Final = {
    "gone": "get out less than",
    "masked": "get out what the model does not say",
    "intact": "costs less than",
}
"""What a claim is about -> words of it."""


def residual_table(record: Record, through: str) -> Table | None:
    """A row an attack, a column a method: residual in percent with its interval, of both modalities asked in together;
    None if nothing of it was measured.

    Args:
        through: Modality that was forgotten through, or "both".
    """
    own = [
        one
        for one in record.measurements
        if one.where.get("forget_modality") == through and "target" not in one.where and "seed" not in one.where
    ]
    found = [_row(one) for one in own if one.metric in ("residual", "residual_worst")]
    methods = dict.fromkeys(str(one.where["method"]) for one in found if one.where["method"] not in BASELINES)
    columns = [
        Column(
            head=name,
            metrics=("residual",),
            where={"method": name, "forget_modality": through},
            with_interval=True,
        )
        for name in methods
    ]
    table = pivot(found, {"attack": "attack"}, columns)
    return None if table is None else Table(table.heads, table.rows[:-1], right=table.right)  # nobody guesses here


def _row(one: Measurement) -> Measurement:
    """Of the worst attack as if it were an attack's."""
    if one.metric == "residual":
        return one
    return one.model_copy(update={"metric": "residual", "where": {**one.where, "attack": WORST}})


def alone_table(record: Record) -> Table | None:
    """A row an attack, the one that tells most first: which share it gets out alone of what all attacks together get
    out beyond the retain-only model, in percent; None if nothing of it was measured."""
    found = sorted((one for one in record.measurements if one.metric == "told_alone"), key=lambda one: -one.value)
    columns = [Column(head="told alone", metrics=("told_alone",), where={}, with_interval=True)]
    table = pivot(found, {"attack": "attack"}, columns)
    return None if table is None else Table(table.heads, table.rows[:-1], right=table.right)


def fates(record: Record, methods: Mapping[str, str]) -> str:
    """The verdicts of `fate_table`, each once with its methods.

    Args:
        methods: Name of a method -> its name in sentences.
    """
    by_fate: dict[str, list[str]] = {}
    for name, fate in fate_table(record.verdicts, methods).rows:
        by_fate.setdefault(fate, []).append(name)
    return "; ".join(f"{fate}: {joined(names)}" for fate, names in by_fate.items())


def fate_table(verdicts: Iterable[Verdict], methods: Mapping[str, str]) -> Table:
    """A row a method: whether what it was to forget is gone, masked or neither is known, and whether it did damage.

    Args:
        methods: Name of a method -> its name in sentences.

    Example:
        >>> about = {"paper": "ours", "unit": "proportion", "n": 5, "threshold": 0.05, "ci": None}
        >>> one = Verdict(sentence="NPO costs less than 5 points.", effect=0.1, verdict="contradicted", **about)
        >>> print(fate_table([one], {"npo": "NPO"}))
        method  verdict
        NPO     open, damaged
    """
    every = list(verdicts)
    rows = []
    for name in methods.values():
        found = {
            what: next((one.verdict for one in every if words in one.sentence and _is_about(name, one)), None)
            for what, words in _WORDS.items()
        }
        if any(found.values()):
            rows.append((name, _fate(found)))
    return Table(("method", "verdict"), tuple(rows))


def _is_about(name: str, one: Verdict) -> bool:
    return one.sentence.startswith((f"After {name} ", f"{name} "))


def _fate(found: Mapping[str, str | None]) -> str:
    left = "masked" if found["masked"] == "supported" else "gone" if found["gone"] == "supported" else "open"
    if left == "open" and found["gone"] == "contradicted":
        left = "still said"
    damage = {"supported": "not damaged", "contradicted": "damaged"}.get(found["intact"] or "", "damage open")
    return f"{left}, {damage}"
