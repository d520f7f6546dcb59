# SPDX-License-Identifier: Apache-2.0
"""What a classifier says of rows that it was taught wrong labels of: the wrong one, the true one, or another. It does
not know what the rows are, nor what was done to the classifier."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from crossmem_hf.errors import CrossmemError
from crossmem_hf.metrics.intervals import Clusters, mean_interval
from crossmem_hf.report.record import Measurement, Value

SCORES: Final = ("memorization_score", "recovery_score", "random_score")
"""Share of the rows with a noisy label for which that label, the true one, or neither is predicted."""
_MEANS: Final = ("more memorized", "more true labels recovered", "more labels that are neither")


def label_scores(
    predicted: Sequence[int],
    noisy: Sequence[int],
    true: Sequence[int],
    *,
    num_classes: int | None = None,
    persona_id: Sequence[Any] | None = None,
    persona_seed: Sequence[Any] | None = None,
    where: Mapping[str, Value] | None = None,
) -> list[Measurement]:
    """Memorization, recovery and random score of the rows whose label is noisy; all others are left out.

    Args:
        predicted: Class that the trained model gives to each row that it was trained on.
        noisy: Class that it was taught, wrong in some rows.
        true: The rows' true class.
        num_classes: Gives the scores a chance level: that of a guesser among all classes.
        persona_id: Whom each row is about, for the intervals; None makes each row its own.
        persona_seed: Seed of the row's personas, where there are several.
        where: What the measurements are about, such as ``{"layers": "early"}``.

    Returns:
        The three of `SCORES` in this order: proportions from 0 to 1 that sum to 1 (the paper writes percent), each
        with its interval.

    Raises:
        CrossmemError: Sequences of different lengths, or no row with a noisy label.

    Reference:
        Singhal and Kim 2025, https://huggingface.co/papers/2511.10566; intervals are ours.

    Example:
        >>> label_scores([1, 2, 0, 2], [1, 2, 0, 0], [0, 0, 0, 1], num_classes=3)
        [memorization_score 0.667 [0.00836, 0.997], n=3, chance 0.333, recovery_score 0 [0, 0.708], n=3, chance 0.333,
        random_score 0.333 [0.00311, 0.992], n=3, chance 0.333]
    """
    said, taught, truth = (np.asarray(one) for one in (predicted, noisy, true))
    rows = _noisy_rows(said, taught, truth)
    clusters = Clusters.of(persona_id, len(rows), persona_seed).among(rows)
    memorized, recovered = said[rows] == taught[rows], said[rows] == truth[rows]
    guessed = (None, None, None) if num_classes is None else (1 / num_classes, 1 / num_classes, 1 - 2 / num_classes)
    return [
        Measurement(
            metric=name,
            where=dict(where or {}),
            value=float(hits.mean()),
            ci=mean_interval(hits, clusters),
            n=int(rows.sum()),
            chance=chance,
            unit="proportion",
            greater_means=means,
        )
        for name, hits, chance, means in zip(
            SCORES, (memorized, recovered, ~(memorized | recovered)), guessed, _MEANS, strict=True
        )
    ]


def _noisy_rows(said: Any, taught: Any, truth: Any) -> Any:
    """(rows,) whether the label is noisy."""
    if not len(said) == len(taught) == len(truth):
        raise CrossmemError(
            f"{len(said)} predicted, {len(taught)} noisy and {len(truth)} true labels; expected one of each a row.",
            "Pass all three of the same rows.",
        )
    rows = taught != truth
    if not rows.any():
        raise CrossmemError(
            f"None of the {len(rows)} rows has a label that is not its true one, so there is nothing to memorize.",
            "Pass labels of noisy_labels, with a share above 0.",
        )
    return rows
