# SPDX-License-Identifier: Apache-2.0
"""Rows asked in two steps: a question of ours first, and with its answer the row's own question, in words alone. It
does not know what is asked."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossmem_hf.analysis.attacks.variants import passes
from crossmem_hf.data.rows import Row
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions


def asked_in_two_steps(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    first: Callable[[Row], str],
    second: Callable[[Row, str], str],
    *,
    column: str,
    max_new_tokens: int,
    output_dir: Path | str | None,
    made_from: str | None,
) -> Predictions:
    """The evaluator's predictions, of which each row's question came second.

    Args:
        first: The question of the first step, which presents what the row presents.
        second: The question of the second step, without a picture, from the row and the answer to the first.
        column: Where predictions keep the answer to the first.
        max_new_tokens: Where that answer is cut.
        output_dir: As for `Evaluator`, with `made_from`.
    """
    rows, about = evaluator.rows, evaluator.questions.about

    predicted = passes(model, processor, output_dir, made_from)
    prompts = [_turn(first(dict(row))) for row in about]
    shown = rows.remove_columns(["prompt"]).add_column("prompt", prompts, feature=rows.features["prompt"])
    asking = evaluator.altered(rows=shown, metrics=("recall",), holdout=None, max_new_tokens=max_new_tokens)
    said = [str(one["answer"]) for one in predicted(asking, "first")]
    harmless = [answer.replace("<", "") for answer in said]  # or it may stand for a picture, or end a turn
    told = [
        {**row, "images": [], "prompt": _turn(second(dict(row), answer))}
        for row, answer in zip(about, harmless, strict=True)
    ]
    found = predicted(evaluator.altered(rows=type(rows).from_list(told, features=rows.features)), "second")
    own = zip(found, evaluator.questions.keys, about, said, strict=True)
    return Predictions(
        ({**one, "row": key, "question": question_of(row), column: answer} for one, key, row, answer in own),
        against=found.against,
    )


def question_of(row: Mapping[str, Any]) -> str:
    """What the user says last."""
    return str(row["prompt"][-1]["content"])


def parted(row: Mapping[str, Any], questions: Sequence[str]) -> tuple[str, str]:
    """The description that a row begins with, empty where it has a picture, and which of these questions follows.

    Raises:
        CrossmemError: None of them does.
    """
    content = question_of(row)
    for question in questions:
        if content.endswith(question):
            return content.removesuffix(question).strip(), question
    raise CrossmemError(
        f"A row asks {content[:80]!r}, which ends in no question that is known here.",
        "Ask rows that the attack is for: docs/scoring.md names them.",
    )


def _turn(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]
