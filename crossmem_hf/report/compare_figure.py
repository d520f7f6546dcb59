# SPDX-License-Identifier: Apache-2.0
"""The figure of a comparison: what is left of the forgotten and the retained, in both modalities. It only draws."""

import io
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.compare_record import EXPOSURE, RECALL, CompareArm, CompareRecord
from crossmem_hf.report.figures import INK, MODALITY_COLORS, MODALITY_TINTS, MUTED, RULE, STYLE
from crossmem_hf.report.text import MODALITY_NAMES

PANELS: Final = (
    (RECALL, "forget", "forgotten people still named", "better: left", 1.0),
    (EXPOSURE, "forget", "Exposure of forgotten names", "better: at the dotted lines", 100.0),
    (RECALL, "retain", "retained people named", "better: right", 1.0),
)
_THROUGH: Final = {"image": "through portraits", "text": "through descriptions", "both": "through both", None: ""}
_OFFSET: Final = {"image": -0.17, "text": 0.17}  # in rows, so that both modalities can be seen where they agree
_RETRAINED: Final = "retrained"


def compare_figure(record: CompareRecord) -> Figure:
    """A row a way of forgetting, a panel for each of PANELS, a mark with its interval for each modality asked in.

    A mark is full where the facts were unlearned through that modality, hollow where they were not. Dotted lines are
    where the model stands that was never taught the forgotten, dashed ones where guessing does.
    """
    height = 1.5 + 0.235 * len(record.arms)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08, wspace=0.03)
    figure = Figure(figsize=(10.4, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for ax, (metric, group, title, better, top) in zip(axes, PANELS, strict=True):
        for row, arm in enumerate(record.arms):
            _marks(ax, record, arm, row, metric, group)
        for chance in _chances(record, metric, group):
            ax.axvline(chance, color=MUTED, linestyle=(0, (4, 3)), linewidth=0.9, zorder=0)
        ax.set_title(f"{title}\n({better})", fontsize=9.5)
        ax.set_xlim(-0.04 * top, 1.04 * top)
        ax.set_xticks([0, top / 2, top], ["0", "50", "100"] if metric == EXPOSURE else ["0%", "50%", "100%"])
        ax.tick_params(axis="y", length=0)
    _rows(axes[0], record)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def _chances(record: CompareRecord, metric: str, group: str) -> list[float]:
    """The levels of guessing about all questions of a panel, usually one."""
    about = (metric, group, None)
    lines = [line for line in record.lines if (line.metric, line.group, line.hops) == about]
    return sorted({line.chance for line in lines if line.chance is not None})


def _marks(ax: Axes, record: CompareRecord, arm: CompareArm, row: int, metric: str, group: str) -> None:
    starts = row == 0 or record.arms[row - 1].arm != arm.arm
    if starts and arm.through is not None:
        ax.axhline(row - 0.5, color=RULE, linewidth=0.8, zorder=0)
    for modality in MODALITIES:
        line = record.line(arm, metric, group, modality)
        if line is None:
            continue
        place, color = row + _OFFSET[modality], MODALITY_COLORS[modality]
        if arm.arm == _RETRAINED:
            ax.axvline(line.value, color=MODALITY_TINTS[modality], linestyle=":", linewidth=1.2, zorder=0)
        full = arm.through in (None, "both", modality)
        ax.plot([line.ci_low, line.ci_high], [place] * 2, color=color, linewidth=1, alpha=0.55, zorder=1)
        face = color if full else "white"
        ax.plot([line.value], [place], "o", color=color, markerfacecolor=face, markersize=4.6, clip_on=False)


def _rows(ax: Axes, record: CompareRecord) -> None:
    names = [f"{arm.arm}  {_THROUGH.get(arm.through, arm.through)}".strip() for arm in record.arms]
    ax.set_yticks(range(len(names)), names, fontsize=8.5)
    ax.set_ylim(len(names) - 0.4, -0.6)
    for label, arm in zip(ax.get_yticklabels(), record.arms, strict=True):
        label.set_color(INK if arm.through is None else MUTED)


def _legend() -> list[Line2D]:
    marks = [
        Line2D(
            [],
            [],
            marker="o",
            linestyle="-",
            color=MODALITY_COLORS[modality],
            label=f"asked with new {MODALITY_NAMES[modality]}",
        )
        for modality in MODALITIES
    ]
    hollow = Line2D([], [], marker="o", linestyle="", color=MUTED, markerfacecolor="white", label="the other modality")
    full = Line2D([], [], marker="o", linestyle="", color=MUTED, label="unlearned through this modality")
    dotted = Line2D([], [], linestyle=":", color=MUTED, label="retrained without them")
    dashed = Line2D([], [], linestyle=(0, (4, 3)), color=MUTED, label="guessing")
    return [*marks, full, hollow, dotted, dashed]


def compare_svg(record: CompareRecord) -> bytes:
    """The figure as SVG; equal records give equal bytes."""
    style: Any = STYLE
    with matplotlib.rc_context(style):
        out = io.StringIO()
        compare_figure(record).savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue().encode()


def compare_png(record: CompareRecord) -> bytes:
    """The figure as PNG without date or software stamp."""
    style: Any = STYLE
    with matplotlib.rc_context(style):
        out = io.BytesIO()
        compare_figure(record).savefig(out, format="png", dpi=200, metadata={"Software": None})
    return out.getvalue()
