# SPDX-License-Identifier: Apache-2.0
"""Numbers by layer and token group as arrays, and as one heat map a metric. It knows no model and no tracing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from crossmem_hf.report.numbers import significant
from crossmem_hf.report.record import Measurement, Record, Value, words_of
from crossmem_hf.report.style import HEAT, INK, MUTED, PHONE, new_figure
from crossmem_hf.report.tables import Table, over_seeds, without_seed

MAX_NUMBERS: Final = 12
"""Most layers of a heat map whose cells hold numbers; those of more layers hold signs."""
MAX_GRIDS: Final = 12
"""Most grids of a figure."""
_AXES = ("layer", "tokens")


@dataclass(frozen=True, slots=True)
class Grid:
    """A metric at one place, by layer and token group.

    Attributes:
        where: The place, without layer, tokens and seed.
        layers: In order.
        tokens: Token groups, in the order in which they were measured.
        values: A row a layer, a number a group; None where nothing was measured.
        low: Lower ends of the 95 % intervals in the same form; None where there is no interval.
        high: Their upper ends.
        n: Rows behind each number.
    """

    metric: str
    unit: str
    where: dict[str, Value]
    layers: tuple[int, ...]
    tokens: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    low: tuple[tuple[float | None, ...], ...]
    high: tuple[tuple[float | None, ...], ...]
    n: tuple[tuple[int, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return asdict(self)

    def table(self) -> Table:
        """A row a layer, a column a token group."""
        rows = [
            (str(layer), *("" if value is None else significant(value) for value in own))
            for layer, own in zip(self.layers, self.values, strict=True)
        ]
        return Table(("layer", *self.tokens), tuple(rows), right=frozenset(range(1 + len(self.tokens))))


def grids_of(record: Record, metric: str) -> list[Grid]:
    """A grid a place where the metric was measured by layer and token group, over seeds; none if it was not.

    Example:
        >>> at = {"site": "mlp", "layer": 0, "tokens": "last"}
        >>> one = Measurement(metric="indirect_effect", where=at, value=0.5, n=9, unit="proportion")
        >>> record = Record(study="", config={}, versions={}, fingerprints={}, measurements=(one,))
        >>> [(grid.where, grid.values) for grid in grids_of(record, "indirect_effect")]
        [({'site': 'mlp'}, ((0.5,),))]
    """
    places: dict[tuple[Any, ...], dict[tuple[Any, Any], Measurement]] = {}
    for m in over_seeds(m for m in record.find(metric) if {*_AXES} <= {*m.where}):
        where = {name: value for name, value in without_seed(m.where).items() if name not in _AXES}
        places.setdefault(tuple(where.items()), {})[m.where["layer"], m.where["tokens"]] = m
    return [_grid(metric, dict(place), found) for place, found in places.items()]


def _grid(metric: str, where: dict[str, Value], found: dict[tuple[Any, Any], Measurement]) -> Grid:
    layers = sorted({layer for layer, _ in found})
    tokens = tuple(dict.fromkeys(group for _, group in found))
    rows = [[found.get((layer, group)) for group in tokens] for layer in layers]
    return Grid(
        metric=metric,
        unit=next(iter(found.values())).unit,
        where=where,
        layers=tuple(layers),
        tokens=tokens,
        values=tuple(tuple(None if m is None else m.value for m in row) for row in rows),
        low=tuple(tuple(None if m is None or m.ci is None else m.ci[0] for m in row) for row in rows),
        high=tuple(tuple(None if m is None or m.ci is None else m.ci[1] for m in row) for row in rows),
        n=tuple(tuple(0 if m is None else m.n for m in row) for row in rows),
    )


def heat_map_figure(record: Record, metric: str, *, narrow: bool = False) -> Figure | None:
    """A panel a place, at most MAX_GRIDS, all in one scale around 0; None if nothing was measured by layer and token
    group.

    Rows are layers, the first below; columns are token groups. Numbers, or + and - where there are many layers, are in
    bold, or there at all, where the interval is on one side of 0.
    """
    grids = grids_of(record, metric)[:MAX_GRIDS]
    if not grids:
        return None
    columns = 1 if narrow else min(3, len(grids))
    lines = -(-len(grids) // columns)
    height = 1.1 + max(len(grid.layers) for grid in grids) * (0.26 if len(grids[0].layers) <= MAX_NUMBERS else 0.14)
    figure, axes = new_figure(PHONE + 1 if narrow else 3.1 * columns + 0.9, height * lines + 0.5, lines, columns)
    top = max((abs(value) for grid in grids for row in grid.values for value in row if value is not None), default=0.0)
    shared = _shared(grids)
    for ax, grid in zip(axes, grids, strict=False):
        image = _draw(ax, grid, top or 1.0)
        place = {name: value for name, value in grid.where.items() if name not in shared}
        ax.set_title(words_of(place) or "all", fontsize=8.5)
    for ax in axes[len(grids) :]:
        ax.set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=30)
    bar.outline.set_visible(False)
    about = f", {words_of({name: grids[0].where[name] for name in shared})}" if shared else ""
    figure.suptitle(f"{metric} ({grids[0].unit}){about}", fontsize=10, fontweight="bold")
    return figure


def _shared(grids: Sequence[Grid]) -> list[str]:
    """The keys that all places have in common, with one value."""
    first = grids[0].where
    return [name for name in first if len(grids) > 1 and all(grid.where.get(name) == first[name] for grid in grids)]


def _draw(ax: Axes, grid: Grid, top: float) -> Any:
    numbers = [[float("nan") if value is None else value for value in row] for row in grid.values]
    colors = LinearSegmentedColormap.from_list("heat", HEAT)
    image = ax.imshow(numbers, cmap=colors, vmin=-top, vmax=top, aspect="auto", origin="lower")
    ax.set_xticks(range(len(grid.tokens)), grid.tokens, fontsize=8)
    step = 1 if len(grid.layers) <= MAX_NUMBERS else 4
    ax.set_yticks(range(0, len(grid.layers), step), [str(layer) for layer in grid.layers[::step]], fontsize=8)
    ax.set_ylabel("layer", fontsize=8)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for row, values in enumerate(grid.values):
        for column, value in enumerate(values):
            if value is not None:
                _mark(ax, grid, (row, column), value, top)
    return image


def _mark(ax: Axes, grid: Grid, at: tuple[int, int], value: float, top: float) -> None:
    row, column = at
    low, high = grid.low[row][column], grid.high[row][column]
    beyond = low is not None and high is not None and (low > 0 or high < 0)
    many = len(grid.layers) > MAX_NUMBERS
    if many and not beyond:
        return
    said = ("+" if value > 0 else "\u2212") if many else f"{value:.2f}".replace("-", "\u2212")
    ink = "white" if abs(value) > 0.6 * top else INK if beyond else MUTED
    weight = "bold" if beyond else "normal"
    ax.text(column, row, said, ha="center", va="center", fontsize=7, color=ink, fontweight=weight)
