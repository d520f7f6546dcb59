# SPDX-License-Identifier: Apache-2.0
"""What is behind the person: one drawing a layout family. It does not know which split a family belongs to."""

from collections.abc import Callable

from crossmem_hf.rendering.canvas import Canvas
from crossmem_hf.rendering.views import Color, View


def draw_background(canvas: Canvas, view: View) -> None:
    """Fill the frame; the canvas already has the view's first color."""
    _DRAWINGS[view.layout](canvas, view.colors)


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


_DRAWINGS: dict[str, Callable[[Canvas, tuple[Color, Color]], None]] = {
    "plain": lambda canvas, colors: None,
    "gradient": _gradient,
    "halo": lambda canvas, colors: canvas.ellipse((0.5, 0.45), (0.44, 0.44), colors[1], posed=False),
    "halves": lambda canvas, colors: canvas.rectangle((0.5, 0), (1, 1), colors[1], posed=False),
    "horizon": lambda canvas, colors: canvas.rectangle((0, 0.55), (1, 1), colors[1], posed=False),
    "bars": _bars,
    "stripes": _stripes,
    "dots": _dots,
    "frame": lambda canvas, colors: canvas.rectangle((0.07, 0.07), (0.93, 0.93), colors[1], posed=False),
}


def _mixed(colors: tuple[Color, Color], share: float) -> Color:
    first, second = colors
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
