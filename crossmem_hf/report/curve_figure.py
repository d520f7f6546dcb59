# SPDX-License-Identifier: Apache-2.0
"""The figure of unlearning along its steps: Exposure of the forgotten and recall of the retained, in both modalities.
It only draws."""

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.modality_text import MODALITY_NAMES, ends
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.report.style import (
    GROUP_COLORS,
    MODALITY_COLORS,
    MODALITY_LINES,
    MODALITY_MARKERS,
    MUTED,
    PHONE,
    new_figure,
)

_RETAINED_LINES: Final[dict[str, Any]] = {"image": "-", "text": (0, (4, 2))}
_THROUGH: Final = {"image": "through portraits", "text": "through descriptions", "both": "through both"}


def curve_figure(record: Record, *, narrow: bool = False) -> Figure | None:
    """A row a method, a column a modality forgotten through; None if nothing was measured along steps.

    Lines with markers are Exposure of the forgotten (0 to 100) asked in each modality, with intervals; lines without
    are recall of the retained in percent. At step 0 stands the memorized model; dotted lines are the retain-only
    model's Exposure. All on one scale from 0 to 100.
    """
    along = [
        m
        for m in record.measurements
        if {"step", "method"} <= {*m.where} and "hops" not in m.where and m.metric in ("exposure", "recall")
    ]
    methods = list(dict.fromkeys(str(m.where["method"]) for m in along))
    through = [name for name in _THROUGH if any(m.where.get("forget_modality") == name for m in along)]
    if not methods or not through:
        return None
    width, height = (PHONE + 1, 1.05) if narrow else (2.7 * len(through) + 0.6, 1.35)
    figure, axes = new_figure(width, height * len(methods) + 1.0, rows=len(methods), columns=len(through), sharey=True)
    for place, ax in enumerate(axes):
        method, modality = methods[place // len(through)], through[place % len(through)]
        _draw(ax, record, [m for m in along if _is_of(m, method, modality)])
        ax.set_title(f"{method} {_THROUGH[modality]}" if not narrow else f"{method} {modality}", fontsize=8.5)
        ax.set_ylim(-4, 104)
        ax.set_yticks([0, 50, 100])
    for ax in axes[-len(through) :]:
        ax.set_xlabel("steps", fontsize=8.5)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=1 if narrow else 3, frameon=False, fontsize=8.5)
    return figure


def _is_of(m: Measurement, method: str, modality: str) -> bool:
    return m.where.get("method") == method and m.where.get("forget_modality") == modality


def _draw(ax: Axes, record: Record, found: Sequence[Measurement]) -> None:
    for target in MODALITIES:
        start = _baseline(record, "exposure", "memorized", "forget", target)
        points = [*start, *_points(found, "exposure", "forget", target)]
        steps, color = [_step(m) for m in points], MODALITY_COLORS[target]
        ax.plot(steps, [m.value for m in points], color=color, marker=MODALITY_MARKERS[target], markersize=3.5)
        intervals = [ends(m) for m in points]
        ax.fill_between(steps, [low for low, _ in intervals], [high for _, high in intervals], color=color, alpha=0.15)
        for m in _baseline(record, "exposure", "retain_only", "forget", target):
            ax.axhline(m.value, color=color, linestyle=MODALITY_LINES[target], linewidth=1, zorder=0)
        retained = [
            *_baseline(record, "recall", "memorized", "retain", target),
            *_points(found, "recall", "retain", target),
        ]
        ax.plot(
            [_step(m) for m in retained],
            [100 * m.value for m in retained],
            color=GROUP_COLORS["retain"],
            linestyle=_RETAINED_LINES[target],
            linewidth=1,
        )
    ax.set_xticks(sorted({_step(m) for m in found} | {0}))
    ax.tick_params(axis="x", labelsize=7)


def _points(found: Sequence[Measurement], metric: str, group: str, target: str) -> list[Measurement]:
    chosen = [m for m in found if (m.metric, m.where.get("group"), m.where.get("target")) == (metric, group, target)]
    return sorted(chosen, key=_step)


def _baseline(record: Record, metric: str, method: str, group: str, target: str) -> list[Measurement]:
    m = record.one(metric, method=method, group=group, target=target)
    return [] if m is None else [m]


def _step(m: Measurement) -> int:
    return int(m.where.get("step") or 0)


def _legend() -> list[Line2D]:
    exposure = [
        Line2D(
            [],
            [],
            color=MODALITY_COLORS[one],
            marker=MODALITY_MARKERS[one],
            label=f"Exposure of the forgotten, {MODALITY_NAMES[one]}",
        )
        for one in MODALITIES
    ]
    retained = [
        Line2D(
            [],
            [],
            color=GROUP_COLORS["retain"],
            linestyle=_RETAINED_LINES[one],
            label=f"recall of the retained, {MODALITY_NAMES[one]}",
        )
        for one in MODALITIES
    ]
    return [
        *exposure,
        *retained,
        Line2D([], [], linestyle=MODALITY_LINES["image"], color=MUTED, label="Exposure, retain-only"),
    ]
