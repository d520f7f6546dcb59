# SPDX-License-Identifier: Apache-2.0
"""Items on disk, a line each, and those of a model to compare with. It does not know how an item is measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.rows import Questions
from crossmem_hf.report.score_record import ScoreRecord
from crossmem_hf.storage import write_atomic

Item = Mapping[str, Any]
ITEMS, HOLDOUT = "items.jsonl", "holdout.jsonl"
_REMEDY = "Score the retain-only model with the same rows and metrics first, and pass its folder as --retain-only."
_BASELINE_REMEDY = (
    "Score that model with the same rows and --metrics exposure first, and pass its folder as --baseline."
)


def write_items(path: Path, items: Sequence[Item]) -> None:
    """Write a line an item; NaN and infinities as Python's `json` does.

    Raises:
        CrossmemError: The file could not be written.
    """
    write_atomic(path, "".join(json.dumps(item) + "\n" for item in items))


def read_items(path: Path, remedy: str = _REMEDY) -> list[dict[str, Any]]:
    """The items that `write_items` put at `path`.

    Raises:
        CrossmemError: There is no such file, or a line is no JSON.
    """
    try:
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    except (OSError, ValueError) as error:
        raise CrossmemError(f"Could not read the items of {str(path)!r}: {error}.", remedy) from error


def _same_rows(folder: Path, questions: Questions, remedy: str) -> tuple[ScoreRecord, list[dict[str, Any]]]:
    """Record and items of a score, checked to be about the same rows."""
    record = ScoreRecord.read(folder / "record.json")
    theirs, ours = record.data_fingerprint, questions.fingerprint
    if theirs != ours:
        raise CrossmemError(
            f"{str(folder)!r} has scores of other rows (fingerprint {theirs}; these are {ours}).", remedy
        )
    items = read_items(folder / ITEMS, remedy)
    if len(items) != len(questions.keys):
        raise CrossmemError(
            f"{str(folder / ITEMS)!r} has {len(items)} items of {len(questions.keys)} rows, perhaps cut short.", remedy
        )
    return record, items


def baseline_items(folders: Mapping[str, Path], questions: Questions) -> dict[str, list[dict[str, Any]]]:
    """The items of models that Exposure is read against, checked to be about the same questions.

    Args:
        folders: Name -> output of `crossmem score` for that model.

    Raises:
        CrossmemError: A folder holds no scores, scores of other rows or other candidates, or two hold the same model.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    whose: dict[str, str] = {}
    for name, folder in folders.items():
        record, items = _same_rows(folder, questions, _BASELINE_REMEDY)
        twin = whose.setdefault(record.model_fingerprint, name)
        if twin != name:
            raise CrossmemError(
                f"The baselines {twin!r} and {name!r} are the same model ({record.model_fingerprint}).",
                "Pass the folder of the base model as base=, and of the model before unlearning as memorized=.",
            )
        for place, (item, row) in enumerate(zip(items, questions.about, strict=True)):
            ranked = item.get("candidates", [])[: item.get("num_candidates", 0)]
            if sorted(ranked) != sorted(questions.by_attribute[row["attribute"]]):
                raise CrossmemError(
                    f"Row {place}: {str(folder)!r} ranked {len(ranked)} other candidates or none, so its Exposure is "
                    "not comparable.",
                    _BASELINE_REMEDY,
                )
        found[name] = items
    return found


def retain_only_items(folder: Path, questions: Questions, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The items of a model that never saw the rows, checked to be about the same questions.

    Args:
        folder: Output of `crossmem score` for that model.
        metrics: What they will be compared in.

    Raises:
        CrossmemError: The folder holds no scores, scores of other rows or of other false answers, or lacks a pass.
    """
    _, items = _same_rows(folder, questions, _REMEDY)
    for metric, column in (("truth_ratio", "false_indices"), ("priv_leak", "token_logprobs")):
        if metric in metrics and not all(item.get(column) for item in items):
            raise CrossmemError(f"The items in {str(folder)!r} have no {column}, which {metric} needs.", _REMEDY)
    if "truth_ratio" in metrics:
        for item, row in zip(items, questions.about, strict=True):
            compared = questions.compared(row)
            places = (item.get("told_index", item["truth_index"]), *item["false_indices"])
            if [item["candidates"][at] for at in places] != [
                compared.texts[at] for at in (compared.told, *compared.false)
            ]:
                raise CrossmemError(f"{str(folder)!r} has scores of other true or false answers.", _REMEDY)
    return items


def retain_only_holdout(folder: Path, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The holdout items of that model.

    Args:
        keys: Fingerprints of the holdout rows.

    Raises:
        CrossmemError: There are none, or they are of other rows.
    """
    items = read_items(folder / HOLDOUT)
    if [item["row"] for item in items] != list(keys):
        raise CrossmemError(f"{str(folder)!r} has scores of other holdout rows.", _REMEDY)
    return items
