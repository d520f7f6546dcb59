# SPDX-License-Identifier: Apache-2.0
"""Items on disk, a line each, and those of a model to compare with. It does not know how an item is measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.score_record import ScoreRecord
from crossmem_hf.storage import write_atomic
from crossmem_hf.studies.score_rows import Questions

Item = Mapping[str, Any]
ITEMS, HOLDOUT = "items.jsonl", "holdout.jsonl"
_REMEDY = "Score the retain-only model with the same rows and metrics first, and pass its folder as --retain-only."


def write_items(path: Path, items: Sequence[Item]) -> None:
    """Write a line an item; NaN and infinities as Python's `json` does.

    Raises:
        CrossmemError: The file could not be written.
    """
    write_atomic(path, "".join(json.dumps(item) + "\n" for item in items))


def read_items(path: Path) -> list[dict[str, Any]]:
    """The items that `write_items` put at `path`.

    Raises:
        CrossmemError: There is no such file, or a line is no JSON.
    """
    try:
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    except (OSError, ValueError) as error:
        raise CrossmemError(f"Could not read the items of {str(path)!r}: {error}.", _REMEDY) from error


def retain_only_items(folder: Path, questions: Questions, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The items of a model that never saw the rows, checked to be about the same questions.

    Args:
        folder: Output of `crossmem score` for that model.
        metrics: What they will be compared in.

    Raises:
        CrossmemError: The folder holds no scores, scores of other rows or of other false answers, or lacks a pass.
    """
    theirs, ours = ScoreRecord.read(folder / "record.json").data_fingerprint, questions.fingerprint
    if theirs != ours:
        raise CrossmemError(
            f"{str(folder)!r} has scores of other rows (fingerprint {theirs}; these are {ours}).", _REMEDY
        )
    items = read_items(folder / ITEMS)
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
