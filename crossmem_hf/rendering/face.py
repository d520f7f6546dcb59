# SPDX-License-Identifier: Apache-2.0
"""Head, ears, eyes, nose, mouth, facial hair and eyewear. It knows one face at a time, not who it is."""

from collections.abc import Mapping
from math import cos, pi, sin

from crossmem_hf.rendering.canvas import Canvas, shade
from crossmem_hf.rendering.palette import EYES, GOLD, HAIR, HEAD_CENTER, HEAD_RADII, INK, SKIN
from crossmem_hf.rendering.views import View

VisualAttributes = Mapping[str, str]
_EYE_Y = 0.44
_EYE_GAP = 0.083


def _head_outline(attributes: VisualAttributes) -> list[tuple[float, float]]:
    (cx, cy), (rx, ry) = HEAD_CENTER, HEAD_RADII[attributes["face_shape"]]
    if attributes["face_shape"] != "square":
        return [(cx + rx * cos(k * pi / 20), cy + ry * sin(k * pi / 20)) for k in range(40)]
    outline = []
    for k in range(48):  # a superellipse: square jaw, soft corners
        c, s = cos(k * pi / 24), sin(k * pi / 24)
        power = 0.5 if s > 0 else 0.8
        outline.append(
            (cx + rx * abs(c) ** power * (1 if c >= 0 else -1), cy + ry * abs(s) ** power * (1 if s >= 0 else -1))
        )
    return outline


def draw_ears(canvas: Canvas, attributes: VisualAttributes) -> None:
    """Both ears, with what hangs from them."""
    skin = shade(SKIN[attributes["skin_tone"]], 0.92)
    for side in (-1, 1):
        x = HEAD_CENTER[0] + side * (HEAD_RADII[attributes["face_shape"]][0] + 0.004)
        canvas.ellipse((x, 0.47), (0.034, 0.046), skin)
    if attributes["earrings"] == "none":
        return
    for side in (-1, 1):
        x = HEAD_CENTER[0] + side * (HEAD_RADII[attributes["face_shape"]][0] + 0.018)
        if attributes["earrings"] == "studs":
            canvas.ellipse((x, 0.52), (0.028, 0.028), (250, 250, 255))
            canvas.ellipse((x, 0.52), (0.018, 0.018), (70, 190, 240))
        else:
            canvas.ring((x, 0.565), (0.042, 0.056), 0.02, GOLD)


def draw_head(canvas: Canvas, attributes: VisualAttributes, view: View) -> None:
    """The face itself, its cheeks and its nose."""
    skin = SKIN[attributes["skin_tone"]]
    canvas.polygon(_head_outline(attributes), skin)
    x0 = HEAD_CENTER[0] + view.turn
    for side in (-1, 1):
        if attributes["cheeks"] == "blush":
            canvas.ellipse((x0 + side * 0.112, 0.515), (0.05, 0.038), _blushed(skin))
        elif attributes["cheeks"] == "freckles":
            for dx, dy in ((-0.032, 0), (0, 0.02), (0.032, 0), (0, -0.018), (-0.022, 0.04), (0.024, 0.04)):
                canvas.ellipse((x0 + side * 0.105 + dx, 0.51 + dy), (0.0115, 0.0115), shade(skin, 0.48))
    if attributes["cheeks"] == "scar":
        mark = shade(skin, 0.5)
        canvas.line((x0 + 0.07, 0.48), (x0 + 0.14, 0.57), 0.02, mark)
        for step in (0.3, 0.7):
            x, y = x0 + 0.07 + 0.07 * step, 0.48 + 0.09 * step
            canvas.line((x - 0.026, y + 0.02), (x + 0.026, y - 0.02), 0.014, mark)
    canvas.polygon([(x0 - 0.004, 0.455), (x0 - 0.026, 0.522), (x0 + 0.024, 0.522)], shade(skin, 0.86))
    canvas.ellipse((x0, 0.522), (0.025, 0.015), shade(skin, 0.86))


