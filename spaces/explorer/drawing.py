# SPDX-License-Identifier: Apache-2.0
"""Small figures as SVG text: a ruler, dots in rows, step curves, bars, a token grid, a heat table.

Owns shapes and axes. Knows no metric, no page and no color: colors are classes that the page's style sheet fills in,
light or dark. Every text is escaped. Drawn 360 units wide, so that letters keep their size on a phone. Standard
library only. Every Space's folder holds a link to this file.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 360
LEFT, RIGHT = 34, 12  # room beside a plot for its labels
_MARK = 4.0


def number(value: float) -> str:
    """A number with three significant digits, as a reader would write it; "−" before negative ones.

    Example:
        >>> number(0.0), number(12.345), number(-1234.5), number(0.00012), number(float("inf"))
        ('0', '12.3', '−1,234', '0.00012', '∞')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-4:
        text = f"{value:.2e}"
    elif size >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}"
    return text.replace("-", "−")


def svg(height: float, body: str, label: str) -> str:
    """A figure of the common width; `label` is what a screen reader says instead."""
    return (
        f'<svg class="cm-figure" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{body}</svg>'
    )


def words(x: float, y: float, said: str, *, anchor: str = "start", look: str = "cm-label") -> str:
    """A line of text at a point."""
    return f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def short(said: str, most: int) -> str:
    """A text of at most so many characters, an ellipsis at its end where some were left out."""
    return said if len(said) <= most else f"{said[: most - 1]}…"


