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

WORK = ("jobs", "cells", "stages")
"""Folders of a run with what it has worked out, which another run does not go on from."""


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


def run_stage(folder: Path, inputs: Mapping[str, Any], compute: Callable[[Path], Any]) -> Done:
    """The stage's result: read if it was made from the same inputs, computed otherwise.

    Of several processes that want the same stage, one computes it and the others wait.

    Args:
        folder: The stage's folder; replaced if its inputs were others.
        inputs: Everything the result depends on, JSON types only.
        compute: Gets an empty folder of the same name for its files and returns JSON types.

    Raises:
        CrossmemError: The result could not be written (an earlier one is intact), or whatever `compute` raises.
    """
    done = finished_stage(folder, inputs)
    if done is not None:
        return done
    with _lock(folder.with_name(f".{folder.name}.lock"), folder, wait=True):
        return finished_stage(folder, inputs) or _replaced(folder, inputs, compute)


def finished_stage(folder: Path, inputs: Mapping[str, Any]) -> Done | None:
    """The stage, if it is finished, whole and made from the same inputs."""
    made_from = fingerprint(inputs)
    known = _known(folder / "done.json")
    if known is None or known.get("fingerprint") != made_from or known.get("files") != _sizes(folder):
        return None
    return Done(folder, made_from, known["result"])


def _replaced(folder: Path, inputs: Mapping[str, Any], compute: Callable[[Path], Any]) -> Done:
    with _explained(folder):
        part = begin_stage(folder)
        return finish_stage(folder, inputs, compute(part))


def begin_stage(folder: Path) -> Path:
    """An empty folder of the stage's name, for its files until it is finished.

    Raises:
        CrossmemError: It cannot be made.
    """
    hidden = _hidden(folder)
    with _explained(folder):
        shutil.rmtree(hidden, ignore_errors=True)
        (hidden / folder.name).mkdir(parents=True)
    return hidden / folder.name


def finish_stage(folder: Path, inputs: Mapping[str, Any], result: Any) -> Done:
    """The stage, once its result is written and the files made since `begin_stage` are in its folder.

    Raises:
        CrossmemError: It could not be written; an earlier one is intact.
    """
    hidden, made_from = _hidden(folder), fingerprint(inputs)
    part, old = hidden / folder.name, hidden / "old"
    text = json.dumps({"fingerprint": made_from, "inputs": inputs, "result": result, "files": _sizes(part)})
    with _explained(folder):
        write_atomic(part / "done.json", text)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    shutil.rmtree(hidden, ignore_errors=True)
    return Done(folder, made_from, json.loads(text)["result"])


def _hidden(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.part")


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CrossmemError(
            f"Could not write the stage {str(folder)!r}: {error.strerror or error}; an earlier one is unchanged.",
            "Free some space or choose another folder, and run again.",
        ) from error


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
    with _lock(folder / ".lock", folder, wait=False):
        yield


@contextmanager
def _lock(file: Path, folder: Path, *, wait: bool) -> Iterator[None]:
    """The system gives a lock back when its process ends, however it ends."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file, timeout=-1 if wait else 0).acquire()
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


def own_folder(
    folder: Path,
    made_from: str,
    *,
    overwrite: bool,
    settings: Mapping[str, Any] | None = None,
    remedy: str = "Pass another --output-dir, or --overwrite to replace what is there.",
) -> None:
    """Make `folder` belong to the run with a fingerprint; nothing if it does already.

    Args:
        made_from: The run's fingerprint.
        settings: What the run was asked for, by name; an error says which of them are others. JSON types only.
        remedy: What an error says can be done.

    Raises:
        CrossmemError: It belongs to another run, or holds files that are no run at all, and `overwrite` is off.
    """
    owner = folder / "run.json"
    try:
        held = json.loads(owner.read_text()) if owner.exists() else None
        theirs = None if held is None else str(held["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        held, theirs = {}, "unreadable"
    if theirs == made_from:
        return
    foreign = (
        []
        if theirs or not folder.is_dir()
        else sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    )
    if (theirs is not None or foreign) and not overwrite:
        what = (
            f"files that are not a run's, such as {foreign[0]!r}"
            if foreign
            else f"another run (fingerprint {theirs}{_differences(held, settings)})"
        )
        raise CrossmemError(f"{str(folder)!r} holds {what}; this run is {made_from}.", remedy)
    if not foreign:
        for kept in WORK:
            shutil.rmtree(folder / kept, ignore_errors=True)
    given = {} if settings is None else {"settings": dict(settings)}
    write_atomic(owner, json.dumps({"fingerprint": made_from, **given}) + "\n")


def _differences(held: Any, settings: Mapping[str, Any] | None) -> str:
    theirs = held.get("settings") if isinstance(held, dict) else None
    if settings is None or not isinstance(theirs, dict):
        return ""
    ours = json.loads(json.dumps(dict(settings)))
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    changed = "; ".join(f"{name}={theirs.get(name)!r} there, {ours.get(name)!r} here" for name in names)
    return f": {changed}" if changed else ", made by other code or versions"