def _blushed(skin: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = skin
    return round(red * 0.4 + 240 * 0.6), round(green * 0.4 + 70 * 0.6), round(blue * 0.4 + 105 * 0.6)


def draw_eyes(canvas: Canvas, attributes: VisualAttributes, view: View) -> None:
    """Eyes in the persona's color, brows in the color of the hair."""
    x0 = HEAD_CENTER[0] + view.turn
    brow = shade(HAIR[attributes["hair_color"]], 0.8)
    for side in (-1, 1):
        x = x0 + side * _EYE_GAP
        canvas.ellipse((x, _EYE_Y), (0.05, 0.036), (252, 252, 252))
        canvas.ellipse((x + view.turn * 0.4, _EYE_Y), (0.031, 0.033), EYES[attributes["eye_color"]])
        canvas.ellipse((x + view.turn * 0.4, _EYE_Y), (0.0125, 0.0125), (20, 16, 18))
        canvas.ellipse((x + 0.011 + view.turn * 0.4, _EYE_Y - 0.013), (0.0075, 0.0075), (255, 255, 255))
        canvas.ring((x, _EYE_Y), (0.05, 0.036), 0.009, INK, arc=(190, 350))
        lift = 0.01 if view.expression == "open" else 0.0
        tip = 0.006 if view.expression == "smirk" and side > 0 else 0.0
        canvas.line((x - side * 0.04, 0.39 - lift), (x + side * 0.048, 0.385 - lift - tip), 0.017, brow)


def draw_mouth(canvas: Canvas, attributes: VisualAttributes, view: View) -> None:
    """The mouth; its shape is the view's expression, never the persona."""
    x0 = HEAD_CENTER[0] + view.turn
    lip = (176, 62, 66) if attributes["skin_tone"] != "dark" else (150, 62, 66)
    if view.expression == "smile":
        canvas.ellipse((x0, 0.565), (0.055, 0.042), lip, arc=(0, 180))
        canvas.ellipse((x0, 0.565), (0.045, 0.02), (255, 252, 248), arc=(0, 180))
    elif view.expression == "open":
        canvas.ellipse((x0, 0.583), (0.032, 0.03), (110, 30, 38))
        canvas.ring((x0, 0.583), (0.032, 0.03), 0.012, lip)
    elif view.expression == "smirk":
        canvas.ring((x0 + 0.005, 0.56), (0.05, 0.026), 0.015, lip, arc=(10, 130))
    else:
        canvas.line((x0 - 0.042, 0.578), (x0 + 0.042, 0.578), 0.016, lip)


def draw_facial_hair(canvas: Canvas, attributes: VisualAttributes, view: View) -> None:
    """Beard, goatee or moustache, in a darker tone of the hair."""
    kind, x0 = attributes["facial_hair"], HEAD_CENTER[0] + view.turn
    color = shade(HAIR[attributes["hair_color"]], 0.82)
    if kind == "beard":
        (cx, cy), (rx, ry) = HEAD_CENTER, HEAD_RADII[attributes["face_shape"]]
        outer = [(cx + (rx + 0.006) * cos(k * pi / 24), cy + (ry + 0.022) * sin(k * pi / 24)) for k in range(25)]
        inner = [(x0 + 0.11 * cos(k * pi / 24), 0.535 + 0.045 * sin(-k * pi / 24)) for k in range(25)]
        canvas.polygon([*outer, (cx - rx * 0.98, 0.5), *inner[::-1], (cx + rx * 0.98, 0.5)], color)
    elif kind == "goatee":
        canvas.polygon(
            [(x0 - 0.055, 0.61), (x0 + 0.055, 0.61), (x0 + 0.038, 0.7), (x0, 0.73), (x0 - 0.038, 0.7)], color
        )
    if kind in ("moustache", "beard"):
        for side in (-1, 1):
            canvas.polygon(
                [
                    (x0, 0.532),
                    (x0 + side * 0.05, 0.536),
                    (x0 + side * 0.088, 0.562),
                    (x0 + side * 0.045, 0.56),
                    (x0, 0.556),
                ],
                color,
            )


def draw_eyewear(canvas: Canvas, attributes: VisualAttributes, view: View) -> None:
    """Glasses or a monocle; lenses are empty, so that the eyes stay visible."""
    kind, x0 = attributes["eyewear"], HEAD_CENTER[0] + view.turn
    if kind == "none":
        return
    if kind == "monocle":
        canvas.ring((x0 + _EYE_GAP, _EYE_Y), (0.068, 0.066), 0.02, GOLD)
        canvas.line((x0 + _EYE_GAP + 0.06, _EYE_Y + 0.03), (x0 + _EYE_GAP + 0.085, 0.62), 0.011, GOLD)
        return
    half = HEAD_RADII[attributes["face_shape"]][0]
    frame = (30, 30, 36) if kind == "round glasses" else (196, 36, 60)
    canvas.line((x0 - 0.022, _EYE_Y - 0.005), (x0 + 0.022, _EYE_Y - 0.005), 0.014, frame)
    for side in (-1, 1):
        x = x0 + side * _EYE_GAP
        canvas.line((x + side * 0.055, _EYE_Y - 0.01), (HEAD_CENTER[0] + side * half, _EYE_Y - 0.015), 0.014, frame)
        if kind == "round glasses":
            canvas.ring((x, _EYE_Y), (0.064, 0.064), 0.015, frame)
        else:
            for y in (-0.05, 0.05):
                canvas.line((x - 0.07, _EYE_Y + y), (x + 0.07, _EYE_Y + y), 0.017, frame)
            for dx in (-0.063, 0.063):
                canvas.line((x + dx, _EYE_Y - 0.055), (x + dx, _EYE_Y + 0.055), 0.017, frame)
