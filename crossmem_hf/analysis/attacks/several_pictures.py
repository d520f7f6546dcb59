# SPDX-License-Identifier: Apache-2.0
"""The question about several pictures of one person at once. It does not know whom they show."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.attacks.variants import Way, asked_in_ways
from crossmem_hf.data.rows import Row
from crossmem_hf.data.splits import person_key
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions

NUM_PICTURES: Final = (2, 4)


def several_pictures(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    num_pictures: tuple[int, ...] = NUM_PICTURES,
) -> Predictions:
    """Predictions of rows that are asked again with so many pictures of their person before the question: their own,
    and those of the evaluator's next rows about the same person, counted round.

    Columns as `variants.asked_in_ways` says. Rows without a picture, and those whose person has fewer pictures among
    the rows, are not asked so.

    Args:
        seed: Nothing is drawn.
        num_pictures: How many; each number is a pass of its own.

    Raises:
        CrossmemError: A number below 2, no person with so many pictures, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> several_pictures(evaluator, *load_model())[0]["num_samples"]
        3

    Reference:
        Several portraits at once, https://huggingface.co/papers/2506.05198, as an attack.
    """
    if min(num_pictures, default=0) < 2:
        raise CrossmemError(f"num_pictures={num_pictures!r}; expected numbers from 2.", "Pass (2, 4), for example.")
    shown: dict[str, list[int]] = {}
    rows = [dict(row) for row in evaluator.rows]
    for place, row in enumerate(rows):
        if row["images"]:
            shown.setdefault(person_key(row["persona_id"]), []).append(place)
    ways: dict[str, Way] = {
        f"{count} pictures": partial(_with_more, rows=rows, shown=shown, count=count) for count in num_pictures
    }
    return asked_in_ways(evaluator, model, processor, ways, output_dir=output_dir, made_from=made_from)


def _with_more(row: Row, place: int, *, rows: Sequence[Row], shown: dict[str, list[int]], count: int) -> Row | None:
    places = shown.get(person_key(row["persona_id"]), [])
    if place not in places or len(places) < count:
        return None
    first = places.index(place)
    pictures = [picture for own in (*places[first:], *places[:first])[:count] for picture in rows[own]["images"]]
    return {**row, "images": pictures}
