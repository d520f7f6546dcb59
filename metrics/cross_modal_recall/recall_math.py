# SPDX-License-Identifier: Apache-2.0
"""Recall of names by the modality they were learned in (source) and the one they are asked in (target).

Owns the 2 x 2 matrix, its gaps and transfer ratios; the matching rule is `matching`. Does not know what produced the
answers or that `evaluate` exists. Numpy and scipy only.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import CONFIDENCE, Clusters, FloatArray, column_mean, interval_of, ratio_of, tail_of
from .matching import Match, Names, chance_recall, is_match, normalize_name, row_matches

__all__ = ["CELLS", "MODALITIES", "chance_recall", "is_match", "normalize_name", "recall_summary", "row_matches"]

MODALITIES = ("image", "text")
CELLS = tuple((source, target) for source in MODALITIES for target in MODALITIES)


def recall_summary(
    predictions: Sequence[str],
    references: Sequence[Names],
    source: Sequence[str],
    target: Sequence[str],
    persona_id: Sequence[Any],
    *,
    match: Match = "exact",
    num_candidates: int | Sequence[int] | None = None,
    persona_seed: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> dict[str, float]:
    """The recall matrix with gaps, transfer ratios and intervals clustered by persona.

    Args:
        source: Modality the name was learned in, "image" or "text", one a row.
        target: Modality the question was asked in.
        persona_id: Person asked about.
        num_candidates: Names a guesser could choose from; adds `chance`, that of a forced choice among them. A model
            that answers freely may say other names: its reference is what a retain-only model recalls.
        persona_seed: Seed of each row's population of personas; None if there is one population.

    Returns:
        For each cell with rows `<source>_to_<target>` (0-1, higher = better recalled). For each source with both
        cells `gap_<source>` = same-modality - other-modality recall (-1 to 1, 0 = nothing lost) and
        `transfer_<source>` = other / same (0 = nothing carries over, 1 = all). Each with `_ci_low`, `_ci_high` and
        `_n` (the rows behind it), and `chance`. Never NaN: a number that is undefined (transfer where nothing is
        recalled in the source modality) is left out, and so is an interval where too few personas set it, or, of a
        transfer, where a sample like this one would often recall nothing in the source modality.

    Raises:
        ValueError: No rows, lengths that differ, an unknown modality or a malformed row; the row is named.
    """
    matched = row_matches(predictions, references, match)
    columns = _cell_of_rows(source, target, len(matched))
    clusters = Clusters.of(persona_id, len(matched), persona_seed)
    cells = np.where(columns[:, None] == np.arange(len(CELLS)), np.asarray(matched, dtype=np.float64)[:, None], np.nan)
    tables = (*clusters.table(cells), clusters.seed)

    summary: dict[str, float] = {}
    for column, (learned, asked) in enumerate(CELLS):
        _add(summary, f"{learned}_to_{asked}", tables, [column], confidence)
    for learned in MODALITIES:
        other = next(modality for modality in MODALITIES if modality != learned)
        pair = [CELLS.index((learned, learned)), CELLS.index((learned, other))]
        _add(summary, f"gap_{learned}", tables, pair, confidence)
        _add(summary, f"transfer_{learned}", tables, pair, confidence)
    if num_candidates is not None:
        summary["chance"] = chance_recall(num_candidates, len(matched))
    return summary


def _gap(means_ND: FloatArray) -> FloatArray:
    """Same - other."""
    return means_ND[:, 0] - means_ND[:, 1]


def _transfer(means_ND: FloatArray) -> FloatArray:
    """Other / same; NaN where same is 0."""
    same, other = means_ND[:, 0], means_ND[:, 1]
    return np.divide(other, same, out=np.full_like(other, np.nan), where=same > 0)


def _share(means_ND: FloatArray) -> FloatArray:
    """Other / (same + other), the bounded form of the transfer; NaN where both are 0."""
    both = means_ND.sum(axis=1)
    return np.divide(means_ND[:, 1], both, out=np.full_like(both, np.nan), where=both > 0)


def _add(
    summary: dict[str, float],
    name: str,
    tables: tuple[FloatArray, FloatArray, NDArray[np.intp]],
    columns: list[int],
    confidence: float,
) -> None:
    """Put one number, its interval and its n into the summary, as far as the rows define them."""
    sums, counts, seeds = tables
    asked = counts[:, columns].sum(axis=1) > 0  # persons outside these cells would only add noise
    sums, counts = sums[asked][:, columns], counts[asked][:, columns]
    if not counts.sum(axis=0).all():
        return
    kind = name.partition("_")[0]
    statistic = {"gap": _gap, "transfer": _transfer}.get(kind, column_mean)
    value = float(statistic((sums.sum(axis=0) / counts.sum(axis=0))[None, :])[0])
    if math.isnan(value):
        return
    summary[name] = value
    interval = interval_of(
        sums,
        counts,
        seeds[asked],
        _share if kind == "transfer" else statistic,
        bounds=(-1.0, 1.0) if kind == "gap" else (0.0, 1.0),
        confidence=confidence,
    )
    if interval is not None and kind == "transfer":
        recalled = float((sums[:, 0] > 0).mean())  # of these persons; a sample without any has no transfer
        often = (1.0 - recalled) ** len(sums) > tail_of(confidence)
        interval = None if often else (ratio_of(interval[0]), ratio_of(interval[1]))
    if interval is not None and math.isfinite(interval[1]):
        summary[f"{name}_ci_low"], summary[f"{name}_ci_high"] = interval
    summary[f"{name}_n"] = int(counts.sum())


def _cell_of_rows(source: Sequence[str], target: Sequence[str], num_rows: int) -> NDArray[np.intp]:
    """Place of each row's (source, target) in CELLS."""
    for name, column in (("source", source), ("target", target)):
        if len(column) != num_rows:
            raise ValueError(f"{name} has {len(column)} entries for {num_rows} rows; expected one a row. Pass all.")
        for row, modality in enumerate(column):
            if modality not in MODALITIES:
                raise ValueError(f"Row {row}: {name} {modality!r}; expected one of {list(MODALITIES)}. Fix the row.")
    return np.asarray([CELLS.index(cell) for cell in zip(source, target, strict=True)], dtype=np.intp)
