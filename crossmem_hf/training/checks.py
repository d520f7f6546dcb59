# SPDX-License-Identifier: Apache-2.0
"""What must hold before training starts, so that no work is lost to bad rows. It changes nothing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow.compute
from datasets import Dataset, Value
from torch.distributed.tensor import DTensor

from crossmem_hf.data.selection import personas_of
from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.chat import sees_images
from crossmem_hf.models.families import check_family
from crossmem_hf.pictures.reading import check_pictures
from crossmem_hf.training.collate import EncodedRows

if TYPE_CHECKING:
    from crossmem_hf.evaluation.evaluator import Evaluator

REPORTED = ("test", "far")
"""Begin the templates of rows that are kept for reporting."""
NEEDED_COLUMNS = ("images", "prompt", "completion", "persona_id")


def check_rows(dataset: Dataset, name: str, *, model_config: Any) -> None:
    """Nothing, if `dataset` can be trained on by a model with this config.

    Raises:
        CrossmemError: It is empty, lacks a column, shows images to a model without an image tower, or holds one that
            cannot be shown.
    """
    check_family(model_config)
    missing = [column for column in NEEDED_COLUMNS if column not in dataset.column_names]
    if missing:
        raise CrossmemError(
            f"The {name} set lacks the columns {missing!r}; it has {dataset.column_names!r}.",
            "Use rows from crossmem_hf.load_rows, or add the columns (images may be empty lists).",
        )
    if len(dataset) == 0:
        raise CrossmemError(f"The {name} set is empty.", "Pass at least one row, or choose another split or fraction.")
    if sees_images(model_config):
        _check_heads(dataset, name)
    else:
        first = _first_with_images(dataset)
        if first is not None:
            raise CrossmemError(
                f"Row {first} of the {name} set has an image; a {model_config.model_type!r} model has no image tower.",
                "Choose a vision-language model, or a text-only dataset such as config 'recall_text'.",
            )


def check_lengths(rows: EncodedRows) -> None:
    """Nothing, if no row exceeds `max_length`. Encodes every row when there is a limit, and none otherwise.

    Raises:
        CrossmemError: A row is longer; the first one is named.
    """
    if rows.encoder.max_length is not None:
        for index in range(len(rows)):
            rows[index]


def first_reported(rows: Dataset) -> int | None:
    """The first row that is one of `REPORTED`, by its `template`."""
    templates = rows["template"] if "template" in (rows.column_names or ()) else ()
    return next((row for row, one in enumerate(templates) if str(one).partition("-")[0] in REPORTED), None)


def check_not_reported(sets: Mapping[str, Dataset] | Dataset | None) -> None:
    """Refuse to choose a checkpoint, or the step to stop at, by rows that are there to be reported.

    Args:
        sets: Rows by name; one set is called "eval", as `transformers` does.

    Raises:
        CrossmemError: A row is a test row, near or far; set and row are named.
    """
    by_name = sets if isinstance(sets, Mapping) else {} if sets is None else {"eval": sets}
    for name, rows in by_name.items():
        row = first_reported(rows)
        if row is not None:
            raise CrossmemError(
                f"Row {row} of the {name!r} rows is a test row (template {rows[row]['template']!r}): the best "
                "checkpoint or the step to stop at would be chosen by what is reported afterwards.",
                "Take validation rows, or choose nothing by them: no metric_for_best_model, keep_best or stop_at.",
            )


def check_same_forgotten(evaluator: "Evaluator", forget: Dataset, retain: Dataset | None) -> None:
    """Nothing, if the evaluator's groups are those that are trained on; one that has no groups may be used as well.

    Raises:
        CrossmemError: It asks about somebody to forget as one to retain, or the other way round.
    """
    if evaluator.forgotten is None:
        return
    asked = set(personas_of(evaluator.rows))
    retained = set() if retain is None else set(personas_of(retain))
    wrong = (asked & set(personas_of(forget))) - evaluator.forgotten | (asked & retained & evaluator.forgotten)
    if wrong:
        raise CrossmemError(
            f"The evaluator holds {len(wrong)} personas for the wrong group, such as {sorted(wrong)[0]!r}: its "
            "personas to forget are not those of the forget set.",
            "Give the dataset that fraction (PersonaDataset(forget_fraction=...)), or the evaluator forgotten=, the "
            "ids of the personas to forget.",
        )


def check_whole(trainer: Any) -> None:
    """Accept a trainer each of whose processes has the whole model, and can ask it alone.

    Raises:
        CrossmemError: The model's weights are in shards.
    """
    plugin = getattr(trainer.accelerator.state, "deepspeed_plugin", None)
    in_shards = trainer.is_fsdp_enabled or (plugin is not None and plugin.zero_stage == 3)
    if in_shards or any(isinstance(weight, DTensor) for weight in trainer.model.parameters()):
        raise CrossmemError(
            "The model's weights are in shards (FSDP or DeepSpeed ZeRO-3), so no process can ask it alone.",
            "Train with DDP or ZeRO-1 or -2, or measure checkpoints afterwards with crossmem score.",
        )


def _check_heads(dataset: Dataset, name: str) -> None:
    """Look at the stored files, so that no image is decoded."""
    tables = dataset.select_columns(["images"]).with_format("arrow").iter(batch_size=256)
    for index, row in enumerate(row for table in tables for row in table.to_pylist()):
        check_pictures(row["images"] or (), f"Row {index} of the {name} set: A picture")


def _first_with_images(dataset: Dataset) -> int | None:
    """Read from list lengths, so that no image is decoded."""
    start = 0
    if dataset.features["images"] == Value("null"):
        return None
    for table in dataset.select_columns(["images"]).with_format("arrow").iter(batch_size=1000):
        for offset, length in enumerate(pyarrow.compute.list_value_length(table["images"]).to_pylist()):
            if length:
                return start + offset
        start += len(table)
    return None
