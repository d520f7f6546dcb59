# SPDX-License-Identifier: Apache-2.0
"""The figure of the claims that help to answer one question: a row a claim, its effect with its interval, and what it
is held against. It only draws."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossmem_hf.report.record import Record, Verdict
from crossmem_hf.report.style import INK, MUTED, PHONE, RULE, fitted, new_figure

_MARKERS: Final[Mapping[str, dict[str, Any]]] = {
    "supported": {"marker": "o", "color": INK},
    "contradicted": {"marker": "X", "color": INK},
    "inconclusive": {"marker": "o", "color": INK, "markerfacecolor": "white"},
}


def claim_figure(record: Record, question: str, *, narrow: bool = False) -> Figure | None:
    """A panel a unit, a row a claim; None if no effect of a claim of that question was measured."""
    claims = [one for one in record.verdicts if one.question == question and one.effect is not None]
    if not claims:
        return None
    width, letters = (PHONE + 1.5, 34) if narrow else (8.4, 62)
    units = list(dict.fromkeys(one.unit for one in claims))
    panels = [[one for one in claims if one.unit == unit] for unit in units]
    sentences = [[fitted(one.sentence.rstrip("."), letters) for one in panel] for panel in panels]
    lines = [sum(2 + text.count("\n") for text in panel) for panel in sentences]
    height = 1.2 + 0.8 * len(units) + 0.17 * sum(lines)
    figure, axes = new_figure(width, height, rows=len(units), height_ratios=[2 + count for count in lines])
    for ax, panel, names, unit in zip(axes, panels, sentences, units, strict=True):
        _draw(ax, panel, names)
        ax.set_xlabel(f"effect ({unit})", fontsize=8.5)
    figure.suptitle(fitted(question, 2 * letters - 30), fontsize=10.5, fontweight="bold")
    legend = "line: 95 % interval over seeds, tick: threshold; filled: supported, cross: contradicted"
    figure.supxlabel(fitted(legend, letters + 20), fontsize=8.5, color=MUTED)
    return figure


def _draw(ax: Axes, claims: Sequence[Verdict], names: Sequence[str]) -> None:
    for number, one in enumerate(claims):
        if one.ci is not None:
            ax.plot(one.ci, [number] * 2, color=INK, linewidth=1.6, solid_capstyle="round")
        ax.plot([one.effect or 0.0], [number], linestyle="", markersize=6, **_MARKERS[one.verdict])
        ax.plot([one.threshold], [number], "|", color=MUTED, markersize=11, markeredgewidth=1.4, zorder=0)
    ax.set_yticks(range(len(claims)), names, fontsize=8)
    ax.set_ylim(len(claims) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=RULE, linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
