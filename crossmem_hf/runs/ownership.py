# SPDX-License-Identifier: Apache-2.0
"""Folders that are written whole, and the note in each of which files are ours, so that no foreign file is ever lost.

It does not know what the files are for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.storage import file_digest, write_atomic


@dataclass(frozen=True, slots=True)
class Owned:
    """What a folder's note says.

    Attributes:
        fingerprint: What the files were made from.
        files: Name within the folder -> SHA-256, of each file but the note.
        about: Whatever else was noted.
    """

    fingerprint: str
    files: Mapping[str, str]
    about: Mapping[str, Any]


def write_note(folder: Path, note: str, made_from: str, files: Mapping[str, str], **about: Any) -> None:
    """Note in the file `note` which files of a folder are ours.

    Args:
        files: See `digests`.
        about: What else to note, JSON types only.

    Raises:
        CrossmemError: It could not be written.
    """
    content = {"fingerprint": made_from, "files": dict(files), **about}
    write_atomic(folder / note, json.dumps(content, indent=2, sort_keys=True) + "\n")


def digests(folder: Path, note: str) -> dict[str, str]:
    """Name -> SHA-256 of each file of a folder but the note."""
    return {name: file_digest(folder / name) for name in _names(folder) if name != note}


def owned_files(folder: Path, note: str, *, writer: str) -> Owned:
    """What the note of a folder says, once all its files are seen to be ours; they may have been changed or removed.

    Args:
        writer: Who writes such folders, to complete "not made by".

    Raises:
        CrossmemError: There is no readable note, or a foreign file, which would be lost with the folder.
    """
    try:
        content = json.loads((folder / note).read_text(encoding="utf-8"))
        about = {name: value for name, value in content.items() if name not in ("fingerprint", "files")}
        found = Owned(str(content["fingerprint"]), dict(content["files"]), about)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CrossmemError(
            f"{str(folder)!r} exists and has no readable {note}, so it was not made by {writer}.",
            "Move it away or choose another folder.",
        ) from error
    foreign = [name for name in _names(folder) if name != note and name not in found.files]
    if foreign:
        raise CrossmemError(
            f"{str(folder)!r} holds {foreign[0]!r}, which was not written by {writer} ({len(foreign)} such files).",
            "Move them away or choose another folder; they would be lost.",
        )
    return found


def _names(folder: Path) -> list[str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return [path.relative_to(folder).as_posix() for path in files]
