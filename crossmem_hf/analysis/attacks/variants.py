# SPDX-License-Identifier: Apache-2.0
"""Rows asked again in several ways: is the truth among the answers? It does not know what the ways change."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossmem_hf.data.rows import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Prediction, Predictions

Way = Callable[[Row, int], Row | None]
"""Changes a row, whose place among the rows it gets too; None where it does not apply."""


def asked_in_ways(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    ways: Mapping[str, Way],
    *,
    output_dir: Path | str | None,
    made_from: str | None,
) -> Predictions:
    """The evaluator's own predictions, with what the model answers in other ways beside what it answers plainly.

    The columns are ``num_samples``, how often the row was asked, the plain way included; ``num_said``, how many of
    these answers were the truth and nothing else; ``extracted``, whether any was, which the metric `extracted` reads;
    and ``said_in``, the ways in which it was said.

    Args:
        ways: Name -> way. Each costs a pass of free answers over the rows to which it applies.
        output_dir: As for `Evaluator`, with `made_from`.

    Raises:
        CrossmemError: No way applies to any row, or whatever the evaluator refuses.
    """
    rows = evaluator.rows
    said: list[dict[str, bool]] = [{} for _ in rows]
    for name, way in ways.items():
        changed = [(place, way(dict(row), place)) for place, row in enumerate(rows)]
        asked = [(place, row) for place, row in changed if row is not None]
        if asked:
            answers = _predicted(evaluator, model, processor, [row for _, row in asked], name, output_dir, made_from)
            for (place, _), one in zip(asked, answers, strict=True):
                said[place][name] = one["correct"]
    if not any(said):
        raise CrossmemError(
            f"None of the ways ({', '.join(ways)}) applies to any of the {len(rows)} rows.",
            "Use rows that have what the attack changes: pictures, several pictures of a person, or a name.",
        )
    found = _predicted(evaluator, model, processor, None, "queried", output_dir, made_from)
    whole = [{"plain": one["correct"], **answers} for one, answers in zip(found, said, strict=True)]
    return Predictions(
        ({**one, **columns_of(answers)} for one, answers in zip(found, whole, strict=True)), against=found.against
    )


def asked_besides(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    rows: Sequence[Row],
    *,
    output_dir: Path | str | None,
    made_from: str | None,
) -> tuple[Predictions, Predictions]:
    """The evaluator's own predictions, and those of free answers to as many other rows.

    Args:
        output_dir: As for `Evaluator`, with `made_from`.
    """
    own = _predicted(evaluator, model, processor, None, "queried", output_dir, made_from)
    return own, _predicted(evaluator, model, processor, rows, "besides", output_dir, made_from)


def _predicted(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    rows: Sequence[Row] | None,
    name: str,
    output_dir: Path | str | None,
    made_from: str | None,
) -> Predictions:
    """Of the evaluator's own rows and metrics, or of free answers to others."""
    asking = evaluator
    if rows is not None:
        others = type(evaluator.rows).from_list(list(rows), features=evaluator.rows.features)
        asking = evaluator.altered(rows=others, metrics=("recall",), holdout=None)
    return passes(model, processor, output_dir, made_from)(asking, name)


def passes(
    model: Any, processor: Any, output_dir: Path | str | None, made_from: str | None
) -> Callable[[Evaluator, str], Predictions]:
    """What asks a model through an evaluator, and keeps each pass in a folder of its name."""

    def predicted(asker: Evaluator, name: str) -> Predictions:
        folder = None if output_dir is None else Path(output_dir) / name
        return asker(model, processor, output_dir=folder, made_from=made_from)

    return predicted


def other_candidates(evaluator: Evaluator, row: Mapping[str, Any]) -> list[str]:
    """The candidates of a row's attribute but the truth, in order.

    Raises:
        CrossmemError: There is none.
    """
    others = sorted({*evaluator.questions.candidates_of(row)} - {row["answer"]})
    if not others:
        raise CrossmemError(
            f"There is no candidate for {row.get('attribute')!r} but {row['answer']!r}.",
            "Give the evaluator candidates.",
        )
    return others


def columns_of(answers: Mapping[str, bool]) -> Prediction:
    """What was said, in columns.

    Args:
        answers: Way of asking -> whether the answer was the truth.
    """
    ways = [name for name, right in answers.items() if right]
    return {"num_samples": len(answers), "num_said": len(ways), "extracted": bool(ways), "said_in": ways}


def with_content(row: Row, change: Callable[[str], str]) -> Row:
    """The row, whose last turn says something else."""
    *before, last = row["prompt"]
    return {**row, "prompt": [*before, {**last, "content": change(last["content"])}]}
