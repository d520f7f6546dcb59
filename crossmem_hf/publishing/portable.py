# SPDX-License-Identifier: Apache-2.0
"""A record without the folders of one machine, so that it means the same on another."""

from pathlib import Path
from typing import Any

from crossmem_hf.hub.names import is_hub_name
from crossmem_hf.report.record import Record

RETAIN_ONLY = "retain_only"
"""Folder, beside a published score, with the scores of the model that never saw the forgotten."""

BASELINE = "baseline_"
"""Begins the name of a folder, beside a published score, with the scores of a model that Exposure is read against."""

HERE = "."
"""What a published score calls the adapter that lies beside it."""


def portable(record: Record) -> Record:
    """The record with folders named as they lie beside it once it is published; of others only the last name stays."""
    config = dict(record.config)
    for name in ("model", "model_name_or_path", "dataset"):
        if name in config:
            config[name] = _public(config[name])
    if _is_folder(config.get("adapter")):
        config["adapter"] = HERE
    if config.get("retain_only") is not None:
        config["retain_only"] = RETAIN_ONLY
    if config.get("baseline"):
        config["baseline"] = [f"{name}={BASELINE}{name}" for name in baselines(record)]
    if "judge_url" in config and config["judge_url"] is not None:
        config["judge_url"] = None  # somebody's server, perhaps with a name or a key in it
    return record.model_copy(update={"config": config})


def baselines(record: Record) -> dict[str, Path]:
    """Name -> folder of the scores that Exposure is read against."""
    pairs = (str(entry).partition("=") for entry in record.config.get("baseline") or ())
    return {name: Path(folder) for name, _, folder in pairs}


def _is_folder(name: Any) -> bool:
    return isinstance(name, str) and Path(name).is_dir()


def _public(name: Any) -> Any:
    """A Hub name as it is; of a folder, its last part."""
    if not isinstance(name, str) or (is_hub_name(name) and not (Path(name).is_dir() and "/" not in name)):
        return name
    return Path(name).name
