# SPDX-License-Identifier: Apache-2.0
"""The figure of what unlearning costs and leaves: utility against what the worst attack still gets out. It only
draws."""

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossmem_hf.report.record import BASELINES, Measurement, Record
from crossmem_hf.report.style import GROUP_COLORS, MODALITY_COLORS, MUTED, PHONE, RULE, new_figure

_THROUGH: Final[dict[str, tuple[str, str, str]]] = {
    "both": ("through both", GROUP_COLORS["forget"], "D"),
    "image": ("through portraits", MODALITY_COLORS["image"], "o"),
    "text": ("through descriptions", MODALITY_COLORS["text"], "s"),
}
_LINES: Final = {"memorized": (0, (4, 3)), "retain_only": (0, (1, 1.5))}


def residual_figure(record: Record, *, narrow: bool = False) -> Figure | None:
    """A mark a method and modality forgotten through, with both intervals: right is useful, down is forgotten; None
    if nothing of it was measured.

    What is left is of the attack that leaves most in the other seeds. Lines are the utility of the memorized and of
    the retain-only model, and nothing left.
    """
    worst = [one for one in record.measurements if one.metric == "residual_worst"]
    pairs = [(one, record.one("utility", **_place(one))) for one in worst]
    known = [(left, utility) for left, utility in pairs if utility is not None]
    if not known:
        return None
    figure, (ax,) = new_figure(PHONE + 1 if narrow else 7.2, 4.6)
    for left, utility in known:
        _mark(ax, left, utility)
    for method in BASELINES[1:]:
        anchor = record.one("utility", method=method)
        if anchor is not None:
            ax.axvline(100 * anchor.value, color=MUTED, linestyle=_LINES[method], linewidth=1, zorder=0)
    ax.axhline(0, color=RULE, linewidth=1, zorder=0)
    ax.set_xlabel("utility, percent (better: right)")
    ax.set_ylabel("residual of the worst attack, percent (better: down)")
    figure.legend(
        handles=_legend({str(left.where["forget_modality"]) for left, _ in known}),
        loc="outside lower center",
        ncols=1 if narrow else 3,
        frameon=False,
        fontsize=8.5,
    )
    return figure


def _place(one: Measurement) -> dict[str, Any]:
    return {"method": one.where["method"], "forget_modality": one.where["forget_modality"]}


def _mark(ax: Axes, left: Measurement, utility: Measurement) -> None:
    _, color, marker = _THROUGH[str(left.where["forget_modality"])]
    x, y = 100 * utility.value, 100 * left.value
    for one, draw in ((left, ax.vlines), (utility, ax.hlines)):
        if one.ci is not None:
            low, high = (100 * end for end in one.ci)
            draw(x if one is left else y, low, high, color=color, linewidth=1, alpha=0.45, zorder=1)
    ax.plot([x], [y], marker, color=color, markersize=5)
    ax.annotate(str(left.where["method"]), (x, y), (4, 4), textcoords="offset points", fontsize=8, color=color)


def _legend(through: set[str]) -> list[Line2D]:
    marks = [
        Line2D([], [], marker=marker, linestyle="", color=color, label=words)
        for name, (words, color, marker) in _THROUGH.items()
        if name in through
    ]
    words = {"memorized": "memorized model", "retain_only": "retain-only model"}
    return [*marks, *(Line2D([], [], color=MUTED, linestyle=line, label=words[name]) for name, line in _LINES.items())]
