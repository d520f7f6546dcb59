# SPDX-License-Identifier: Apache-2.0
"""What an import leaves out of a folder and of files, told in sentences. It does not know what became of the rest."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from crossmem_hf.pictures.reading import is_picture

_NUM_LISTED = 5
_JUNK = frozenset(
    {"__macosx", "@eadir", ".ds_store", ".localized", "thumbs.db", "ehthumbs.db", "desktop.ini"}
    | {"$recycle.bin", "system volume information", "lost+found"}
)


def is_junk(path: Path) -> bool:
    """Whether a system put a file or folder there by itself: notes of macOS, Windows and network drives.

    Example:
        >>> [is_junk(Path(name)) for name in ("__MACOSX", "._1.jpg", "Thumbs.db", "1.jpg")]
        [True, True, True, False]
    """
    return path.name.lower() in _JUNK or path.name.startswith("._")


def left_lying(root: Path, used: Collection[Path], *, listed: str = "") -> str:
    """A sentence on every file below a folder that was not used; empty if there is none. Junk is counted only.

    Args:
        root: The folder.
        used: Files that became part of the import, resolved.
        listed: The file that lists the pictures; empty if folders are people.
    """
    junk, others = [], []
    for path in _files(root):
        if any(is_junk(part) for part in _parts(path, root)):
            junk.append(path)
        elif path.resolve() not in used:
            others.append(path)
    passed = f"Passed over {_files_of(len(junk))} that systems leave, such as {junk[0].name}." if junk else ""
    return " ".join(filter(None, [_listed_as(others, root, listed), passed]))


def left_in_files(notes: Mapping[str, str]) -> str:
    """A sentence on the pictures that files hold besides the one that was taken; empty if there are none.

    Args:
        notes: File -> what was taken of it, as `crossmem_hf.importing.pictures.check_picture` says; empty if all.

    Example:
        >>> left_in_files({"ann/1.gif": "the first of 9 frames"})
        'Took one picture of each of 1 file that holds several: ann/1.gif (the first of 9 frames).'
    """
    parts = [f"{where} ({note})" for where, note in notes.items() if note]
    if not parts:
        return ""
    held = "holds" if len(parts) == 1 else "hold"
    return f"Took one picture of each of {_files_of(len(parts))} that {held} several: {_listed(parts)}."


def _listed_as(paths: list[Path], root: Path, listed: str) -> str:
    if not paths:
        return ""
    shown = [f"{path.relative_to(root).as_posix()} ({_why(path, root, listed)})" for path in paths[: _NUM_LISTED + 1]]
    return f"Skipped {_files_of(len(paths))}: {_listed(shown)}."


def _listed(parts: list[str]) -> str:
    return ", ".join([*parts[:_NUM_LISTED], *(["..."] if len(parts) > _NUM_LISTED else [])])


def _why(path: Path, root: Path, listed: str) -> str:
    if any(part.name.startswith(".") for part in _parts(path, root)):
        return "hidden"
    if not is_picture(path):
        return "no picture that can be shown"
    return f"not in {listed}" if listed else "not directly in a person's folder"


def _files_of(count: int) -> str:
    return f"{count:,} file" + "s" * (count != 1)


def _parts(path: Path, root: Path) -> list[Path]:
    return [Path(part) for part in path.relative_to(root).parts]


def _files(root: Path) -> Iterator[Path]:
    """Every file below a folder, in order; a link to a folder is not followed."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        yield from (Path(folder) / name for name in sorted([*names, *links]))
