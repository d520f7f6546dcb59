# SPDX-License-Identifier: Apache-2.0
"""The four figures of a run, each drawn from a record alone. They do not know the page, nor how a number was computed.

Equal records give equal bytes. A figure whose numbers were not measured is None, never an empty frame.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import FancyBboxPatch

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.run_record import EXPOSURE, GAP, RECALL, Group, Measurement, RunRecord, Stage, other
from crossmem_hf.report.text import (
    GROUP_WORDS,
    MODALITY_NAMES,
    amount,
    gap_claim,
    interval,
    percent,
    pooled_gaps,
    seed_gaps,
)

INK: Final = "#1d2129"
MUTED: Final = "#5d6470"
RULE: Final = "#dcd7cd"
MODALITY_COLORS: Final[dict[Modality, str]] = {"image": "#b4470e", "text": "#0a5f9e"}
MODALITY_TINTS: Final[dict[Modality, str]] = {"image": "#ecc7b0", "text": "#b3d0e6"}
GROUP_COLORS: Final[dict[Group, str]] = {"forget": "#7d2a6e", "retain": "#4f6f64", "all": "#4a5361"}
GROUP_TINTS: Final[dict[Group, str]] = {"forget": "#d9bcd3", "retain": "#c2d1cb", "all": "#c6cbd3"}
RECALL_SCALE: Final = ((0.96, 0.945, 0.915), (0.50, 0.70, 0.67), (0.05, 0.28, 0.30))  # red, green, blue at 0, 1/2, 1

STYLE: Final[Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "crossmem",
}
_GROUPS: Final[tuple[Group, ...]] = ("forget", "retain")
_BINS: Final = 20
_PHONE: Final = 3.5  # inches wide, for screens of 320 to 400 pixels
_READER_FONT: Final = "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


def recall_color(recall: float) -> tuple[float, float, float]:
    """Background of a matrix cell, as red, green, blue from 0 to 1; darker is higher."""
    place = 2 * min(1.0, max(0.0, recall))
    low, high = RECALL_SCALE[:2] if place < 1 else RECALL_SCALE[1:]
    red, green, blue = (a + (b - a) * (place - (place >= 1)) for a, b in zip(low, high, strict=True))
    return red, green, blue


def recall_ink(recall: float) -> str:
    """Text color of a matrix cell, readable on `recall_color`."""
    return "#ffffff" if recall > 0.7 else INK


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.03, hspace=0.03)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def matrix_figure(record: RunRecord, *, narrow: bool = False) -> Figure | None:
    """Recall after learning: learned through (rows) by asked through (columns)."""
    cells = {(s, t): record.cell(RECALL, "memorized", s, t) for s in MODALITIES for t in MODALITIES}
    known = [m for m in cells.values() if m is not None]
    if not known:
        return None
    figure, (ax,) = _figure(_PHONE if narrow else 6.4, 3.5 if narrow else 4.1)
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
    ax.set_xlabel(f"People named rightly, with 95% intervals.{guess}", labelpad=10)
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


def gap_figure(record: RunRecord, *, narrow: bool = False) -> Figure | None:
    """Recall lost by asking in the other modality: interval pooled over seeds, and one dot a seed."""
    gaps = pooled_gaps(record)
    if not gaps:
        return None
    figure, (ax,) = _figure(_PHONE if narrow else 7.6, 0.8 + 0.95 * len(gaps))
    for row, gap in enumerate(gaps.values()):
        _gap_row(ax, record, row, gap, narrow)
    ax.axvline(0, color=INK, linewidth=1)
    lowest = min(0.0, *(100 * m.ci_low for m in record.find(metric=GAP, stage="memorized", group="all")))
    ax.set(xlim=(1.1 * lowest - 1, 101), ylim=(len(gaps) - 0.5, -0.72), yticks=[])
    ax.spines["left"].set_visible(False)
    legend = "" if narrow else " (line: all seeds, 95% interval; circles: one seed each)"
    ax.set_xlabel(f"points of recall lost{legend}")
    return figure


def _gap_row(ax: Axes, record: RunRecord, row: int, gap: Measurement, narrow: bool) -> None:
    color = MODALITY_COLORS[gap.source]
    ax.plot([100 * gap.ci_low, 100 * gap.ci_high], [row, row], color=color, linewidth=3.5, solid_capstyle="round")
    ax.plot([100 * gap.value], [row], "o", color=color, markersize=9.5, markeredgecolor="white", markeredgewidth=1.5)
    dots = [100 * m.value for m in seed_gaps(record, gap.source)]
    dots = dots if len(dots) > 1 else []
    ax.plot(dots, [row + 0.24] * len(dots), "o", color="white", markeredgecolor=color, markersize=5)
    words = f"learned from {MODALITY_NAMES[gap.source]}" + (
        "" if narrow else f", asked with {MODALITY_NAMES[gap.target]}"
    )
    start = 1.5 if gap.ci_low > -0.05 else 100 * gap.ci_low
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(start, row - 0.42, words, color=color, fontweight="bold", fontsize=9, bbox=box)
    claim = f"{amount(gap)} [{interval(gap)}], {gap_claim(gap)}"
    ax.text(101, row - (0.2 if narrow else 0.42), claim, ha="right", fontsize=9)


def exposure_figure(record: RunRecord, *, narrow: bool = False) -> Figure | None:
    """How people's Exposure is spread, before and after unlearning, through both modalities."""
    stages: list[Stage] = ["memorized", "unlearned"] if record.is_interpretable else ["memorized"]
    items = [item for item in record.exposure_items if item.stage in stages]
    sources = [m for m in MODALITIES if any(item.source == m for item in items)]
    if not sources:
        return None
    shown = [stage for stage in stages if any(item.stage == stage for item in items)]
    panels = [(source, target) for source in sources for target in (source, other(source))]
    height = (0.85 if narrow else 0.66) + 0.44 * 2 * len(shown)
    if narrow:
        figure, axes = _figure(_PHONE, height * len(panels) + 0.3, rows=len(panels))
    else:
        figure, axes = _figure(9.6, height * len(sources) + 0.3, rows=len(sources), columns=2)
    for ax, (source, target) in zip(axes, panels, strict=True):
        _exposure_panel(ax, record, source, target, shown)
        title = (
            f"learned from {MODALITY_NAMES[source]},{chr(10) if narrow else ' '}asked with {MODALITY_NAMES[target]}"
        )
        ax.set_title(title, color=MODALITY_COLORS[target], fontsize=9)
        if target != source and not narrow:
            ax.set_yticklabels([])
    figure.supxlabel("Exposure (100: the truth ranks first)", fontsize=9, color=MUTED)
    return figure


