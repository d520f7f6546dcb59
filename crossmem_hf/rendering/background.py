# SPDX-License-Identifier: Apache-2.0
"""What is behind the person, and what may be in front: one drawing a layout or cover. It does not know which split
it belongs to."""

from collections.abc import Callable

from crossmem_hf.rendering.canvas import Canvas
from crossmem_hf.rendering.views import Color, Cover, View


def draw_background(canvas: Canvas, view: View) -> None:
    """Fill the frame; the canvas already has the view's first color."""
    _DRAWINGS[view.layout](canvas, view.colors)


def draw_cover(canvas: Canvas, view: View) -> None:
    """Hide what the view's cover hides."""
    if view.cover is not None:
        _COVERS[view.cover.shape](canvas, view.cover)


def _gradient(canvas: Canvas, colors: tuple[Color, Color]) -> None:
    for band in range(16):
        canvas.rectangle((0, band / 16), (1, 1), _mixed(colors, (band + 1) / 16), posed=False)


def _bars(canvas: Canvas, colors: tuple[Color, Color]) -> None:
    for bar in range(3):
        canvas.rectangle((0, bar / 3), (1, bar / 3 + 1 / 6), colors[1], posed=False)


def _stripes(canvas: Canvas, colors: tuple[Color, Color]) -> None:
    for k in range(-4, 5, 2):
        left = k / 4
        canvas.polygon([(left, 1), (left + 0.25, 1), (left + 1.25, 0), (left + 1, 0)], colors[1], posed=False)


def _dots(canvas: Canvas, colors: tuple[Color, Color]) -> None:
    for row in range(5):
        for column in range(5):
            canvas.ellipse((0.1 + 0.2 * column, 0.1 + 0.2 * row), (0.055, 0.055), colors[1], posed=False)


def _checkers(canvas: Canvas, colors: tuple[Color, Color]) -> None:
    for row in range(4):
        for column in range(row % 2, 4, 2):
            canvas.rectangle((column / 4, row / 4), ((column + 1) / 4, (row + 1) / 4), colors[1], posed=False)


def _rings(canvas: Canvas, colors: tuple[Color, Color]) -> None:
    for ring in range(6):
        radius = 0.72 - 0.12 * ring
        canvas.ellipse((0.5, 0.5), (radius, radius), colors[(ring + 1) % 2], posed=False)


def _cross(canvas: Canvas, colors: tuple[Color, Color]) -> None:
    canvas.rectangle((0.38, 0), (0.62, 1), colors[1], posed=False)
    canvas.rectangle((0, 0.3), (1, 0.54), colors[1], posed=False)


def _fade(canvas: Canvas, colors: tuple[Color, Color]) -> None:
    for band in range(16):
        canvas.rectangle((band / 16, 0), (1, 1), _mixed(colors, (band + 1) / 16), posed=False)


def _columns(canvas: Canvas, colors: tuple[Color, Color]) -> None:
    for column in range(3):
        canvas.rectangle((column / 3, 0), (column / 3 + 1 / 6, 1), colors[1], posed=False)


def _band(canvas: Canvas, cover: Cover) -> None:
    """A slanted stripe through its place, from edge to edge."""
    x, width = cover.place[0], cover.size
    canvas.polygon([(x + 0.4, 0), (x + 0.4 + width, 0), (x - 0.4 + width, 1), (x - 0.4, 1)], cover.color, posed=False)


def _corner(canvas: Canvas, cover: Cover) -> None:
    """A triangle in the corner nearest to its place."""
    x, y = float(cover.place[0] > 0.5), float(cover.place[1] > 0.5)
    reach = 4 * cover.size
    canvas.polygon([(x, y), (abs(x - reach), y), (x, abs(y - reach))], cover.color, posed=False)


def _beam(canvas: Canvas, cover: Cover) -> None:
    """A level stripe at its height, from edge to edge."""
    y = cover.place[1]
    canvas.rectangle((0, y - cover.size / 2), (1, y + cover.size / 2), cover.color, posed=False)


_COVERS: dict[str, Callable[[Canvas, Cover], None]] = {
    "band": _band,
    "corner": _corner,
    "beam": _beam,
    "disc": lambda canvas, cover: canvas.ellipse(cover.place, (cover.size, cover.size), cover.color, posed=False),
}
_DRAWINGS: dict[str, Callable[[Canvas, tuple[Color, Color]], None]] = {
    "plain": lambda canvas, colors: None,
    "gradient": _gradient,
    "halo": lambda canvas, colors: canvas.ellipse((0.5, 0.45), (0.44, 0.44), colors[1], posed=False),
    "halves": lambda canvas, colors: canvas.rectangle((0.5, 0), (1, 1), colors[1], posed=False),
    "horizon": lambda canvas, colors: canvas.rectangle((0, 0.55), (1, 1), colors[1], posed=False),
    "bars": _bars,
    "stripes": _stripes,
    "dots": _dots,
    "checkers": _checkers,
    "rings": _rings,
    "cross": _cross,
    "slope": lambda canvas, colors: canvas.polygon([(0, 0), (1, 0), (0, 1)], colors[1], posed=False),
    "fade": _fade,
    "columns": _columns,
    "frame": lambda canvas, colors: canvas.rectangle((0.07, 0.07), (0.93, 0.93), colors[1], posed=False),
}


def _mixed(colors: tuple[Color, Color], share: float) -> Color:
    first, second = colors
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
