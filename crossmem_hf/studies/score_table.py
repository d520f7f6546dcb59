# SPDX-License-Identifier: Apache-2.0
"""A score record as a table on a terminal. It computes nothing."""

from rich.table import Table

from crossmem_hf.report.score_record import ALL, ScoreLine, ScoreRecord

_MEANINGS = {"less_memorised": "forgotten"}
_UNITS = {"proportion": "0-1", "standard deviations": "sd"}
_LEFT_OUT = "attribute="  # seven lines a metric; they are in the record


def score_table(record: ScoreRecord) -> Table:
    """Metric, value with its interval, unit, n, chance level and what a higher value means; groups under their metric.

    Lines about single attributes are left out.
    """
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")  # fits 80 columns
    table.add_column("metric", no_wrap=True)
    for name in ("value", "95 % interval", "unit", "n", "chance"):
        table.add_column(name, justify="left" if name == "unit" else "right", no_wrap=True)
    table.add_column("higher is", no_wrap=True)
    order = list(dict.fromkeys(line.metric for line in record.lines))
    for line in sorted(record.lines, key=lambda line: order.index(line.metric)):
        if not line.group.startswith(_LEFT_OUT):
            table.add_row(*_cells(line), style=None if line.group == ALL else "dim")
    return table


def _cells(line: ScoreLine) -> tuple[str, ...]:
    whole = line.group == ALL
    interval = "" if line.ci_low is None or line.ci_high is None else f"{line.ci_low:.3g} to {line.ci_high:.3g}"
    chance = "" if line.chance is None else f"{line.chance:.3g}"
    meaning = _MEANINGS.get(line.higher_is, line.higher_is.removeprefix("more_").replace("_", " ")) if whole else ""
    unit = _UNITS.get(line.unit, line.unit) if whole else ""
    return (
        line.metric if whole else f"  {line.group}",
        f"{line.value:.3g}",
        interval,
        unit,
        str(line.n),
        chance,
        meaning,
    )