def line(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    """A straight line."""
    return f'<line class="{look}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def dot(x: float, y: float, look: str, *, size: float = _MARK, title: str = "") -> str:
    """A disc; `title` appears when it is pointed at."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle class="{look}" cx="{x:.1f}" cy="{y:.1f}" r="{size:g}">{inside}</circle>'


def box(x: float, y: float, width: float, height: float, look: str, *, title: str = "") -> str:
    """A filled rectangle with slightly round corners."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect class="{look}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" '
        f'rx="2">{inside}</rect>'
    )


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to places.

    Args:
        low, high: Values at the two ends; finite, and high above low.
        start, end: Places of the two ends; `end` may be the smaller one (y grows downwards).
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value; what lies outside is drawn at the end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, wanted: int = 5) -> list[float]:
        """Round values on the axis, about as many as wanted."""
        rough = (self.high - self.low) / max(wanted - 1, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        found = [round(place * step, 12) for place in range(first, first + 4 * wanted)]
        return [tick for tick in found if tick <= self.high + 1e-9 * step]


def span(values: Sequence[float], *, room: float = 0.04) -> tuple[float, float]:
    """Ends of an axis that holds all finite values, with a little room; never empty."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return low - room * (high - low), high + room * (high - low)


def bottom_axis(axis: Axis, y: float, name: str) -> str:
    """Ticks, their numbers and the axis' name below a plot that ends at y."""
    ticks = axis.ticks()
    marks = [line(axis(tick), y, axis(tick), y + 4, "cm-rule") for tick in ticks]
    marks += [words(axis(tick), y + 15, number(tick), anchor="middle", look="cm-tick") for tick in ticks]
    middle = (axis.start + axis.end) / 2
    return line(axis.start, y, axis.end, y, "cm-rule") + "".join(marks) + words(middle, y + 30, name, anchor="middle")


def left_axis(axis: Axis, x: float, name: str) -> str:
    """Grid lines, their numbers and the axis' name above a plot that starts at x."""
    ticks = axis.ticks()
    marks = [line(x, axis(tick), WIDTH - RIGHT, axis(tick), "cm-grid") for tick in ticks]
    marks += [words(x - 5, axis(tick) + 4, number(tick), anchor="end", look="cm-tick") for tick in ticks]
    return "".join(marks) + words(2, axis.end - 9, name)


def ruler(
    value: float,
    interval: tuple[float, float] | None,
    ends: tuple[float, float],
    *,
    said: tuple[str, str],
    mark: tuple[float, str] | None = None,
) -> str:
    """A number on its scale, with its interval and the level to compare it with.

    Args:
        ends: The scale's ends. A value outside is drawn at the end.
        said: What the two ends mean.
        mark: The level to compare with and its name, e.g. ``(29.3, "chance")``.
    """
    axis = Axis(*ends, 14.0, WIDTH - 14.0)
    y = 24.0
    body = [line(axis.start, y, axis.end, y, "cm-track")]
    label = f"{number(value)} on a scale from {number(ends[0])} ({said[0]}) to {number(ends[1])} ({said[1]})"
    if interval is not None:
        body.append(line(axis(interval[0]), y, axis(interval[1]), y, "cm-interval"))
        label += f", 95 % interval {number(interval[0])} to {number(interval[1])}"
    if mark is not None:
        place = axis(mark[0])
        anchor = "start" if place < 60 else "end" if place > WIDTH - 60 else "middle"
        body.append(line(place, y - 11, place, y + 11, "cm-chance"))
        body.append(words(place, 9, f"{mark[1]} {number(mark[0])}", anchor=anchor, look="cm-tick"))
        label += f", {mark[1]} {number(mark[0])}"
    body.append(dot(axis(value), y, "cm-value", size=7))
    for at, anchor, end, meaning in zip((2, WIDTH - 2), ("start", "end"), ends, said, strict=True):
        body.append(words(at, 48, number(end), anchor=anchor, look="cm-tick"))
        body.append(words(at, 63, meaning, anchor=anchor))
    return svg(68, "".join(body), label)


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers that belong together: their name, their color class and, for dots, what each is called."""

    name: str
    values: Sequence[float]
    look: str
    titles: Sequence[str] = ()


def dot_rows(series: Sequence[Series], name: str, label: str) -> str:
    """One row of dots a series on a common axis, scattered up and down so that they can be told apart."""
    axis = Axis(*span([value for row in series for value in row.values]), LEFT, WIDTH - RIGHT)
    body, y = [], 4.0
    for row in series:
        body.append(words(2, y + 10, f"{short(row.name, 50)} ({len(row.values)})"))
        for place, value in enumerate(row.values):
            scatter = (place * 0.618034) % 1.0 if len(row.values) > 1 else 0.5
            title = row.titles[place] if place < len(row.titles) else number(value)
            body.append(dot(axis(value), y + 20 + 22 * scatter, row.look, title=title))
        y += 50
    return svg(y + 36, "".join(body) + bottom_axis(axis, y, name), label)


@dataclass(frozen=True, slots=True)
class Curve:
    """Points joined by lines, from left to right, and its color class."""

    name: str
    points: Sequence[tuple[float, float]]
    look: str


def steps(name: str, values: Sequence[float], look: str, low: float, high: float) -> Curve:
    """The share of values at or below each place: an empirical distribution function, drawn from low to high."""
    ordered = sorted(values)
    points = [(low, 0.0)]
    for place, value in enumerate(ordered):
        points += [(value, place / len(ordered)), (value, (place + 1) / len(ordered))]
    return Curve(name, [*points, (high, 1.0)], look)


def curves(
    drawn: Sequence[Curve],
    x: tuple[float, float, str],
    y: tuple[float, float, str],
    label: str,
    *,
    extra: Sequence[tuple[float, float, float, float, str]] = (),
) -> str:
    """Curves in one plot, a legend above it.

    Args:
        x, y: Low end, high end and name of each axis.
        extra: Further lines as x1, y1, x2, y2 in the axes' values and a class: a diagonal, a distance.
    """
    legend = [curve for curve in drawn if curve.name]
    top = 26.0 + 16 * len(legend)
    across, up = Axis(x[0], x[1], LEFT, WIDTH - RIGHT), Axis(y[0], y[1], top + 190, top)
    body = [left_axis(up, LEFT, y[2])]
    for place, curve in enumerate(legend):
        body.append(line(2, 7 + 16 * place, 24, 7 + 16 * place, f"cm-curve {curve.look}"))
        body.append(words(30, 11 + 16 * place, short(curve.name, 52)))
    body += [line(across(a), up(b), across(c), up(d), look) for a, b, c, d, look in extra]
    for curve in drawn:
        path = " ".join(f"{across(a):.1f},{up(b):.1f}" for a, b in curve.points)
        body.append(f'<polyline class="cm-curve {curve.look}" points="{path}"/>')
    return svg(top + 228, "".join(body) + bottom_axis(across, up.start, x[2]), label)


@dataclass(frozen=True, slots=True)
class Bar:
    """A named number with its interval and its color class; `chance` is the level to compare it with."""

    name: str
    value: float
    interval: tuple[float, float] | None
    look: str
    chance: float | None = None


def bars(drawn: Sequence[Bar], high: float, name: str, label: str) -> str:
    """Horizontal bars from 0, each with its name above it, its value beside it and its interval across it."""
    axis = Axis(0.0, high, 8, WIDTH - 52)
    body, y = [], 4.0
    for bar in drawn:
        body.append(words(8, y + 10, short(bar.name, 58)))
        body.append(box(axis(0), y + 16, axis(bar.value) - axis(0), 14, bar.look))
        if bar.interval is not None:
            body.append(line(axis(bar.interval[0]), y + 23, axis(bar.interval[1]), y + 23, "cm-whisker"))
        if bar.chance is not None:
            body.append(line(axis(bar.chance), y + 14, axis(bar.chance), y + 32, "cm-chance"))
        body.append(words(WIDTH - 4, y + 28, number(bar.value), anchor="end", look="cm-strong"))
        y += 40
    return svg(y + 36, "".join(body) + bottom_axis(axis, y, name), label)


@dataclass(frozen=True, slots=True)
class Cell:
    """Recall from one modality to another: a share, its interval and the answers behind it."""

    value: float
    interval: tuple[float, float] | None
    n: int


MODALITIES = ("image", "text")


def matrix(cells: Mapping[tuple[str, str], Cell], chance: float | None = None) -> str:
    """The 2 x 2 table of recall by (learned from, asked with); the deeper the color, the more is recalled."""
    body, said = [], []
    for place, target in enumerate(MODALITIES):
        heading = {"image": "asked with an image", "text": "asked in text"}[target]
        body.append(words(152 + 136 * place, 14, heading, anchor="middle"))
    for row, source in enumerate(MODALITIES):
        y = 24.0 + 96 * row
        body.append(words(2, y + 40, "learned from"))
        body.append(words(2, y + 55, {"image": "images", "text": "text"}[source], look="cm-strong"))
        for place, target in enumerate(MODALITIES):
            x, cell = 86.0 + 136 * place, cells.get((source, target))
            body.append(box(x, y, 132, 90, "cm-empty"))
            if cell is None:
                body.append(words(x + 66, y + 50, "not asked", anchor="middle", look="cm-tick"))
                continue
            depth = 0.06 + 0.36 * min(max(cell.value, 0.0), 1.0)
            body.append(box(x, y, 132, 90, f"cm-{source}").replace("<rect", f'<rect fill-opacity="{depth:.2f}"'))
            body.append(words(x + 66, y + 42, _percent(cell.value), anchor="middle", look="cm-huge"))
            if cell.interval:
                ends = f"{_percent(cell.interval[0])} to {_percent(cell.interval[1])}"
                body.append(words(x + 66, y + 62, ends, anchor="middle", look="cm-tick"))
            body.append(words(x + 66, y + 78, f"n = {cell.n}", anchor="middle", look="cm-tick"))
            said.append(f"learned from {source}, asked in {target}: {_percent(cell.value)}")
    if chance is not None:
        body.append(words(86, 234, f"guessing gives {100 * chance:.1f} %", look="cm-tick"))
    return svg(240, "".join(body), "; ".join(said) or "nothing asked")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@dataclass(frozen=True, slots=True)
class Point:
    """A named place, and its color class."""

    name: str
    x: float
    y: float
    look: str


def scatter(points: Sequence[Point], x: tuple[float, float, str], y: tuple[float, float, str], label: str) -> str:
    """Numbered points in one plot and their names below it."""
    across, up = Axis(x[0], x[1], LEFT, WIDTH - RIGHT), Axis(y[0], y[1], 236, 26)
    body = [left_axis(up, LEFT, y[2]), bottom_axis(across, up.start, x[2])]
    top = up.start + 52
    for place, point in enumerate(points, start=1):
        at_x, at_y = across(point.x), up(point.y)
        body.append(dot(at_x, at_y, point.look, size=8.5, title=point.name))
        body.append(words(at_x, at_y + 3, str(place), anchor="middle", look="cm-dot"))
        body.append(dot(9, top + 17 * place - 21, point.look, size=7))
        body.append(words(9, top + 17 * place - 18, str(place), anchor="middle", look="cm-dot"))
        body.append(words(22, top + 17 * place - 17, short(point.name, 56)))
    return svg(top + 17 * len(points) - 8, "".join(body), label)
