# SPDX-License-Identifier: Apache-2.0
"""All figures of a record, as PNG, PDF and SVG. It knows which figure shows what, not how one is drawn.

Equal records give equal bytes. A figure whose numbers were not measured is left out.
"""

import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib
from matplotlib.figure import Figure

from crossmem_hf.report.claim_figure import claim_figure
from crossmem_hf.report.curve_figure import curve_figure
from crossmem_hf.report.forest import forest_figure
from crossmem_hf.report.heat_map import grids_of, heat_map_figure
from crossmem_hf.report.method_figure import method_figure
from crossmem_hf.report.methods import is_tabulated
from crossmem_hf.report.modality_figures import exposure_figure, forgetting_figure, gap_figure, matrix_figure
from crossmem_hf.report.record import Record
from crossmem_hf.report.residual_figure import residual_figure
from crossmem_hf.report.style import STYLE
from crossmem_hf.report.text import questions
from crossmem_hf.storage import write_atomic

Draw = Callable[..., Figure | None]
Format = Literal["png", "pdf", "svg"]

FIGURES: Final[dict[str, Draw]] = {
    "matrix": matrix_figure,
    "gap": gap_figure,
    "forgetting": forgetting_figure,
    "exposure": exposure_figure,
    "methods": method_figure,
    "curves": curve_figure,
    "residual": residual_figure,
}
"""The figures that are drawn for particular places; each takes ``(record, *, narrow=False)``."""

CLAIMS: Final = "claims_"
"""Begins the name of the figure of the claims of one question; then comes its number."""

FOREST: Final = "forest_"
"""Begins the name of the figure of one metric: its forest, or its heat map if it was measured by layer."""

_COVERED: Final = ("recall", "gap", "transfer", "exposure", "exposure_taught", "partial_recall", "name_shaped")
_READER_FONT: Final = "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
_METADATA: Final[dict[Format, dict[str, Any]]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure of a record that has something to show."""

    name: str
    draw: Draw
    record: Record

    def encoded(self, kind: Format, *, narrow: bool = False, dpi: int = 200) -> bytes:
        """The figure as a file without date or software stamp; SVG has real text in the reader's own sans-serif."""
        with matplotlib.rc_context(STYLE):
            figure = self.draw(self.record, narrow=narrow)
            assert figure is not None, "only figures with something to show are handed out"
            out = io.BytesIO()
            figure.savefig(out, format=kind, dpi=dpi, metadata=_METADATA[kind])
        data = out.getvalue()
        return data.replace(b"'DejaVu Sans'", _READER_FONT.encode()) if kind == "svg" else data


def figures_of(record: Record) -> Iterator[Drawn]:
    """Every figure that has something to show: those of FIGURES, one for each question that claims are about, and one
    for each metric that none of these shows, if it was measured in so many places as fit into one."""
    special = [name for name, draw in FIGURES.items() if _can_draw(draw, record)]
    yield from (Drawn(name, FIGURES[name], record) for name in special)
    for number, question in enumerate(questions(record), start=1):
        draw = partial(claim_figure, question=question)
        if question and _can_draw(draw, record):
            yield Drawn(f"{CLAIMS}{number}", draw, record)
    for metric in dict.fromkeys(m.metric for m in record.measurements):
        covered = ("matrix" in special and metric in _COVERED) or ("methods" in special and is_tabulated(metric))
        if not covered:
            drawer = partial(heat_map_figure if grids_of(record, metric) else forest_figure, metric=metric)
            if _can_draw(drawer, record):
                yield Drawn(FOREST + re.sub(r"\W", "_", metric), drawer, record)


def _can_draw(draw: Draw, record: Record) -> bool:
    with matplotlib.rc_context(STYLE):
        return draw(record) is not None


def write_figures(record: Record, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The paths, once each figure lies in the folder as PNG and PDF; figures of an earlier record there are removed.

    Raises:
        CrossmemError: A file could not be written.
    """
    target = Path(folder)
    drawn = list(figures_of(record))
    written = tuple(
        write_atomic(target / f"{figure.name}.{kind}", figure.encoded(kind)) for figure in drawn for kind in _FILES
    )
    for name in (*FIGURES, f"{CLAIMS}*", f"{FOREST}*"):
        for kind in _FILES:
            for old in set(target.glob(f"{name}.{kind}")) - set(written):
                old.unlink()
    return written


_FILES: Final[tuple[Format, ...]] = ("png", "pdf")