def _exposure_panel(ax: Axes, record: RunRecord, source: Modality, target: Modality, stages: Sequence[Stage]) -> None:
    rows = [(group, stage) for group in _GROUPS for stage in stages]
    labels = []
    for row, (group, stage) in enumerate(rows):
        values = [
            item.value
            for item in record.exposure_items
            if (item.source, item.target, item.group, item.stage) == (source, target, group, stage)
        ]
        is_before = stage == "memorized"
        fill = GROUP_TINTS[group] if is_before and len(stages) > 1 else GROUP_COLORS[group]
        _ridge(ax, row, values, fill)
        mean = record.cell(EXPOSURE, stage, source, target, group)
        if mean is not None:
            ax.plot([mean.ci_low, mean.ci_high], [row + 0.1] * 2, color=INK, linewidth=1.4, solid_capstyle="round")
            ax.plot([mean.value], [row + 0.1], "o", color=INK, markersize=4)
            ax.text(106, row, amount(mean), ha="left", va="bottom", fontsize=9, fontweight="bold")
        when = "before" if is_before else "after"
        labels.append(f"{GROUP_WORDS[group]}, {when}" if len(stages) > 1 else GROUP_WORDS[group])
    chance = next((m.chance for m in record.find(metric=EXPOSURE, source=source, target=target) if m.chance), None)
    if chance is not None:
        ax.axvline(chance, color=MUTED, linewidth=1, linestyle=(0, (2, 2)), zorder=0)
        ax.text(chance + 1.5, -0.95, "guessing", ha="left", va="center", fontsize=8, color=MUTED)
    ax.set(xlim=(-1, 116), ylim=(len(rows) - 0.6, -1.15), xticks=[0, 25, 50, 75, 100])
    ax.set_yticks(range(len(rows)), labels)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_bounds(0, 100)


