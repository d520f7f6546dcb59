# SPDX-License-Identifier: Apache-2.0
"""The figure of methods side by side: what is left of the forgotten and the retained, in both modalities. It only
draws."""

from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossmem_hf.personas.schema import MODALITIES, Modality
from crossmem_hf.report.modality_text import MODALITY_NAMES, ends
from crossmem_hf.report.record import BASELINES, Measurement, Record, Value
from crossmem_hf.report.style import (
    CHANCE_LINE,
    INK,
    MODALITY_COLORS,
    MODALITY_LINES,
    MODALITY_MARKERS,
    MUTED,
    PHONE,
    RULE,
    new_figure,
)

PANELS: Final = (
    ("recall", "forget", "recall, forget set", "better: left", 1.0),
    ("exposure", "forget", "Exposure, forget set", "better: at the dotted lines", 100.0),
    ("recall", "retain", "recall, retain set", "better: right", 1.0),
)
_THROUGH: Final = {"image": "through portraits", "text": "through descriptions", "both": "through both"}
_OFFSET: Final[dict[Modality, float]] = {"image": -0.17, "text": 0.17}  # in rows, so that both can be seen
_RETAIN_ONLY: Final = BASELINES[2]
Row = tuple[str, str | None]


def method_figure(record: Record, *, narrow: bool = False) -> Figure | None:
    """A row a method and modality forgotten through, a panel for each of PANELS, a mark with its interval for each
    modality asked in; None if nothing of it was measured.

    A mark is full where the facts were unlearned through that modality, hollow where they were not. Dotted lines are
    where the model stands that never learned the forgotten, dashed ones where guessing does.
    """
    rows = _rows(record)
    panels = [panel for panel in PANELS if any(_at(record, row, panel, m) for row in rows for m in MODALITIES)]
    if not panels:
        return None
    tall = 0.9 + 0.235 * len(rows)
    if narrow:
        figure, axes = new_figure(PHONE + 1, tall * len(panels) + 1.6, rows=len(panels))
    else:
        figure, axes = new_figure(3.2 + 2.4 * len(panels), tall + 0.6, columns=len(panels), sharey=True)
    for ax, panel in zip(axes, panels, strict=True):
        _draw(ax, record, rows, panel)
        if narrow or ax is axes[0]:
            _name_rows(ax, rows)
    ncols = 1 if narrow else 3
    figure.legend(handles=_legend(), loc="outside lower center", ncols=ncols, frameon=False, fontsize=8.5)
    return figure


Panel = tuple[str, str, str, str, float]


def _rows(record: Record) -> list[Row]:
    """Methods and the modality forgotten through, in the record's order; what failed too."""
    places = [m.where for m in record.measurements] + [failure.where for failure in record.failures]
    return list(dict.fromkeys((str(w["method"]), _text(w.get("forget_modality"))) for w in places if "method" in w))


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _at(record: Record, row: Row, panel: Panel, modality: str) -> Measurement | None:
    metric, group, *_ = panel
    return record.one(metric, method=row[0], forget_modality=row[1], group=group, target=modality)


def _draw(ax: Axes, record: Record, rows: list[Row], panel: Panel) -> None:
    metric, _, title, better, top = panel
    chances: set[float] = set()
    for number, row in enumerate(rows):
        if row[1] is not None and rows[number - 1 : number] and rows[number - 1][0] != row[0]:
            ax.axhline(number - 0.5, color=RULE, linewidth=0.8, zorder=0)
        for modality in MODALITIES:
            m = _at(record, row, panel, modality)
            if m is not None:
                _mark(ax, number, row, modality, m)
                chances |= set() if m.chance is None else {m.chance}
    for chance in sorted(chances):
        ax.axvline(chance, **CHANCE_LINE)
    ax.set_title(f"{title}\n({better})", fontsize=9.5)
    ax.set_xlim(-0.04 * top, 1.04 * top)
    ax.set_xticks([0, top / 2, top], ["0", "50", "100"] if metric == "exposure" else ["0%", "50%", "100%"])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)


def _mark(ax: Axes, number: int, row: Row, modality: Modality, m: Measurement) -> None:
    place, color = number + _OFFSET[modality], MODALITY_COLORS[modality]
    method, through = row
    if method == _RETAIN_ONLY:
        ax.axvline(m.value, color=color, linestyle=MODALITY_LINES[modality], linewidth=1.2, alpha=0.6, zorder=0)
    ax.plot(ends(m), [place] * 2, color=color, linewidth=1, alpha=0.55, zorder=1)
    face = color if through in (None, "both", modality) else "white"
    marker = MODALITY_MARKERS[modality]
    ax.plot([m.value], [place], marker, color=color, markerfacecolor=face, markersize=4.6, clip_on=False)


def _name_rows(ax: Axes, rows: list[Row]) -> None:
    names = [f"{method}  {_THROUGH.get(through or '', through or '')}".strip() for method, through in rows]
    ax.set_yticks(range(len(names)), names, fontsize=8.5)
    for label, (_, through) in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_color(INK if through is None else MUTED)


def _legend() -> list[Line2D]:
    marks = [
        Line2D(
            [],
            [],
            marker=MODALITY_MARKERS[modality],
            linestyle="-",
            color=MODALITY_COLORS[modality],
            label=f"asked with new {MODALITY_NAMES[modality]}",
        )
        for modality in MODALITIES
    ]
    hollow = Line2D([], [], marker="o", linestyle="", color=MUTED, markerfacecolor="white", label="the other modality")
    full = Line2D([], [], marker="o", linestyle="", color=MUTED, label="unlearned through this modality")
    dotted = Line2D([], [], linestyle=MODALITY_LINES["image"], color=MUTED, label="retain-only model")
    dashed = Line2D([], [], linestyle=CHANCE_LINE["linestyle"], color=MUTED, label="guessing")
    return [*marks, full, hollow, dotted, dashed]
