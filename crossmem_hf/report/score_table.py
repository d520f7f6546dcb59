# SPDX-License-Identifier: Apache-2.0
"""A score record as a table on a terminal. It computes nothing."""

from collections.abc import Iterator

from rich.table import Table

from crossmem_hf.report.score_record import ALL, MODEL, ScoreLine, ScoreRecord

_MEANINGS = {"less_memorized": "forgotten"}
_UNITS = {"proportion": "0-1", "standard deviations": "sd"}
_LEFT_OUT = "attribute="  # seven lines a metric; they are in the record


def score_table(record: ScoreRecord) -> Table:
    """Metric, value with its interval, unit, n, chance level and what a higher value means; groups under their metric.

    The same of the base and of the memorized model stands under a line, where they were given. Lines about single
    attributes are left out.
    """
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")  # fits 80 columns
    table.add_column("metric", no_wrap=True)
    for name in ("value", "95 % interval", "unit", "n", "chance"):
        table.add_column(name, justify="left" if name == "unit" else "right", no_wrap=True)
    table.add_column("higher is", no_wrap=True)
    own = [line for line in record.lines if not line.group.startswith(f"{MODEL}=")]
    order = list(dict.fromkeys(line.metric for line in own))
    for line in sorted(own, key=lambda line: order.index(line.metric)):
        if not line.group.startswith(_LEFT_OUT):
            whole = line.group == ALL
            table.add_row(line.metric if whole else f"  {line.group}", *_cells(line), style=None if whole else "dim")
            for name, theirs in _baselines(record, line):
                table.add_row(f"{'  ' if whole else '    '}{name}", *_cells(theirs), style="dim")
    return table


def _baselines(record: ScoreRecord, line: ScoreLine) -> Iterator[tuple[str, ScoreLine]]:
    """Name and line of each model that this line is read against."""
    for other in record.lines:
        whose, _, group = other.group.partition(", ")
        if other.metric == line.metric and whose.startswith(f"{MODEL}=") and (group or ALL) == line.group:
            yield whose.removeprefix(f"{MODEL}="), other


def _cells(line: ScoreLine) -> tuple[str, ...]:
    whole = line.group == ALL
    interval = (
        "" if line.ci_low is None or line.ci_high is None else f"{_short(line.ci_low)} to {_short(line.ci_high)}"
    )
    chance = "" if line.chance is None else f"{line.chance:.3g}"
    meaning = _MEANINGS.get(line.higher_is, line.higher_is.removeprefix("more_").replace("_", " ")) if whole else ""
    unit = _UNITS.get(line.unit, line.unit) if whole else ""
    return _short(line.value), interval, unit, str(line.n), chance, meaning


def _short(value: float) -> str:
    """Three digits; of what is next to nothing only the order."""
    return f"{value:.0e}" if 0 < abs(value) < 1e-4 else f"{value:.3g}"
