# SPDX-License-Identifier: Apache-2.0
"""A supersampled drawing surface with one affine pose. It knows shapes and colours, not faces.

Everything becomes polygons with whole-number corners, drawn at a multiple of the final size and averaged down:
anti-aliased, and the same bytes on every machine.
"""

from collections.abc import Sequence
from math import cos, pi, sin

from PIL import Image, ImageChops, ImageDraw

from crossmem_hf.rendering.views import Color, View
from crossmem_hf.seeding import rng_for

Point = tuple[float, float]
_PIVOT = (0.5, 0.55)


class Canvas:
    """Draws in frame coordinates: x and y from 0 to 1, y downwards.

    Args:
        size: Side of the final picture in pixels.
        view: Gives pose, light and grain. Background shapes ignore the pose (`posed=False`).
    """

    def __init__(self, size: int, view: View) -> None:
        self.size = size
        self.factor = 4 if size <= 64 else 3 if size <= 160 else 2
        self.view = view
        self.side = size * self.factor
        self.image = Image.new("RGB", (self.side, self.side), view.colors[0])
        self._draw = ImageDraw.Draw(self.image)
        angle = view.tilt * pi / 180
        self._cos, self._sin = view.zoom * cos(angle), view.zoom * sin(angle)

    def polygon(self, points: Sequence[Point], color: Color, *, posed: bool = True) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._place(point, posed) for point in points], fill=self._lit(color) if posed else color)

    def ellipse(self, center: Point, radii: Point, color: Color, *, arc: Point = (0, 360), posed: bool = True) -> None:
        """Fill an ellipse, or the part of it between two angles in degrees (0 = right, 90 = down)."""
        steps = 14 if max(radii) < 0.04 else 30
        start, stop = arc[0] * pi / 180, arc[1] * pi / 180
        turns = [start + (stop - start) * k / steps for k in range(steps + 1)]
        points = [(center[0] + radii[0] * cos(turn), center[1] + radii[1] * sin(turn)) for turn in turns]
        self.polygon(points, color, posed=posed)

    def ring(self, center: Point, radii: Point, width: float, color: Color, *, arc: Point = (0, 360)) -> None:
        """Stroke an ellipse or an arc of it; `width` is centred on the curve."""
        steps = 28
        turns = [(arc[0] + (arc[1] - arc[0]) * k / steps) * pi / 180 for k in range(steps + 1)]
        outer = [
            (center[0] + (radii[0] + width / 2) * cos(t), center[1] + (radii[1] + width / 2) * sin(t)) for t in turns
        ]
        inner = [
            (center[0] + (radii[0] - width / 2) * cos(t), center[1] + (radii[1] - width / 2) * sin(t)) for t in turns
        ]
        self.polygon(outer + inner[::-1], color)

    def line(self, start: Point, stop: Point, width: float, color: Color) -> None:
        """Stroke a straight line with flat ends."""
        dx, dy = stop[0] - start[0], stop[1] - start[1]
        length = (dx * dx + dy * dy) ** 0.5
        nx, ny = -dy / length * width / 2, dx / length * width / 2
        self.polygon(
            [
                (start[0] + nx, start[1] + ny),
                (stop[0] + nx, stop[1] + ny),
                (stop[0] - nx, stop[1] - ny),
                (start[0] - nx, start[1] - ny),
            ],
            color,
        )

    def rectangle(self, corner: Point, opposite: Point, color: Color, *, posed: bool = True) -> None:
        """Fill a rectangle given by two corners."""
        (left, top), (right, bottom) = corner, opposite
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], color, posed=posed)

    def finished(self) -> Image.Image:
        """The picture at its final size, with grain."""
        small = self.image.reduce(self.factor)
        if not self.view.grain:
            return small
        cells = 64  # grain is drawn on a coarse grid, so that it looks alike at every size
        raw = rng_for(self.view.noise_seed, "grain").randbytes(cells * cells)
        noise = Image.frombytes("L", (cells, cells), raw).resize(small.size, Image.Resampling.NEAREST)
        grain = noise.point([round(level * self.view.grain / 255) for level in range(256)])
        return ImageChops.subtract(small, Image.merge("RGB", (grain, grain, grain)))

    def _place(self, point: Point, posed: bool) -> tuple[int, int]:
        x, y = point
        if posed:
            dx, dy = x - _PIVOT[0], y - _PIVOT[1]
            x = _PIVOT[0] + self._cos * dx - self._sin * dy + self.view.shift[0]
            y = _PIVOT[1] + self._sin * dx + self._cos * dy + self.view.shift[1]
        return round(x * self.side), round(y * self.side)

    def _lit(self, color: Color) -> Color:
        light, cast = self.view.light, 0.04 * self.view.warmth
        red, green, blue = color[0] * light * (1 + cast), color[1] * light, color[2] * light * (1 - cast)
        return min(255, round(red)), min(255, round(green)), min(255, round(blue))


def shade(color: Color, factor: float) -> Color:
    """A darker (factor < 1) or lighter (factor > 1) version of a colour."""
    if factor <= 1:
        return round(color[0] * factor), round(color[1] * factor), round(color[2] * factor)
    return tuple(round(255 - (255 - channel) / factor) for channel in color)  # type: ignore[return-value]
