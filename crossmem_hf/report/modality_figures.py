# SPDX-License-Identifier: Apache-2.0
"""The four figures of what crosses from one modality to the other. They do not know the page, nor how a number was
computed.

A figure whose numbers were not measured is None, never an empty frame.
"""

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import (
    GROUP_WORDS,
    MODALITY_NAMES,
    ends,
    gap_claim,
    is_interpretable,
    other,
    pooled_gaps,
    seed_gaps,
)
from crossmem_hf.report.numbers import amount, interval, percent
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.report.style import (
    CHANCE_LINE,
    GROUP_COLORS,
    GROUP_TINTS,
    INK,
    MODALITY_COLORS,
    MODALITY_HATCHES,
    MODALITY_MARKERS,
    MODALITY_TINTS,
    MUTED,
    PHONE,
    RULE,
    new_figure,
)

RECALL_SCALE: Final = ((0.96, 0.945, 0.915), (0.50, 0.70, 0.67), (0.05, 0.28, 0.30))  # red, green, blue at 0, 1/2, 1
_GROUPS: Final = ("forget", "retain")
_BINS: Final = 20


def recall_color(recall: float) -> tuple[float, float, float]:
    """Background of a matrix cell, as red, green, blue from 0 to 1; darker is higher."""
    place = 2 * min(1.0, max(0.0, recall))
    low, high = RECALL_SCALE[:2] if place < 1 else RECALL_SCALE[1:]
    red, green, blue = (a + (b - a) * (place - (place >= 1)) for a, b in zip(low, high, strict=True))
    return red, green, blue


def recall_ink(recall: float) -> str:
    """Text color of a matrix cell, readable on `recall_color`."""
    return "#ffffff" if recall > 0.7 else INK


def matrix_figure(record: Record, *, narrow: bool = False) -> Figure | None:
    """Recall after learning: learned through (rows) by asked through (columns)."""
    cells = {
        (s, t): record.one("recall", stage="memorized", source=s, target=t) for s in MODALITIES for t in MODALITIES
    }
    known = [m for m in cells.values() if m is not None]
    if not known:
        return None
    figure, (ax,) = new_figure(PHONE if narrow else 6.4, 3.5 if narrow else 4.1)
    for (source, target), m in cells.items():
        _matrix_cell(ax, MODALITIES.index(target), MODALITIES.index(source), m)
    ax.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
    ax.xaxis.tick_top()
    for axis, verb in ((ax.xaxis, "asked with new"), (ax.yaxis, "learned from")):
        axis.set_ticks([0, 1], [f"{verb}\n{MODALITY_NAMES[m]}" for m in MODALITIES])
        axis.set_tick_params(length=0, pad=8)
        for label, modality in zip(axis.get_ticklabels(), MODALITIES, strict=True):
            label.set(color=MODALITY_COLORS[modality], fontweight="bold", fontsize=10)
    ax.spines[:].set_visible(False)
    chances = sorted({m.chance for m in known if m.chance is not None})
    guess = f"   Guessing: {percent(chances[0])}." if chances else ""
    ax.set_xlabel(f"Recall of names, with 95% intervals.{guess}", labelpad=10)
    return figure


def _matrix_cell(ax: Axes, column: int, row: int, m: Measurement | None) -> None:
    box = FancyBboxPatch(
        (column - 0.46, row - 0.45), 0.92, 0.90, boxstyle="round,pad=0,rounding_size=0.06", linewidth=0,
        mutation_aspect=1.0, facecolor=recall_color(m.value) if m else "#f1efea",
    )  # fmt: skip
    ax.add_patch(box)
    if m is None:
        ax.text(column, row, "not measured", ha="center", va="center", color=MUTED)
        return
    color = recall_ink(m.value)
    ax.text(column, row - 0.06, amount(m), ha="center", va="center", fontsize=25, color=color, fontweight="bold")
    ax.text(column, row + 0.26, f"{interval(m)}   n {m.n}", ha="center", va="center", fontsize=9, color=color)


