# SPDX-License-Identifier: Apache-2.0
"""The record of a score as a table on a terminal. It computes nothing."""

from collections.abc import Iterator

from rich.table import Table

from crossmem_hf.report.record import Measurement, Record

_UNITS = {"proportion": "0-1", "standard deviations": "sd"}
_LEFT_OUT = "attribute"  # seven lines a metric; they are in the record


def score_table(record: Record) -> Table:
    """Metric, value with its interval, unit, n, chance level and what a greater value means; parts under their metric.

    The same of the base and of the memorized model stands under a line, where they were given. Lines about single
    attributes are left out.
    """
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")  # fits 80 columns
    table.add_column("metric", no_wrap=True)
    for name in ("value", "95 % interval", "unit", "n", "chance"):
        table.add_column(name, justify="left" if name == "unit" else "right", no_wrap=True)
    table.add_column("greater is", no_wrap=True)
    own = [one for one in record.measurements if "model" not in one.where]
    order = list(dict.fromkeys(one.metric for one in own))
    for one in sorted(own, key=lambda one: order.index(one.metric)):
        if _LEFT_OUT not in one.where:
            part = ", ".join(f"{name} {value}" for name, value in one.where.items())
            table.add_row(f"  {part}" if part else one.metric, *_cells(one), style="dim" if part else None)
            for name, theirs in _baselines(record, one):
                table.add_row(f"{'    ' if part else '  '}{name}", *_cells(theirs), style="dim")
    return table


def _baselines(record: Record, own: Measurement) -> Iterator[tuple[str, Measurement]]:
    """Name and measurement of each model that this one is read against."""
    for other in record.find(own.metric):
        whose = other.where.get("model")
        if whose is not None and {**own.where, "model": whose} == dict(other.where):
            yield str(whose), other


def _cells(one: Measurement) -> tuple[str, ...]:
    whole = not {*one.where} - {"model"}
    interval = "" if one.ci is None else f"{_short(one.ci[0])} to {_short(one.ci[1])}"
    chance = "" if one.chance is None else f"{one.chance:.3g}"
    meaning = {"less memorized": "forgotten"}.get(one.greater_means, one.greater_means.removeprefix("more "))
    unit = _UNITS.get(one.unit, one.unit) if whole else ""
    return _short(one.value), interval, unit, str(one.n), chance, meaning if whole else ""


def _short(value: float) -> str:
    """Three digits; of what is next to nothing only the order."""
    return f"{value:.0e}" if 0 < abs(value) < 1e-4 else f"{value:.3g}"
