# SPDX-License-Identifier: Apache-2.0
"""Hair: what falls behind the head and what lies on it. It knows seven cuts and no faces."""

from collections.abc import Mapping
from math import cos, pi, sin

from crossmem_hf.rendering.canvas import Canvas, shade
from crossmem_hf.rendering.palette import HAIR, HEAD_CENTER, HEAD_RADII

VisualAttributes = Mapping[str, str]


def draw_hair_back(canvas: Canvas, attributes: VisualAttributes) -> None:
    """The hair behind head and shoulders."""
    style, color = attributes["hair_style"], shade(HAIR[attributes["hair_color"]], 0.85)
    (cx, cy), (rx, ry) = HEAD_CENTER, HEAD_RADII[attributes["face_shape"]]
    top = cy - ry
    if style == "long":
        canvas.ellipse((cx, cy - 0.02), (rx + 0.075, ry + 0.055), color)
        canvas.polygon(
            [(cx - rx - 0.075, cy - 0.03), (cx + rx + 0.075, cy - 0.03), (cx + rx + 0.1, 0.92), (cx - rx - 0.1, 0.92)],
            color,
        )
    elif style == "bob":
        canvas.ellipse((cx, cy - 0.02), (rx + 0.085, ry + 0.055), color)
        canvas.rectangle((cx - rx - 0.085, cy - 0.03), (cx + rx + 0.085, cy + 0.17), color)
    elif style == "curly":
        for k in range(13):
            turn = pi * (0.88 + 1.24 * k / 12)
            canvas.ellipse((cx + (rx + 0.045) * cos(turn), cy + (ry + 0.035) * sin(turn)), (0.082, 0.082), color)
    elif style == "bun":
        canvas.ellipse((cx, top - 0.055), (0.098, 0.085), color)
        canvas.ellipse((cx, top - 0.06), (0.06, 0.05), shade(color, 1.2))
    elif style == "braids":
        for side in (-1, 1):
            for k in range(6):
                tone = color if k % 2 else shade(color, 1.3)
                canvas.ellipse((cx + side * (rx + 0.055 + 0.006 * k), cy + 0.03 + 0.075 * k), (0.05, 0.045), tone)


def draw_hair_front(canvas: Canvas, attributes: VisualAttributes) -> None:
    """The hair on the forehead and the crown of the head."""
    style, color = attributes["hair_style"], HAIR[attributes["hair_color"]]
    (cx, cy), (rx, ry) = HEAD_CENTER, HEAD_RADII[attributes["face_shape"]]
    top = cy - ry
    if style == "spiky":
        points = [(cx - rx * 1.02, cy - 0.07)]
        for k in range(6):
            left = cx - rx * 1.05 + k * rx * 0.42
            arch = 0.03 * (1 - ((k - 2.5) / 2.5) ** 2)
            points += [(left, top + 0.035 - arch), (left + rx * 0.1, top - 0.105 - arch)]
        points += [(cx + rx * 1.08, top + 0.05), (cx + rx * 1.02, cy - 0.07), (cx + rx * 0.7, top + 0.085)]
        canvas.polygon([*points, (cx, top + 0.07), (cx - rx * 0.7, top + 0.085)], color)
        return
    _cap(canvas, attributes, depth={"short": 0.085, "long": 0.075, "bob": 0.125, "bun": 0.06}.get(style, 0.08))
    if style == "curly":
        for k in range(7):
            x = cx - rx * 0.85 + k * rx * 0.283
            canvas.ellipse(
                (x, top + 0.045 + 0.045 * abs(k - 3) / 3), (0.052, 0.05), color if k % 2 else shade(color, 0.9)
            )
    elif style == "bob":
        canvas.rectangle((cx - rx * 0.9, top + 0.07), (cx + rx * 0.9, top + 0.115), color)
        for side in (-1, 1):
            canvas.rectangle((cx + side * (rx - 0.02), cy - 0.09), (cx + side * (rx + 0.06), cy + 0.17), color)
    elif style == "long":
        for side in (-1, 1):
            canvas.polygon(
                [
                    (cx, top + 0.02),
                    (cx + side * rx * 0.98, cy - 0.02),
                    (cx + side * (rx + 0.05), cy - 0.04),
                    (cx + side * rx, top + 0.05),
                ],
                color,
            )
    elif style == "braids":
        canvas.line((cx, top - 0.02), (cx, top + 0.07), 0.012, shade(color, 0.6))


def _cap(canvas: Canvas, attributes: VisualAttributes, depth: float) -> None:
    color = HAIR[attributes["hair_color"]]
    (cx, cy), (rx, ry) = HEAD_CENTER, HEAD_RADII[attributes["face_shape"]]
    outer = [
        (cx + (rx + 0.02) * cos(pi + k * pi / 24), cy - 0.045 + (ry - 0.01) * sin(pi + k * pi / 24)) for k in range(25)
    ]
    line = cy - ry + depth
    inner = [(cx + rx * 0.98 * cos(-k * pi / 16), line + 0.04 - 0.04 * sin(k * pi / 16)) for k in range(17)]
    canvas.polygon(outer + inner, color)
    canvas.ring((cx - rx * 0.25, cy - 0.05), (rx * 0.55, ry * 0.82), 0.014, shade(color, 1.35), arc=(225, 275))