def gap_figure(record: Record, *, narrow: bool = False) -> Figure | None:
    """Recall lost by asking in the other modality: interval pooled over seeds, and one dot a seed."""
    gaps = pooled_gaps(record)
    if not gaps:
        return None
    figure, (ax,) = new_figure(PHONE if narrow else 7.6, 0.8 + 0.95 * len(gaps))
    for row, (source, gap) in enumerate(gaps.items()):
        _gap_row(ax, record, row, source, gap, narrow)
    ax.axvline(0, color=INK, linewidth=1)
    lowest = min(0.0, *(100 * ends(m)[0] for m in record.find("gap", stage="memorized", group=None, hops=None)))
    ax.set(xlim=(1.1 * lowest - 1, 101), ylim=(len(gaps) - 0.5, -0.72), yticks=[])
    ax.spines["left"].set_visible(False)
    legend = "" if narrow else " (line: all seeds, 95% interval; hollow: one persona seed each)"
    ax.set_xlabel(f"points of recall lost{legend}")
    return figure


def _gap_row(ax: Axes, record: Record, row: int, source: Modality, gap: Measurement, narrow: bool) -> None:
    color, marker = MODALITY_COLORS[source], MODALITY_MARKERS[source]
    ax.plot([100 * end for end in ends(gap)], [row, row], color=color, linewidth=3.5, solid_capstyle="round")
    ax.plot(
        [100 * gap.value], [row], marker, color=color, markersize=9.5, markeredgecolor="white", markeredgewidth=1.5
    )
    dots = [100 * value for value in seed_gaps(record, source)]
    dots = dots if len(dots) > 1 else []
    ax.plot(dots, [row + 0.24] * len(dots), marker, color="white", markeredgecolor=color, markersize=5)
    asked = "" if narrow else f", asked with {MODALITY_NAMES[other(source)]}"
    words = f"learned from {MODALITY_NAMES[source]}{asked}"
    start = 1.5 if ends(gap)[0] > -0.05 else 100 * ends(gap)[0]
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(start, row - 0.42, words, color=color, fontweight="bold", fontsize=9, bbox=box)
    claim = f"{amount(gap)} [{interval(gap)}], {gap_claim(gap)}"
    ax.text(101, row - (0.2 if narrow else 0.42), claim, ha="right", fontsize=9)


def exposure_figure(record: Record, *, narrow: bool = False) -> Figure | None:
    """How personas' Exposure is spread, before and after unlearning, through both modalities."""
    stages: list[str] = ["memorized", "unlearned"] if is_interpretable(record) else ["memorized"]
    items = [item for item in record.items if item.metric == "exposure" and item.where.get("stage") in stages]
    sources = [m for m in MODALITIES if any(item.where.get("source") == m for item in items)]
    if not sources:
        return None
    shown = [stage for stage in stages if any(item.where["stage"] == stage for item in items)]
    panels = [(source, target) for source in sources for target in (source, other(source))]
    height = (0.85 if narrow else 0.66) + 0.44 * 2 * len(shown)
    if narrow:
        figure, axes = new_figure(PHONE, height * len(panels) + 0.3, rows=len(panels))
    else:
        figure, axes = new_figure(9.6, height * len(sources) + 0.3, rows=len(sources), columns=2)
    for ax, (source, target) in zip(axes, panels, strict=True):
        _exposure_panel(ax, record, items, (source, target), shown)
        title = (
            f"learned from {MODALITY_NAMES[source]},{chr(10) if narrow else ' '}asked with {MODALITY_NAMES[target]}"
        )
        ax.set_title(title, color=MODALITY_COLORS[target], fontsize=9)
        if target != source and not narrow:
            ax.set_yticklabels([])
    figure.supxlabel("Exposure (100: the truth ranks first)", fontsize=9, color=MUTED)
    return figure


def _exposure_panel(
    ax: Axes, record: Record, items: Sequence[Measurement], path: tuple[Modality, Modality], stages: Sequence[str]
) -> None:
    source, target = path
    rows = [(group, stage) for group in _GROUPS for stage in stages]
    labels = []
    for row, (group, stage) in enumerate(rows):
        here = {"stage": stage, "source": source, "target": target, "group": group}
        values = [item.value for item in items if here.items() <= item.where.items()]
        is_before = stage == "memorized"
        fill = GROUP_TINTS[group] if is_before and len(stages) > 1 else GROUP_COLORS[group]
        _ridge(ax, row, values, fill)
        mean = record.one("exposure", **here)
        if mean is not None:
            ax.plot(ends(mean), [row + 0.1] * 2, color=INK, linewidth=1.4, solid_capstyle="round")
            ax.plot([mean.value], [row + 0.1], "o", color=INK, markersize=4)
            ax.text(106, row, amount(mean), ha="left", va="bottom", fontsize=9, fontweight="bold")
        when = "before" if is_before else "after"
        labels.append(f"{GROUP_WORDS[group]}, {when}" if len(stages) > 1 else GROUP_WORDS[group])
    chance = next((m.chance for m in record.find("exposure", source=source, target=target) if m.chance), None)
    if chance is not None:
        ax.axvline(chance, **CHANCE_LINE)
        ax.text(chance + 1.5, -0.95, "guessing", ha="left", va="center", fontsize=8, color=MUTED)
    ax.set(xlim=(-1, 116), ylim=(len(rows) - 0.6, -1.15), xticks=[0, 25, 50, 75, 100])
    ax.set_yticks(range(len(rows)), labels)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_bounds(0, 100)


