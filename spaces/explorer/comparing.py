# SPDX-License-Identifier: Apache-2.0
"""Runs side by side: matrices, bars, forget against retain, and a table. It reads no file and computes nothing new."""

from collections.abc import Iterator, Sequence
from html import escape

from drawing import MODALITIES, Bar, Cell, Point, bars, matrix, number, scatter
from records import Line, Run

HEADERS = (
    "run",
    "model",
    "metric",
    "about",
    "from",
    "asked in",
    "value",
    "low",
    "high",
    "n",
    "chance",
    "unit",
    "greater means",
)
GROUPS = {"forget": "people to forget", "retain": "people to keep", "all": "everyone"}
MAX_FIGURES = 24
MAX_BARS = 40
MAX_POINTS = 30
_LOOKS = ("cm-a", "cm-forget", "cm-text", "cm-image", "cm-retain")


def metrics_of(runs: Sequence[Run]) -> list[str]:
    """Metrics that the runs hold, those known best first."""
    known = ("recall", "exposure", "rouge_l")
    found = dict.fromkeys(line.metric for run in runs for line in run.lines)
    return [name for name in known if name in found] + sorted(name for name in found if name not in known)


def table(runs: Sequence[Run], metric: str = "") -> list[list[object]]:
    """Every number, a row each in the order of HEADERS; of one metric if it is named."""
    return [
        [
            run.name,
            line.what,
            line.metric,
            line.group,
            line.source,
            line.target,
            _short(line.value),
            _short(line.low),
            _short(line.high),
            line.n,
            _short(line.chance),
            line.unit,
            line.greater_means,
        ]
        for run in runs
        for line in run.lines
        if metric in ("", line.metric)
    ]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def matrices(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Recall by how it was learned and how it is asked for: title and figure of each model and group."""
    found = []
    for run in runs:
        cells: dict[tuple[str, str], dict[tuple[str, str], Line]] = {}
        for line in run.lines:
            if line.stage and line.metric == "recall" and {line.source, line.target} <= set(MODALITIES):
                cells.setdefault((line.what, line.group), {})[line.source, line.target] = line
        split = {what for what, group in cells if what.startswith("unlearned")}
        for (what, group), lines in cells.items():
            if (group == "all") == (what in split) and (what, "all") in cells:
                continue  # after unlearning the two groups tell more than everyone, before it they are alike
            chance = next((line.chance for line in lines.values() if line.chance is not None), None)
            drawn = {way: Cell(line.value, line.interval, line.n) for way, line in lines.items()}
            found.append((f"{run.name}: {what}, {GROUPS.get(group, group)}", matrix(drawn, chance)))
    return found[:MAX_FIGURES]


def metric_bars(runs: Sequence[Run], metric: str, group: str) -> list[tuple[str, str]]:
    """One figure a run: the metric of every model about one group of people."""
    found = []
    for place, run in enumerate(runs):
        lines = [line for line in run.lines if line.metric == metric and group in (line.group, "")]
        if not lines or any(line.value < 0 for line in lines):
            continue
        drawn = [
            Bar(_model(line), line.value, line.interval, _look(line, place), line.chance) for line in lines[:MAX_BARS]
        ]
        tops = [bar.interval[1] if bar.interval else bar.value for bar in drawn]
        high = max(*tops, 1e-9, *(bar.chance for bar in drawn if bar.chance is not None))
        high = 100.0 if lines[0].unit == "0-100" else 1.0 if high <= 1.0 and lines[0].unit == "proportion" else high
        said = "; ".join(f"{bar.name}: {number(bar.value)}" for bar in drawn)
        name = f"{metric}, {lines[0].unit}" + (
            " (dashed: chance)" if any(bar.chance is not None for bar in drawn) else ""
        )
        more = f" (the first {MAX_BARS} of {len(lines)})" if len(lines) > MAX_BARS else ""
        found.append((f"{run.name}: {metric}, {GROUPS.get(group, group)}{more}", bars(drawn, high, name, said)))
    return found[:MAX_FIGURES]


def _model(line: Line) -> str:
    return f"{line.what}: {line.way}" if line.way else line.what


def _look(line: Line, place: int) -> str:
    return f"cm-{line.source}" if line.source in MODALITIES else _LOOKS[place % len(_LOOKS)]


def forget_retain(runs: Sequence[Run], metric: str) -> str:
    """Each model at its value for people to forget and for people to keep; empty where no record tells the two."""
    points = list(_points(runs, metric))
    if not points:
        return ""
    more = f" (the first {MAX_POINTS} of {len(points)})" if len(points) > MAX_POINTS else ""
    unit = next(line.unit for run in runs for line in run.lines if line.metric == metric)
    ends = [value for point in points for value in (point.x, point.y)]
    low = min(0.0, *ends)
    high = 100.0 if unit == "0-100" else max(1.0 if unit == "proportion" else 1e-9, *ends)
    label = f"{metric} of people to forget against people to keep: {len(points)} models{more}"
    across, up = (low, high, f"{metric}, people to forget"), (low, high, f"{metric}, people to keep{more}")
    return scatter(points[:MAX_POINTS], across, up, label)


def _points(runs: Sequence[Run], metric: str) -> Iterator[Point]:
    for place, run in enumerate(runs):
        pairs: dict[tuple[str, str], dict[str, Line]] = {}
        for line in run.lines:
            if line.metric == metric and line.group in ("forget", "retain"):
                pairs.setdefault((line.what, line.way), {})[line.group] = line
        for pair in pairs.values():
            if len(pair) == 2:
                forget, retain = pair["forget"], pair["retain"]
                name = _model(forget) if len(runs) == 1 else f"{run.name}: {_model(forget)}"
                yield Point(name, forget.value, retain.value, _LOOKS[place % len(_LOOKS)])


def results_html(runs: Sequence[Run], metric: str, group: str) -> str:
    """All figures of the chosen runs, and what the records say beside their numbers."""
    if not runs:
        return '<div class="cm-shown"><p class="cm-verdict">Load a record, or choose one above.</p></div>'
    found = []
    plotted = forget_retain(runs, metric)
    if plotted:
        title = f"Forget against retain: {metric}. Forgetting well is left, keeping well is up"
        found.append((title, plotted))
    if metric == "recall":
        found += matrices(runs)
    found += metric_bars(runs, metric, group) or metric_bars(runs, metric, "all")
    figures = "".join(f"<figure><figcaption>{escape(title)}</figcaption>{drawn}</figure>" for title, drawn in found)
    said = "".join(f"<li>{escape(run.name)}: {escape(note)}</li>" for run in runs for note in run.notes)
    notes = f'<details class="cm-notes"><summary>Notes of the runs</summary><ul>{said}</ul></details>' if said else ""
    if not found:
        figures = (
            '<p class="cm-verdict">No figure for this metric and these people; the table below has the numbers.</p>'
        )
    return f'<div class="cm-shown"><div class="cm-figures cm-wide">{figures}</div>{notes}</div>'
