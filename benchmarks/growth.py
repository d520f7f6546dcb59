# SPDX-License-Identifier: Apache-2.0
"""How seconds grow with the size of the work: what is said of it, and its figure. It measures nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Point = Sequence[float]
"""A size, our seconds, and those of a plain pass."""
WORDS = {
    "candidates": "candidates of one question",
    "image_tokens": "tokens of the picture (20 candidates)",
}
SHARE = 4
"""The costs of the largest size are compared with those of the size nearest to the largest by this much less."""


def grown(
    name: str, points: Sequence[Point], wall_points: Sequence[Point] | None, num_runs: int | None
) -> dict[str, Any]:
    """A record of how seconds grow: points, what is measured in words, and the straight line through our seconds.

    Args:
        name: A key of `WORDS`.
        wall_points: The same sizes with seconds on the clock; None where they were not kept.
        num_runs: Of each side, at the point with the fewest; None where that was not kept.
    """
    x, ours, plain = np.array(points, dtype=np.float64).T
    slope, start = np.polyfit(x, ours, 1)
    r_squared = 1 - ((ours - start - slope * x) ** 2).sum() / ((ours - ours.mean()) ** 2).sum()
    near, far = _compared(x)
    said = f"{x[far] / x[near]:.2g} times the {WORDS[name]} ({x[near]:,.0f} to {x[far]:,.0f}) cost "
    said += f"{_times(ours, far, near)} the time ({ours[near]:.3g} s to {ours[far]:.3g} s), and a plain pass with one "
    said += f"candidate {_times(plain, far, near)}; the straight line through all points is "
    said += f"{start:.3g} s + {1000 * slope:.3g} ms each, R² = {r_squared:.4f}; on the clock "
    said += "not kept" if wall_points is None else f"{_times(np.array(wall_points)[:, 1], far, near)} the time"
    said += f"; runs a point: {'not kept' if num_runs is None else num_runs}"
    fit = {"start_seconds": start, "slope_seconds": slope, "r_squared": r_squared}
    return {"growth": name, "points": points, "wall_points": wall_points, "num_runs": num_runs, "said": said, **fit}


def _compared(x: Any) -> tuple[int, int]:
    """Places of the two sizes that are compared."""
    return int(np.abs(np.log(x * SHARE / x[-1])).argmin()), len(x) - 1


def _times(values: Any, far: int, near: int) -> str:
    return f"{values[far] / values[near]:.1f} times"


def title_of(line: Mapping[str, Any]) -> str:
    """What was measured, in a line, of what `grown` returned."""
    x, ours, _ = np.array(line["points"], dtype=np.float64).T
    near, far = _compared(x)
    what = WORDS[line["growth"]].split(" (")[0]
    sizes = f"{x[far] / x[near]:.2g} times the {what} ({x[near]:,.0f} to {x[far]:,.0f})"
    return f"{sizes}: {_times(ours, far, near)} the time"


def drawn(line: Mapping[str, Any], folder: Path, unit: str) -> Path:
    """The figure ``growth_NAME.svg`` of what `grown` returned; equal for equal numbers."""
    x, ours, plain = np.array(line["points"], dtype=np.float64).T
    start, slope = line["start_seconds"], line["slope_seconds"]
    with rc_context({"svg.hashsalt": line["growth"]}):
        figure = Figure(figsize=(5.5, 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.plot(x, plain, ":", color="0.5", label="one plain pass, one candidate")
        axes.plot(x, start + slope * x, color="#0a5f9e", label=f"straight line, R² = {line['r_squared']:.3f}")
        axes.plot(x, ours, "o", color="#b4470e", label="measured")
        axes.set_title(title_of(line), fontsize=9)
        axes.set(xlabel=WORDS[line["growth"]], ylabel=unit, xlim=(0, None), ylim=(0, None))
        axes.legend(frameon=False)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"growth_{line['growth']}.svg"
        figure.savefig(path, metadata={"Date": None})
    return path
