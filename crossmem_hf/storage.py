# SPDX-License-Identifier: Apache-2.0
"""Writing files whole or not at all, and naming what something was made from. It knows nothing about the contents."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossmem_hf.errors import CrossmemError


def write_atomic(path: str | os.PathLike[str], data: str | bytes) -> Path:
    """The path, once it holds all of `data`; on any failure the old file is intact.

    Raises:
        CrossmemError: The file could not be written (disk full, no permission); the cause is chained.
    """
    target = Path(path)
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data.encode() if isinstance(data, str) else data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise CrossmemError(
            f"Could not write {str(target)!r}: {error.strerror or error}; an earlier file there is unchanged.",
            "Free some space or choose another folder, and run again.",
        ) from error
    return target


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """A new, empty folder that takes the place of `target` when the block ends well; else what was there stays.

    Everything is written into a hidden folder beside it. Whether an earlier one may go is for the caller to know.

    Raises:
        CrossmemError: Something could not be written; the system's reason is in it.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        (temporary / "new").mkdir()
        yield temporary / "new"
        _swap(temporary / "new", target, temporary / "old")
    except OSError as error:
        raise CrossmemError(
            f"Could not write {str(target)!r}: {error.strerror or error}; an earlier one there is unchanged.",
            "Free some space or choose another folder, and run again.",
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, target: Path, old: Path) -> None:
    """Put `new` in the place of `target`, which goes to `old`; if that fails, it is put back."""
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise


def fingerprint(value: object) -> str:
    """Sixteen hex digits that change whenever the JSON form of `value` does.

    Example:
        >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
        True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
