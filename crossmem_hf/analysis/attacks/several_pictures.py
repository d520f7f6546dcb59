# SPDX-License-Identifier: Apache-2.0
"""The question about several pictures of one person at once. It does not know whom they show."""

from functools import partial
from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.attacks.variants import Way, asked_in_ways, with_content
from crossmem_hf.data.forms import TYPED
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
    and others of the evaluator's next rows about the same person, counted round.

    Columns as `variants.asked_in_ways` says. Rows without a picture or with several, and those whose person has fewer
    pictures among the rows, are not asked so.

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
    shown: dict[str, dict[bytes, Any]] = {}
    for row in evaluator.rows:
        if len(row["images"]) == 1:
            (picture,) = row["images"]
            shown.setdefault(person_key(row["persona_id"]), {}).setdefault(picture.tobytes(), picture)
    ways: dict[str, Way] = {
        f"{count} pictures": partial(_with_more, shown=shown, count=count) for count in num_pictures
    }
    return asked_in_ways(evaluator, model, processor, ways, output_dir=output_dir, made_from=made_from)


def _with_more(row: Row, _: int, *, shown: dict[str, dict[bytes, Any]], count: int) -> Row | None:
    pictures = shown.get(person_key(row["persona_id"]), {})
    if len(row["images"]) != 1 or len(pictures) < count:
        return None
    first = list(pictures).index(row["images"][0].tobytes())
    others = list(pictures.values())
    together = {**row, "images": [*others[first:], *others[:first]][:count]}
    return with_content(together, lambda content: content.replace(TYPED, TYPED * count, 1))
