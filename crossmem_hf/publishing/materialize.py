# SPDX-License-Identifier: Apache-2.0
"""A folder in which the Hub's names work without the Hub. It does not know what the dataset or the metrics contain.

`load_dataset("crossmem/personas")` and `evaluate.load("crossmem/exposure")` look at the local path first, so in a
folder that holds ``crossmem/personas`` and ``crossmem/exposure`` both work offline, unchanged.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crossmem_hf.data.release.writing import write_dataset
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.errors import CrossmemError
from crossmem_hf.storage import file_digest, fingerprint, replaced_folder, write_atomic

NAMESPACE = "crossmem"
MARKER = "materialized.json"
_METRICS = Path(__file__).parent.parent / "metrics"


def materialize(
    directory: str | os.PathLike[str] = ".",
    spec: DatasetSpec | None = None,
    *,
    overwrite: bool = False,
    num_proc: int = 1,
) -> Path:
    """Fill ``directory/crossmem`` with the dataset and every metric, all at once or not at all.

    A folder that already holds exactly this is left alone, so calling twice costs nothing.

    Args:
        directory: The folder to work in afterwards; made if need be.
        spec: Which dataset; None for the default one.
        overwrite: Replace a folder made from another spec, by another version, or changed since.
        num_proc: Processes that write; see `writing.write_dataset`.

    Returns:
        The path of ``directory/crossmem``.

    Raises:
        CrossmemError: The folder holds something else, or cannot be written (whatever was there is intact).
    """
    spec = spec or DatasetSpec()
    metrics = {f"{name}/{path.name}": path for name, path in metric_files()}
    made_from = fingerprint({"data": spec.fingerprint(), "metrics": {k: file_digest(v) for k, v in metrics.items()}})
    target = Path(directory) / NAMESPACE
    if target.exists() and _is_current(target, made_from, spec, overwrite=overwrite):
        return target
    with replaced_folder(target) as folder:
        _fill(folder, metrics, made_from, spec, num_proc)
    return target


def _fill(folder: Path, metrics: dict[str, Path], made_from: str, spec: DatasetSpec, num_proc: int) -> None:
    write_dataset(folder / "personas", spec, num_proc=num_proc)
    for name, source in metrics.items():
        write_atomic(folder / name, source.read_bytes())
    marker = {"fingerprint": made_from, "spec": spec.as_dict(), "files": _digests(folder)}
    write_atomic(folder / MARKER, json.dumps(marker, indent=2, sort_keys=True) + "\n")


def metric_files() -> Iterator[tuple[str, Path]]:
    """(metric, file) of everything a metric's Space holds; links are followed, the package's own files left out."""
    for folder in sorted(path for path in _METRICS.resolve().iterdir() if path.is_dir()):
        if not (folder / f"{folder.name}.py").is_file():
            continue
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.name != "__init__.py" and not path.name.startswith("."):
                yield folder.name, path


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files if path.name != MARKER}


def _is_current(target: Path, made_from: str, spec: DatasetSpec, *, overwrite: bool) -> bool:
    """Whether the folder already holds what is asked for; False means that it may be replaced."""
    marker = _read_marker(target)
    on_disk = _digests(target)
    foreign = sorted(set(on_disk) - set(marker["files"]))
    if foreign:
        raise CrossmemError(
            f"{str(target)!r} holds {foreign[0]!r}, which was not written by us ({len(foreign)} such files).",
            "Move them away or choose another folder; they would be lost.",
        )
    if marker["fingerprint"] == made_from and on_disk == marker["files"]:
        return True
    if overwrite:
        return False
    if marker["fingerprint"] == made_from:
        name = next(name for name, digest in marker["files"].items() if on_disk.get(name) != digest)
        fault = f"{str(target / name)!r} was changed or removed since it was written."
    else:
        ours = spec.as_dict()
        other = {name: value for name, value in marker["spec"].items() if ours.get(name) != value}
        changed = f"it was made with {other!r}" if other else "the code that makes it has changed"
        fault = f"{str(target)!r} has fingerprint {marker['fingerprint']!r}, not {made_from!r}: {changed}."
    raise CrossmemError(fault, "Pass --overwrite (overwrite=True) to replace it, or choose another folder.")


def _read_marker(target: Path) -> dict[str, Any]:
    try:
        marker = json.loads((target / MARKER).read_text())
        return {
            "fingerprint": str(marker["fingerprint"]),
            "spec": dict(marker["spec"]),
            "files": dict(marker["files"]),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CrossmemError(
            f"{str(target)!r} exists and has no readable {MARKER}, so it was not made by us.",
            "Move it away or choose another folder.",
        ) from error
