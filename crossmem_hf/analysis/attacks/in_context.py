# SPDX-License-Identifier: Apache-2.0
"""The question after answered questions about other people: does a model go on in the same way? It does not know who
is forgotten, but shows those who are not, where there are some."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.attacks.variants import Way, asked_in_ways
from crossmem_hf.data.forms import TYPED
from crossmem_hf.data.rows import Row
from crossmem_hf.data.splits import person_key
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.metrics.matching import says
from crossmem_hf.seeding import rng_for

NUM_SHOWN: Final = (1, 3)


def in_context(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
    num_shown: tuple[int, ...] = NUM_SHOWN,
) -> Predictions:
    """Predictions of questions that are asked again behind so many of the evaluator's other rows and their answers,
    each about somebody else with another answer, of the same attribute and modality; of the retain set first, where it
    is known.

    Columns as `variants.asked_in_ways` says. A row with fewer such others is not asked with them. Of an image row the
    others show their pictures, too.

    Args:
        seed: Of who is shown.
        num_shown: How many; each number is a pass of its own.

    Raises:
        CrossmemError: A number below 1, too few others for any row, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> in_context(evaluator, *load_model())[0]["num_samples"]
        3

    Reference:
        Answers to others in the context, https://huggingface.co/papers/2005.14165; that they bring back what was
        unlearned is asked in https://huggingface.co/papers/2402.16835.
    """
    if min(num_shown, default=0) < 1:
        raise CrossmemError(f"num_shown={num_shown!r}; expected numbers from 1.", "Pass (1, 3), for example.")
    rows = [dict(row) for row in evaluator.rows]
    ways: dict[str, Way] = {
        f"{count} shown": partial(
            _behind_others, rows=rows, count=count, seed=seed, forgotten=evaluator.forgotten or ()
        )
        for count in num_shown
    }
    return asked_in_ways(evaluator, model, processor, ways, output_dir=output_dir, made_from=made_from)


def _behind_others(
    row: Row, place: int, *, rows: Sequence[Row], count: int, seed: int, forgotten: Collection[str]
) -> Row | None:
    person = person_key(row["persona_id"])
    alike = [
        one
        for one in rows
        if all(one.get(name) == row.get(name) for name in ("attribute", "modality"))
        and not says(one["answer"], row["answer"])
    ]
    drawn = rng_for(seed, "in context", place).sample(alike, len(alike))
    others = {key: one for one in drawn if (key := person_key(one["persona_id"])) != person}
    shown = [others[key] for key in sorted(others, key=forgotten.__contains__)][:count]
    if len(shown) < count:
        return None
    system = [turn for turn in row["prompt"] if turn["role"] == "system"]
    turns = [turn for one in shown for turn in (*_placed(one), {"role": "assistant", "content": one["answer"]})]
    pictures = [picture for one in (*shown, row) for picture in one["images"]]
    return {**row, "prompt": [*system, *turns, *_placed(row)], "images": pictures}


def _placed(row: Row) -> list[dict[str, str]]:
    """The prompt without its system turn, and with the place of each picture written out, as those of several rows
    come together."""
    turns = [dict(turn) for turn in row["prompt"] if turn["role"] != "system"]
    if not any(TYPED in turn["content"] for turn in turns):
        first = next(turn for turn in turns if turn["role"] == "user")
        first["content"] = TYPED * len(row["images"]) + first["content"]
    return turns
