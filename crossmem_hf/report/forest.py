# SPDX-License-Identifier: Apache-2.0
"""One figure a metric, whatever was measured: a row a place, its value with its interval, and what guessing would
give. It knows no study."""

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.modality_text import ends
from crossmem_hf.report.record import Measurement, Record, Value, words_of
from crossmem_hf.report.style import INK, MODALITY_COLORS, MODALITY_MARKERS, MUTED, PHONE, RULE, fitted, new_figure
from crossmem_hf.report.tables import over_seeds, without_seed

MAX_ROWS: Final = 60
_COLORS: Final[Mapping[Value, str]] = {name: MODALITY_COLORS[name] for name in MODALITIES}
_MARKERS: Final[Mapping[Value, str]] = {name: MODALITY_MARKERS[name] for name in MODALITIES}


def forest_figure(record: Record, metric: str, *, narrow: bool = False) -> Figure | None:
    """A row for each place where the metric was measured; None if it was not, or in more than MAX_ROWS places.

    Hollow marks are single seeds. The marker is that of the modality asked in (or learned), a diamond without one.
    """
    measured = record.find(metric)
    rows = over_seeds(measured)
    if not 0 < len(rows) <= MAX_ROWS:
        return None
    width, letters = (PHONE + 1, 26) if narrow else (8.4, 48)
    names = [fitted(name, letters) for name in _names(rows)]
    lines = 1 + max(name.count("\n") for name in names)
    figure, (ax,) = new_figure(width, 1.1 + (0.12 + 0.12 * lines) * len(rows))
    for number, row in enumerate(rows):
        own = [m.value for m in measured if m.seed is not None and without_seed(m.where) == without_seed(row.where)]
        seeds = [*row.by_seed.values()] or own
        _draw(ax, number, row, seeds if len(seeds) > 1 else [])
    ax.set_yticks(range(len(rows)), names, fontsize=8)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=RULE, linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    one = rows[0]
    title = f"{metric} ({one.unit}{f'; greater: {one.greater_means}' if one.greater_means else ''})"
    figure.suptitle(fitted(title, 2 * letters - 10), fontsize=10.5, fontweight="bold")
    guessing = ", tick: guessing" if any(m.chance is not None for m in rows) else ""
    ax.set_xlabel(f"line: 95 % interval, hollow: one persona seed{guessing}", fontsize=8.5)
    return figure


def _draw(ax: Axes, number: int, row: Measurement, seeds: Sequence[float]) -> None:
    modality = row.where.get("target", row.where.get("source"))
    color, marker = _COLORS.get(modality, INK), _MARKERS.get(modality, "D")
    ax.plot(ends(row), [number] * 2, color=color, linewidth=1.6, solid_capstyle="round")
    ax.plot([row.value], [number], marker, color=color, markersize=5.5)
    ax.plot(seeds, [number + 0.27] * len(seeds), marker, color=color, markerfacecolor="white",
            markersize=3.2, markeredgewidth=0.8)  # fmt: skip
    if row.chance is not None:
        ax.plot([row.chance], [number], "|", color=MUTED, markersize=9, markeredgewidth=1.4, zorder=0)


def _names(rows: Sequence[Measurement]) -> list[str]:
    """Each row's place; a key that all rows share is left out."""
    places = [without_seed(row.where) for row in rows]
    shared = {name for name in places[0] if len(places) > 1 and len({str(p.get(name)) for p in places}) == 1}
    return [words_of({k: v for k, v in place.items() if k not in shared}) or "all" for place in places]
