# SPDX-License-Identifier: Apache-2.0
"""A supersampled drawing surface with one affine pose. It knows shapes, colors and pictures, not faces.

Everything becomes polygons with whole-number corners, drawn at a multiple of the final size and averaged down:
anti-aliased, and the same bytes on every machine.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import cos, pi, sin

import numpy as np
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
        self._image = Image.new("RGB", (self.side, self.side), view.colors[0])
        self._draw = ImageDraw.Draw(self._image)
        self._points: list[Point] = []
        self._shapes: list[tuple[int, Color]] = []
        angle = view.tilt * pi / 180
        self._cos, self._sin = view.zoom * cos(angle), view.zoom * sin(angle)

    def polygon(self, points: Sequence[Point], color: Color, *, posed: bool = True) -> None:
        """Fill a polygon."""
        if posed:
            self._points += points
            self._shapes.append((len(points), self._lit(color)))
            return
        self._draw_posed()
        self._draw.polygon([(round(x * self.side), round(y * self.side)) for x, y in points], fill=color)

    def ellipse(self, center: Point, radii: Point, color: Color, *, arc: Point = (0, 360), posed: bool = True) -> None:
        """Fill an ellipse, or the part of it between two angles in degrees (0 = right, 90 = down)."""
        turns = _turns(arc, 14 if max(radii) < 0.04 else 30)
        points = [(center[0] + radii[0] * c, center[1] + radii[1] * s) for c, s in turns]
        self.polygon(points, color, posed=posed)

    def ring(self, center: Point, radii: Point, width: float, color: Color, *, arc: Point = (0, 360)) -> None:
        """Stroke an ellipse or an arc of it; `width` is centerd on the curve."""
        turns = _turns(arc, 28)
        wide, high = radii[0] + width / 2, radii[1] + width / 2
        outer = [(center[0] + wide * c, center[1] + high * s) for c, s in turns]
        wide, high = radii[0] - width / 2, radii[1] - width / 2
        inner = [(center[0] + wide * c, center[1] + high * s) for c, s in turns]
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

    def picture(self, picture: Image.Image) -> None:
        """Lay an RGB picture over the whole frame, posed and lit as shapes are; what it leaves empty stays."""
        self._draw_posed()
        full = picture.resize((self.side, self.side), Image.Resampling.LANCZOS)
        by_channel = zip(*(self._lit((level, level, level)) for level in range(256)), strict=True)
        lit = full.point([level for channel in by_channel for level in channel])
        cosine, sine = self._cos / self.view.zoom**2, self._sin / self.view.zoom**2
        x, y = ((pivot + moved) * self.side for pivot, moved in zip(_PIVOT, self.view.shift, strict=True))
        back = (
            *(cosine, sine, _PIVOT[0] * self.side - cosine * x - sine * y),
            *(-sine, cosine, _PIVOT[1] * self.side + sine * x - cosine * y),
        )
        # by the nearest pixel, in whole numbers: the same bytes on every machine, and smooth once averaged down
        whole = Image.new("L", full.size, 255)
        posed, mask = (one.transform(full.size, Image.Transform.AFFINE, back) for one in (lit, whole))
        self._image.paste(posed, mask=mask)

    def finished(self) -> Image.Image:
        """The picture at its final size, tinted, with grain."""
        self._draw_posed()
        small = self._image.reduce(self.factor)
        if self.view.tint != (1, 1, 1):
            small = small.point([min(255, round(level * factor)) for factor in self.view.tint for level in range(256)])
        if not self.view.grain:
            return small
        cells = 64  # grain is drawn on a coarse grid, so that it looks alike at every size
        raw = rng_for(self.view.noise_seed, "grain").randbytes(cells * cells).translate(_faint(self.view.grain))
        grain = Image.frombytes("L", (cells, cells), raw).resize(small.size, Image.Resampling.NEAREST)
        return ImageChops.subtract(small, Image.merge("RGB", (grain, grain, grain)))

    def _draw_posed(self) -> None:
        """Draw the posed shapes so far; placing all their points at once takes a fifth of the time."""
        if not self._shapes:
            return
        dx, dy = np.array(self._points).T - np.array(_PIVOT)[:, None]
        x = _PIVOT[0] + self._cos * dx - self._sin * dy + self.view.shift[0]
        y = _PIVOT[1] + self._sin * dx + self._cos * dy + self.view.shift[1]
        placed = np.rint(np.stack([x, y], axis=1) * self.side).astype(int).ravel().tolist()
        start = 0
        for count, color in self._shapes:
            self._draw.polygon(placed[start : start + 2 * count], fill=color)
            start += 2 * count
        self._points, self._shapes = [], []

    def _lit(self, color: Color) -> Color:
        light, cast = self.view.light, 0.04 * self.view.warmth
        red, green, blue = color[0] * light * (1 + cast), color[1] * light, color[2] * light * (1 - cast)
        return min(255, round(red)), min(255, round(green)), min(255, round(blue))


def shade(color: Color, factor: float) -> Color:
    """A darker (factor < 1) or lighter (factor > 1) version of a color."""
    if factor <= 1:
        return round(color[0] * factor), round(color[1] * factor), round(color[2] * factor)
    return tuple(round(255 - (255 - channel) / factor) for channel in color)  # type: ignore[return-value]


@lru_cache(maxsize=64)  # a face has a handful of arcs
def _turns(arc: Point, steps: int) -> tuple[Point, ...]:
    """Cosine and sine of `steps + 1` angles along an arc given in degrees."""
    start, stop = arc[0] * pi / 180, arc[1] * pi / 180
    return tuple((cos(turn), sin(turn)) for turn in (start + (stop - start) * k / steps for k in range(steps + 1)))


@lru_cache(maxsize=16)
def _faint(amplitude: int) -> bytes:
    """Byte -> the same share of `amplitude`."""
    return bytes(round(level * amplitude / 255) for level in range(256))
