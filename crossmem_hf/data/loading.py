# SPDX-License-Identifier: Apache-2.0
"""Rows from wherever they live: built here, a folder, the Hub. It checks them, and does not know what they are for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.configs.table import SPLITS, check_split, features_of
from crossmem_hf.data.forms import conversational
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.data.untrusted import check_dataset_card, picture_error
from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.names import check_can_be_found, without_the_hub
from crossmem_hf.runs.retry import with_retries
from crossmem_hf.storage import fingerprint

if TYPE_CHECKING:
    import datasets

_TYPED_COLUMNS = ("images", "prompt", "completion", "chosen", "rejected")


def load_rows(
    dataset_name: str | None,
    config: str,
    split: str,
    *,
    preset: str | None = None,
    **knobs: Any,
) -> "datasets.Dataset":
    """One split of the dataset.

    Args:
        dataset_name: None builds the rows here, once, into the datasets cache; the keywords say which.
            Otherwise a Hub name or a folder, whose rows are taken as they are: the keywords play no part.
        config: One of `table.SPLITS` when the rows are built here.
        split: One of the config's splits; ``"forget+retain"`` and ``"test[:10]"`` work too.
        preset: One of `spec.PRESETS`, such as ``"remem"``.
        knobs: Fields of `spec.DatasetSpec`, such as ``num_personas=20`` or ``seed=1``; they replace those of the
            preset. None stands for the preset's, or else the default.

    Raises:
        CrossmemError: Unknown config, split or preset, a knob out of range, a dataset that cannot be read or is empty,
            a missing or mistyped column, a corrupt Parquet file (named) or image (its row is named).

    Example:
        >>> load_rows(None, "recall_text", "test", num_personas=5)[0]["modality"]
        'text'
    """
    if dataset_name is None:
        if knobs.get("portraits") is not None:
            knobs["portraits"] = os.fspath(knobs["portraits"])
        spec = DatasetSpec.preset(preset, **knobs)
        return built_rows(config, split, spec)
    return _read(published_rows(dataset_name, config, split), dataset_name, config, split)


def _read(data: "datasets.Dataset", dataset_name: str, config: str, split: str) -> "datasets.Dataset":
    """Somebody's rows in our form, once they are seen to be whole."""
    where = f"{dataset_name!r} ({config}, {split})"
    wanted = features_of(config if config in SPLITS else "recall_image")
    _check_columns(data, wanted, where)
    with silent_progress():
        data = conversational(data, where)  # decodes no picture
    _check_types(data, wanted, where)
    _check_images(data, dataset_name, where)
    return data


def built_rows(config: str, split: str, spec: DatasetSpec) -> "datasets.Dataset":
    """One split as the embedded builder makes it, from the datasets cache if it is there.

    Raises:
        CrossmemError: Unknown config or split, or the cache can be neither written nor read.
    """
    check_split(config, split)
    from datasets.exceptions import DatasetsError

    from crossmem_hf.data.builder import PersonasBuilder

    builder = PersonasBuilder(config_name=config, **spec.as_dict())
    try:
        with silent_progress():
            builder.download_and_prepare()
            return builder.as_dataset(split)
    except (OSError, ValueError, DatasetsError) as error:
        if isinstance(error.__cause__, CrossmemError):
            raise error.__cause__ from error
        raise CrossmemError(
            f"Could not build split {split!r} of config {config!r} in {builder.cache_dir!r}: {_reason(error)}.",
            "If the split's slice is right, free some space or delete that folder, and run again.",
        ) from error