def _ridge(ax: Axes, row: int, values: Sequence[float], fill: str) -> None:
    """Share of people in each Exposure bin; the tallest bin of a row is drawn to the same height in every row."""
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int(_BINS * max(0.0, value) / 100))] += 1
    tallest = max(counts) or 1
    tops = [row - 0.78 * count / tallest for count in counts]
    edges = [100 * i / _BINS for i in range(_BINS + 1)]
    ax.stairs(tops, edges, baseline=row, fill=True, color=fill, linewidth=0)
    ax.plot([0, 100], [row, row], color=RULE, linewidth=0.8, zorder=0)


def forgetting_figure(record: RunRecord, *, narrow: bool = False) -> Figure | None:
    """Recall of forgotten and retained people before and after unlearning, through both modalities."""
    sources = [m for m in MODALITIES if record.find(metric=RECALL, stage="unlearned", source=m)]
    if not sources or not record.is_interpretable:
        return None
    count = len(sources)
    size = (_PHONE, 3.1 * count + 0.3) if narrow else (9.6 if count == 2 else 5.2, 3.4)
    figure, axes = _figure(*size, rows=count if narrow else 1, columns=1 if narrow else count)
    for ax, source in zip(axes, sources, strict=True):
        _forgetting_panel(ax, record, source)
        title = f"unlearned through {MODALITY_NAMES[source]}"
        ax.set_title(title, color=MODALITY_COLORS[source], fontsize=9.5, pad=8, loc="right" if narrow else "left")
    figure.supxlabel("pale: before unlearning · full: after · dotted: guessing", fontsize=8.5, color=MUTED)
    return figure


def _forgetting_panel(ax: Axes, record: RunRecord, source: Modality) -> None:
    rows: dict[float, str] = {}
    for start, group in zip((0.0, 3.0), _GROUPS, strict=True):
        name = f"{GROUP_WORDS[group]} people"
        ax.text(-0.025, start - 0.68, name, ha="right", va="center", color=GROUP_COLORS[group], fontweight="bold")
        for step, target in enumerate((source, other(source))):
            y = start + step
            rows[y] = MODALITY_NAMES[target]
            _bar(ax, y - 0.19, record.cell(RECALL, "memorized", source, target, group), MODALITY_TINTS[target])
            _bar(ax, y + 0.19, record.cell(RECALL, "unlearned", source, target, group), MODALITY_COLORS[target])
    chance = next((m.chance for m in record.find(metric=RECALL, stage="unlearned", source=source) if m.chance), None)
    if chance is not None:
        ax.axvline(chance, color=MUTED, linewidth=1, linestyle=(0, (2, 2)), zorder=0)
    ax.set_yticks(list(rows), list(rows.values()))
    ax.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
    ax.set(xlim=(0, 1.2), ylim=(4.6, -0.95))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_bounds(0, 1)


def _bar(ax: Axes, y: float, m: Measurement | None, color: str) -> None:
    if m is None:
        ax.text(0.02, y, "not measured", va="center", fontsize=8, color=MUTED)
        return
    ax.barh(y, m.value, 0.35, color=color, linewidth=0)
    ax.plot([m.ci_low, m.ci_high], [y, y], color=INK, linewidth=1.2, solid_capstyle="round")
    ax.text(m.ci_high + 0.025, y, amount(m), va="center", fontsize=8.5)


FIGURES: Final[dict[str, Callable[..., Figure | None]]] = {
    "matrix": matrix_figure,
    "gap": gap_figure,
    "exposure": exposure_figure,
    "forgetting": forgetting_figure,
}


def figure_png(record: RunRecord, name: str, *, narrow: bool = False, dpi: int = 200) -> bytes | None:
    """The figure as PNG without date or software stamp; None if its numbers were not measured."""
    with matplotlib.rc_context(STYLE):
        figure = FIGURES[name](record, narrow=narrow)
        if figure is None:
            return None
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def figure_svg(record: RunRecord, name: str, *, narrow: bool = False) -> bytes | None:
    """The figure as SVG with real text in the reader's own sans-serif; None if its numbers were not measured."""
    with matplotlib.rc_context(STYLE):
        figure = FIGURES[name](record, narrow=narrow)
        if figure is None:
            return None
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue().replace("'DejaVu Sans'", _READER_FONT).encode()
