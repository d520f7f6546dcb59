# SPDX-License-Identifier: Apache-2.0
"""The color of every colored value, and the proportions of every head. Data, no drawing."""

from crossmem_hf.rendering.views import Color

SKIN: dict[str, Color] = {
    "pale": (250, 228, 212),
    "rosy": (245, 186, 172),
    "golden": (240, 192, 120),
    "olive": (196, 164, 108),
    "brown": (158, 102, 66),
    "dark": (92, 60, 44),
}
HAIR: dict[str, Color] = {
    "black": (34, 32, 38),
    "brown": (110, 66, 34),
    "blond": (238, 205, 96),
    "red": (200, 66, 30),
    "gray": (170, 172, 178),
    "blue": (56, 92, 200),
    "green": (58, 158, 84),
}
EYES: dict[str, Color] = {
    "brown": (104, 58, 24),
    "blue": (40, 110, 235),
    "green": (36, 160, 70),
    "gray": (140, 146, 154),
    "violet": (160, 50, 200),
}
CLOTH: dict[str, Color] = {
    "red": (206, 48, 52),
    "orange": (240, 138, 36),
    "yellow": (246, 212, 64),
    "green": (62, 152, 78),
    "blue": (52, 104, 206),
    "purple": (138, 72, 176),
    "white": (242, 242, 240),
}
HEAD_RADII: dict[str, tuple[float, float]] = {
    "round": (0.215, 0.215),
    "long": (0.175, 0.25),
    "square": (0.205, 0.225),
}
"""Face shape -> half width and half height of the head, as a share of the frame; its center is `HEAD_CENTER`."""
HEAD_CENTER = (0.5, 0.45)
INK: Color = (44, 36, 40)
GOLD: Color = (232, 182, 50)