def published_rows(dataset_name: str, config: str, split: str) -> "datasets.Dataset":
    """One split of a Hub dataset or a folder, whatever its columns.

    Raises:
        CrossmemError: It cannot be read; a corrupt Parquet file is named.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    # datasets names the cache of a folder after its card alone, so changed files would be answered with stale rows.
    check_can_be_found(dataset_name, f"dataset {dataset_name!r}")
    check_dataset_card(dataset_name)
    doing = f"load split {split!r} of config {config!r} from {dataset_name!r}"
    files = {"description": _files_fingerprint(Path(dataset_name))} if Path(dataset_name).is_dir() else {}
    try:
        with silent_progress():
            return with_retries(
                doing,
                lambda: load_dataset(dataset_name, config, split=split, **files),
                unreachable=without_the_hub(dataset_name),
            )
    except CrossmemError:
        raise
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        broken = _broken_parquet(Path(dataset_name))
        if broken is not None:
            raise CrossmemError(
                f"Parquet file {str(broken[0])!r} is corrupt: {_reason(broken[1])}.",
                "Delete its folder and materialize or download it again.",
            ) from error
        raise CrossmemError(
            f"Could not {doing}: {_reason(error)}.",
            "Check the name, the config and the split; pass no dataset name to use the embedded dataset.",
        ) from error


def _files_fingerprint(folder: Path) -> str:
    """Names the state of a folder: it changes when a file is added, removed, resized or written anew."""
    states = {str(path): path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return fingerprint({name: [state.st_size, state.st_mtime_ns] for name, state in states.items()})


def _broken_parquet(folder: Path) -> tuple[Path, Exception] | None:
    """The first Parquet file of a local dataset that cannot be read whole, and why; None if all can, or it is not
    local."""
    import pyarrow
    from pyarrow import parquet

    for path in sorted(folder.glob("**/*.parquet")) if folder.is_dir() else ():
        try:
            with parquet.ParquetFile(path) as file:
                for _ in file.iter_batches():
                    pass
        except (OSError, pyarrow.ArrowException) as error:
            return path, error
    return None


def _check_columns(data: "datasets.Dataset", wanted: "datasets.Features", where: str) -> None:
    known = {*data.features, *(["images"] if "image" in data.features else [])}  # one picture a row
    missing = [name for name in wanted if name not in known]
    if missing:
        raise CrossmemError(
            f"{where} lacks the column(s) {', '.join(missing)}; it has {', '.join(data.features)}.",
            "Rename or add them; the row schema is in crossmem_hf/data/rows.py.",
        )


def _check_types(data: "datasets.Dataset", wanted: "datasets.Features", where: str) -> None:
    for name, feature in wanted.items():
        if not _fits(data.features[name], feature, exactly=name in _TYPED_COLUMNS):
            raise CrossmemError(
                f"Column {name!r} of {where} is {data.features[name]}; expected {wanted[name]}.",
                "Cast it, for instance with Dataset.cast_column.",
            )


def _fits(found: object, wanted: object, *, exactly: bool) -> bool:
    """Whether a column can stand in for one of ours; texts and whole numbers may be stored in any width."""
    if exactly or found == wanted:
        return found == wanted
    families = (("string", "large_string"), ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"))
    family = next((each for each in families if getattr(wanted, "dtype", None) in each), None)
    return family is None or getattr(found, "dtype", None) in family


def _check_images(data: "datasets.Dataset", dataset_name: str, where: str) -> None:
    from datasets import Image, List, config
    from huggingface_hub.constants import HF_HUB_CACHE

    column, kind = (
        ("portrait", Image(decode=False)) if "portrait" in data.features else ("images", List(Image(decode=False)))
    )
    if column not in data.features:
        return
    places = (Path(dataset_name), Path(HF_HUB_CACHE), Path(config.HF_DATASETS_CACHE))
    for number, row in enumerate(data.select_columns(column).cast_column(column, kind)):
        for stored in row[column] if column == "images" else [row[column]]:
            fault = picture_error(stored, places)
            if fault:
                raise CrossmemError(
                    f"Row {number} of {where} has a corrupt image in {column!r}: {fault}.",
                    "Materialize or download the dataset again, or drop the row.",
                )


def _reason(error: BaseException) -> str:
    """The innermost message, on one line, without its final full stop."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rstrip(".")


@contextmanager
def silent_progress() -> Iterator[None]:
    """No progress bars from datasets meanwhile; whoever calls shows progress in a way of their own."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    was_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not was_disabled:
            enable_progress_bars()
