# SPDX-License-Identifier: Apache-2.0
"""The figure of a comparison: what was forgotten against what was kept, a panel a door. It computes nothing."""

import io
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.compare_record import RECALL, CompareArm, CompareRecord
from crossmem_hf.report.figures import DOOR_COLOURS, INK, MUTED, STYLE
from crossmem_hf.report.text import DOORS

MARKS: Final = {"image": "o", "text": "s", "both": "D"}
_ANCHOR: Final = "#4a5361"
_BOTH: Final = "#4f6f64"


def compare_figure(record: CompareRecord) -> Figure:
    """Recall of forgotten people (across) against recall of retained people (up), with intervals."""
    figure = Figure(figsize=(10.4, 4.9), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, door in zip(axes, MODALITIES, strict=True):
        for arm in record.arms:
            _point(ax, record, arm, door)
        ax.set_title(f"asked with new {DOORS[door]}", color=DOOR_COLOURS[door])
        ax.set(xlim=(-0.05, 1.1), ylim=(-0.05, 1.1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        ax.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
        ax.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
        ax.set_xlabel("forgotten people still named  (better: left)")
    axes[0].set_ylabel("retained people named  (better: up)")
    for through, mark in MARKS.items():
        words = "both doors" if through == "both" else DOORS[through]  # type: ignore[index]
        axes[1].plot([], [], mark, color=_colour(through), label=f"forgotten through {words}")
    axes[1].plot([], [], "*", color=_ANCHOR, markersize=11, label="not unlearnt")
    axes[1].legend(loc="lower right", frameon=False, fontsize=8.5)
    return figure


def _point(ax: Axes, record: CompareRecord, arm: CompareArm, door: str) -> None:
    x, y = (record.line(arm, RECALL, group, door) for group in ("forget", "retain"))
    if x is None or y is None:
        return
    colour = _colour(arm.through)
    ax.plot([x.ci_low, x.ci_high], [y.value] * 2, color=colour, linewidth=0.9, alpha=0.5)
    ax.plot([x.value] * 2, [y.ci_low, y.ci_high], color=colour, linewidth=0.9, alpha=0.5)
    mark = MARKS.get(arm.through or "", "*")
    ax.plot([x.value], [y.value], mark, color=colour, markersize=12 if mark == "*" else 6, markeredgecolor="white")
    ink = INK if arm.through is None else MUTED
    ax.annotate(arm.arm, (x.value, y.value), xytext=(5, 4), textcoords="offset points", fontsize=7.5, color=ink)


def _colour(through: str | None) -> str:
    colours: dict[str | None, str] = {"image": DOOR_COLOURS["image"], "text": DOOR_COLOURS["text"], "both": _BOTH}
    return colours.get(through, _ANCHOR)


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