def _ridge(ax: Axes, row: int, values: Sequence[float], fill: str) -> None:
    """Share of personas in each Exposure bin; the tallest bin of a row is drawn to the same height in every row."""
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int(_BINS * max(0.0, value) / 100))] += 1
    tallest = max(counts) or 1
    tops = [row - 0.78 * count / tallest for count in counts]
    edges = [100 * i / _BINS for i in range(_BINS + 1)]
    ax.stairs(tops, edges, baseline=row, fill=True, color=fill, linewidth=0)
    ax.plot([0, 100], [row, row], color=RULE, linewidth=0.8, zorder=0)


def forgetting_figure(record: Record, *, narrow: bool = False) -> Figure | None:
    """Recall of forget and retain set before and after unlearning, through both modalities."""
    sources = [m for m in MODALITIES if _unlearned(record, m)]
    if not sources or not is_interpretable(record):
        return None
    count = len(sources)
    size = (PHONE, 3.1 * count + 0.3) if narrow else (9.6 if count == 2 else 5.2, 3.4)
    figure, axes = new_figure(*size, rows=count if narrow else 1, columns=1 if narrow else count)
    for ax, source in zip(axes, sources, strict=True):
        _forgetting_panel(ax, record, source)
        title = f"unlearned through {MODALITY_NAMES[source]}"
        ax.set_title(title, color=MODALITY_COLORS[source], fontsize=9.5, pad=8, loc="right" if narrow else "left")
    turn = "\n" if narrow else " · "
    legend = f"pale: before unlearning · full: after{turn}hatched: descriptions · dashed: guessing"
    figure.supxlabel(legend, fontsize=8.5, color=MUTED)
    return figure


def _unlearned(record: Record, source: Modality) -> list[Measurement]:
    """Recall after unlearning, of each group and modality asked in."""
    places = [(target, group) for target in MODALITIES for group in _GROUPS]
    found = [record.one("recall", stage="unlearned", source=source, target=t, group=g) for t, g in places]
    return [m for m in found if m is not None]


def _forgetting_panel(ax: Axes, record: Record, source: Modality) -> None:
    rows: dict[float, str] = {}
    for start, group in zip((0.0, 3.0), _GROUPS, strict=True):
        name = GROUP_WORDS[group]
        ax.text(-0.025, start - 0.68, name, ha="right", va="center", color=GROUP_COLORS[group], fontweight="bold")
        for step, target in enumerate((source, other(source))):
            y = start + step
            rows[y] = MODALITY_NAMES[target]
            for stage, place, colors in (
                ("memorized", y - 0.19, MODALITY_TINTS),
                ("unlearned", y + 0.19, MODALITY_COLORS),
            ):
                m = record.one("recall", stage=stage, source=source, target=target, group=group)
                _bar(ax, place, m, colors[target], MODALITY_HATCHES[target])
    chance = next((m.chance for m in _unlearned(record, source) if m.chance), None)
    if chance is not None:
        ax.axvline(chance, **CHANCE_LINE)
    ax.set_yticks(list(rows), list(rows.values()))
    ax.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
    ax.set(xlim=(0, 1.2), ylim=(4.6, -0.95))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_bounds(0, 1)


def _bar(ax: Axes, y: float, m: Measurement | None, color: str, hatch: str) -> None:
    if m is None:
        ax.text(0.02, y, "not measured", va="center", fontsize=8, color=MUTED)
        return
    ax.barh(y, m.value, 0.35, color=color, linewidth=0, hatch=hatch, hatchcolor="white")
    ax.plot(ends(m), [y, y], color=INK, linewidth=1.2, solid_capstyle="round")
    ax.text(ends(m)[1] + 0.025, y, amount(m), va="center", fontsize=8.5)
