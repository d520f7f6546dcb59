# SPDX-License-Identifier: Apache-2.0
"""Writing files whole or not at all, and naming what something was made from. It knows nothing about the contents."""

import hashlib
import json
import os
import tempfile
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


def fingerprint(value: object) -> str:
    """Sixteen hex digits that change whenever the JSON form of `value` does.

    Example:
        >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
        True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
