# SPDX-License-Identifier: Apache-2.0
"""Neck, clothes and headwear. It knows garments, not bodies."""

from collections.abc import Mapping
from math import cos, pi, sin

from crossmem_hf.rendering.canvas import Canvas, shade
from crossmem_hf.rendering.palette import CLOTH, GOLD, HEAD_CENTER, HEAD_RADII, SKIN

VisualAttributes = Mapping[str, str]
_SHOULDERS = [(0.14, 1.2), (0.15, 0.92), (0.2, 0.83), (0.31, 0.775), (0.42, 0.75), (0.58, 0.75)]
_BODY = [*_SHOULDERS, (0.69, 0.775), (0.8, 0.83), (0.85, 0.92), (0.86, 1.2)]


def draw_neck(canvas: Canvas, attributes: VisualAttributes) -> None:
    """The neck, in the head's shadow."""
    canvas.rectangle((0.43, 0.58), (0.57, 0.79), shade(SKIN[attributes["skin_tone"]], 0.82))


def draw_clothes(canvas: Canvas, attributes: VisualAttributes) -> None:
    """What the person wears, in the persona's color."""
    kind, color = attributes["clothing"], CLOTH[attributes["clothing_color"]]
    skin, dark = SKIN[attributes["skin_tone"]], shade(CLOTH[attributes["clothing_color"]], 0.62)
    if kind == "overalls":
        canvas.polygon(_BODY, (214, 216, 222))
        canvas.rectangle((0.33, 0.87), (0.67, 1.2), color)
        for side in (-1, 1):
            canvas.line((0.5 + side * 0.14, 0.9), (0.5 + side * 0.17, 0.765), 0.06, color)
            canvas.ellipse((0.5 + side * 0.14, 0.9), (0.018, 0.018), GOLD)
        canvas.ellipse((0.5, 0.755), (0.085, 0.05), shade(skin, 0.9))
        return
    canvas.polygon(_BODY, color)
    if kind == "striped shirt":
        for k in range(4):
            y = 0.8 + 0.065 * k
            canvas.rectangle(
                (0.24 - 0.03 * k if k < 3 else 0.15, y), (0.76 + 0.03 * k if k < 3 else 0.85, y + 0.03), dark
            )
        canvas.ellipse((0.5, 0.755), (0.085, 0.045), shade(skin, 0.9))
    elif kind == "sweater":
        canvas.ellipse((0.5, 0.755), (0.105, 0.065), dark)
        canvas.ellipse((0.5, 0.745), (0.08, 0.045), shade(skin, 0.9))
    elif kind == "scarf":
        canvas.polygon(_BODY, (96, 100, 112))
        canvas.ellipse((0.5, 0.745), (0.15, 0.07), color)
        canvas.ellipse((0.5, 0.715), (0.115, 0.035), dark)
        canvas.polygon([(0.55, 0.77), (0.67, 0.76), (0.69, 1.02), (0.57, 1.02)], color)
        canvas.line((0.57, 0.86), (0.68, 0.855), 0.018, dark)
    elif kind == "suit":
        canvas.polygon([(0.41, 0.74), (0.59, 0.74), (0.5, 1.03)], (250, 250, 250))
        canvas.polygon([(0.475, 0.775), (0.525, 0.775), (0.535, 0.95), (0.5, 1.0), (0.465, 0.95)], (36, 36, 44))
        for side in (-1, 1):
            canvas.polygon([(0.5 + side * 0.09, 0.735), (0.5 + side * 0.17, 0.82), (0.5 + side * 0.01, 1.05)], dark)


def draw_headwear(canvas: Canvas, attributes: VisualAttributes) -> None:
    """What is worn on the head; placed so that the hair stays visible."""
    kind = attributes["headwear"]
    (cx, cy), (rx, ry) = HEAD_CENTER, HEAD_RADII[attributes["face_shape"]]
    top = cy - ry
    if kind == "headband":
        outer = [
            (
                cx + (rx + 0.028) * cos(pi * (1.1 + 0.8 * k / 20)),
                cy - 0.04 + (ry + 0.0) * sin(pi * (1.1 + 0.8 * k / 20)),
            )
            for k in range(21)
        ]
        canvas.polygon(outer + [(x, y + 0.055) for x, y in outer[::-1]], (236, 64, 140))
    elif kind == "flower":
        x, y = cx + rx * 0.72, top + 0.055
        for k in range(5):
            canvas.ellipse(
                (x + 0.045 * cos(k * pi * 0.4), y + 0.045 * sin(k * pi * 0.4)), (0.04, 0.04), (255, 250, 252)
            )
        canvas.ellipse((x, y), (0.032, 0.032), (244, 170, 30))
    elif kind == "bow":
        x, y = cx - rx * 0.62, top + 0.035
        for side in (-1, 1):
            canvas.polygon([(x, y), (x + side * 0.105, y - 0.065), (x + side * 0.105, y + 0.065)], (116, 40, 160))
        canvas.ellipse((x, y), (0.028, 0.032), (196, 120, 232))
    elif kind == "crown":
        base = top + 0.035
        left, right = cx - 0.13, cx + 0.13
        peaks = [(left, base), (left - 0.02, base - 0.13), (cx - 0.065, base - 0.06), (cx, base - 0.15)]
        canvas.polygon([*peaks, (cx + 0.065, base - 0.06), (right + 0.02, base - 0.13), (right, base)], GOLD)
        for x in (cx - 0.08, cx, cx + 0.08):
            canvas.ellipse((x, base - 0.028), (0.016, 0.016), (214, 40, 70))
