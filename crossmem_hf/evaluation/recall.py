# SPDX-License-Identifier: Apache-2.0
"""How many questions a model answers rightly, as one number. It does not know whom they are about."""

from collections.abc import Sequence
from typing import Any

from crossmem_hf.data.forms import Row, as_row
from crossmem_hf.metrics.matching import row_matches
from crossmem_hf.scoring.generation import generate_answers
from crossmem_hf.scoring.inputs import answer_of


def answered(model: Any, processor: Any, rows: Sequence[Row]) -> list[bool]:
    """For each row, whether the model's likeliest answer is the full right one (`matching.row_matches`).

    Raises:
        CrossmemError: As `generate_answers`.
    """
    rows = [as_row(row, index) for index, row in enumerate(rows)]
    truths = [row.get("answer") or answer_of(row, index) for index, row in enumerate(rows)]
    return [bool(right) for right in row_matches(generate_answers(model, processor, rows), truths)]


def recall(model: Any, processor: Any, rows: Sequence[Row]) -> float:
    """Share of rows answered with the full right answer, 0 to 1; higher is more remembered.

    Raises:
        CrossmemError: As `generate_answers`, which no rows at all are an error for.

    Example:
        >>> from crossmem_hf import load_model, load_rows
        >>> model, processor = load_model()
        >>> recall(model, processor, load_rows(None, "recall_text", "test", num_personas=2))
        0.0
    """
    right = answered(model, processor, rows)
    return sum(right) / len(right)
