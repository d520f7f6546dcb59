# SPDX-License-Identifier: Apache-2.0
"""How every figure looks: colors, and the markers, lines and hatches that tell things apart without them. It draws
nothing."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from crossmem_hf.personas.schema import Modality

INK: Final = "#1d2129"
MUTED: Final = "#5d6470"
RULE: Final = "#dcd7cd"
MODALITY_COLORS: Final[dict[Modality, str]] = {"image": "#b4470e", "text": "#0a5f9e"}
MODALITY_TINTS: Final[dict[Modality, str]] = {"image": "#ecc7b0", "text": "#b3d0e6"}
MODALITY_MARKERS: Final[dict[Modality, str]] = {"image": "o", "text": "s"}
MODALITY_HATCHES: Final[dict[Modality, str]] = {"image": "", "text": "////"}
MODALITY_LINES: Final[dict[Modality, Any]] = {"image": (0, (1, 1.5)), "text": (0, (5, 1.5, 1, 1.5))}
GROUP_COLORS: Final = {"forget": "#7d2a6e", "retain": "#4f6f64"}
GROUP_TINTS: Final = {"forget": "#d9bcd3", "retain": "#c2d1cb"}
HEAT: Final = ("#8a5a00", "#ffffff", "#2c3f87")
"""Of a heat map: as far below 0 as above it, 0, and the greatest value; signs or numbers say which is which."""
CHANCE_LINE: Final[Any] = {"color": MUTED, "linestyle": (0, (4, 3)), "linewidth": 1, "zorder": 0}
PHONE: Final = 3.5
"""Inches, the width of a figure for screens of 320 to 400 pixels."""

STYLE: Final[Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "crossmem",
    "pdf.fonttype": 42,
    "hatch.linewidth": 0.8,
    "text.parse_math": False,  # a record may come from anywhere
}


def new_figure(
    width: float,
    height: float,
    rows: int = 1,
    columns: int = 1,
    *,
    sharey: bool = False,
    height_ratios: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """An empty figure, inches wide and high, and its axes row by row."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.03, hspace=0.03)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=sharey, height_ratios=height_ratios)
    return figure, list(axes.flat)


def fitted(text: str, letters: int) -> str:
    """At most three lines of so many letters."""
    return "\n".join(wrap(text, letters, max_lines=3, placeholder="..."))
