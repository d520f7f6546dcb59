# SPDX-License-Identifier: Apache-2.0
"""Finished work on disk, a line a unit. It does not know what was worked out, or who shares the work."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from crossmem_hf.errors import CrossmemError

JSON = Any  # what `json` can say: None, booleans, numbers (NaN and Infinity too), strings, lists, string-keyed dicts
Results = dict[int, list[JSON]]  # unit -> one result a row


@dataclass(frozen=True, slots=True)
class ResultsLog:
    """A folder with one append-only file a process, a line a unit.

    A line is ``{"fingerprint": ..., "unit": ..., "results": [...]}``. NaN and infinities are written as Python's
    `json` writes them, and read back the same.

    Attributes:
        folder: Made when something is written; None keeps nothing.
        fingerprint: Of everything the results depend on.
    """

    folder: Path | None
    fingerprint: str

    def read(self, process: int = 0, num_processes: int = 1) -> Results:
        """What the files hold, or one process's share of it; a line that is cut short is a unit not done.

        Raises:
            CrossmemError: A file holds results made from something else.
        """
        found = Results()
        paths = sorted(self.folder.glob("*.jsonl")) if self.folder else []
        for path in paths[process::num_processes]:
            for line in path.read_bytes().splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                found_in = entry.get("fingerprint") if isinstance(entry, dict) else None
                if found_in != self.fingerprint:
                    raise CrossmemError(
                        f"The results log {str(path)!r} holds results made from something else "
                        f"(fingerprint {found_in}; these are {self.fingerprint}).",
                        "Use another folder, or delete that one.",
                    )
                if isinstance(entry.get("unit"), int) and isinstance(entry.get("results"), list):
                    found[entry["unit"]] = entry["results"]
        return found

    def write(self, unit: int, results: list[JSON], process: int = 0) -> None:
        """Add a unit to the file of a process; it is on the disk when this returns.

        Raises:
            CrossmemError: It could not be written.
        """
        if self.folder is None:
            return
        path = self.folder / f"{process}.jsonl"
        line = json.dumps({"fingerprint": self.fingerprint, "unit": unit, "results": results})
        try:
            append_line(path, line.encode())
        except OSError as error:
            raise CrossmemError(
                f"Could not write the results log {str(path)!r}: {error.strerror or error}; finished units are kept.",
                "Free some space and run again; it goes on from there.",
            ) from error


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file, which is made if need be; it is on the disk when this returns.

    A last line that was cut short stays a line of its own.

    Raises:
        OSError: It could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        stream.write((line if _is_whole(stream) else b"\n" + line) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _is_whole(stream: IO[bytes]) -> bool:
    """Whether a file is empty or its last line has its end."""
    if stream.seek(0, os.SEEK_END) == 0:
        return True
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) == b"\n"
