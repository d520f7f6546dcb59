# SPDX-License-Identifier: Apache-2.0
"""Work that is done once: a stage's result on disk, under a fingerprint of everything it was made from.

It does not know what a stage computes. A stage is a folder with `done.json`; it appears whole or not at all.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from crossmem_hf.errors import CrossmemError
from crossmem_hf.storage import fingerprint, write_atomic


@dataclass(frozen=True, slots=True)
class Done:
    """A finished stage.

    Attributes:
        folder: Where its files are.
        fingerprint: What it was made from; part of what later stages are made from.
        result: What it returned, JSON types only.
    """

    folder: Path
    fingerprint: str
    result: Any


def known_stage(folder: Path, inputs: Mapping[str, Any]) -> Done | None:
    """The stage's result if it is there, whole and made from the same inputs."""
    mark = fingerprint(inputs)
    known = _known(folder / "done.json")
    if known is None or known.get("fingerprint") != mark or known.get("files") != _sizes(folder):
        return None
    return Done(folder, mark, known["result"])


def run_stage(
    folder: Path, inputs: Mapping[str, Any], compute: Callable[[Path], Any], *, shared: bool = False
) -> Done:
    """The stage's result: read if it was made from the same inputs, computed otherwise.

    Args:
        shared: Other processes may want it at the same time; one computes it, and the others wait.
        folder: The stage's folder; replaced if its inputs were others.
        inputs: Everything the result depends on, JSON types only.
        compute: Gets an empty folder for its files and returns JSON types.

    Raises:
        CrossmemError: The result could not be written (an earlier one is intact), or whatever `compute` raises.
    """
    if shared:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            return run_stage(folder, inputs, compute)
    done = known_stage(folder, inputs)
    if done is not None:
        return done
    mark = fingerprint(inputs)
    part, old = (folder.with_name(f"{folder.name}.{kind}") for kind in ("part", "old"))
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        text = json.dumps({"fingerprint": mark, "inputs": inputs, "result": compute(part), "files": _sizes(part)})
        write_atomic(part / "done.json", text)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    except OSError as error:
        raise CrossmemError(
            f"Could not write the stage {str(folder)!r}: {error.strerror or error}; an earlier one is unchanged.",
            "Free some space or choose another folder, and run again.",
        ) from error
    shutil.rmtree(old, ignore_errors=True)
    return Done(folder, mark, json.loads(text)["result"])


def _sizes(folder: Path) -> dict[str, int]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "done.json"]
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


def _known(done: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(done.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and "result" in content else None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Meanwhile, no other run works in `folder`.

    Raises:
        CrossmemError: Another run does, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0).acquire()
    except Timeout as error:
        raise CrossmemError(
            f"Another run is at work in {str(folder)!r}.", "Wait for it, or pass another --output-dir."
        ) from error
    except OSError as error:
        raise CrossmemError(
            f"{str(folder)!r} cannot be a run's folder: {error.strerror}.", "Choose another."
        ) from error
    with lock:
        yield


def claim_folder(folder: Path, mark: str, *, overwrite: bool, holds: tuple[str, ...] = ("jobs",)) -> None:
    """Make `folder`, which exists, belong to the run with fingerprint `mark`.

    Args:
        holds: Folders in it with what an earlier run worked out, which are removed if `overwrite` replaces it.

    Raises:
        CrossmemError: It belongs to another run, or holds files that are no run at all, and `overwrite` is off.
    """
    owner = folder / "run.json"
    try:
        held = json.loads(owner.read_text())["fingerprint"] if owner.exists() else None
    except (OSError, ValueError, KeyError, TypeError):
        held = "unreadable"
    foreign = held is None and any(not path.name.startswith(".") for path in folder.iterdir())
    if (held not in (None, mark) or foreign) and not overwrite:
        what = "files that are not a run's" if foreign else f"another run (fingerprint {held})"
        raise CrossmemError(
            f"{str(folder)!r} holds {what}; this run is {mark}.",
            "Pass another --output-dir, or --overwrite to replace what is there.",
        )
    if held != mark and overwrite and not foreign:
        for name in holds:
            shutil.rmtree(folder / name, ignore_errors=True)
    write_atomic(owner, json.dumps({"fingerprint": mark}) + "\n")
