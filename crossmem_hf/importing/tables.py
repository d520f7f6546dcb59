# SPDX-License-Identifier: Apache-2.0
"""Records of a table, one after another, from a file, a folder or the Hub, and the pictures that their cells name.

It does not know what the columns mean. A picture is only ever read from the table itself or from the folder that was
given: what a table says is not trusted with other files.
"""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmem_hf.data.loading import published_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.columns import BadRecordError, Record, short

TABLES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
_BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Where records are.

    Attributes:
        source: A file, a folder that `datasets` can load, or a Hub name.
        config: Config of a folder or Hub dataset; None for its only one.
        split: Split of a folder or Hub dataset.
    """

    source: str
    config: str | None = None
    split: str = "train"

    @property
    def name(self) -> str:
        """What to call it in an error."""
        return Path(self.source).name if self.is_file else "/".join(filter(None, (self.source, self.config)))

    @property
    def is_file(self) -> bool:
        """Whether it is one file."""
        return Path(self.source).is_file()

    def records(self) -> Iterator[tuple[str, Record]]:
        """(where it is, the record), in order; a few at a time, but a JSON array is read whole.

        Raises:
            CrossmemError: It cannot be read; the line is named where there are lines.
        """
        if not self.is_file:
            if not Path(self.source).is_dir() and (self.source.startswith((".", "/")) or Path(self.source).suffix):
                raise CrossmemError(f"There is no table {self.source!r}.", "Check the path.")
            yield from self._loaded()
            return
        path = Path(self.source)
        if path.suffix not in TABLES:
            raise CrossmemError(
                f"{path.name!r} is none of {', '.join(TABLES)}.", "Convert it, or give a folder or Hub name."
            )
        try:
            yield from _READERS[path.suffix](path)
        except (OSError, ValueError, csv.Error) as error:
            if isinstance(error, CrossmemError):
                raise
            raise CrossmemError(
                f"{path.name!r} cannot be read: {' '.join(str(error).split()).rstrip('.')}.", "Correct the file."
            ) from error

    def _loaded(self) -> Iterator[tuple[str, Record]]:
        from datasets import ClassLabel

        rows = published_rows(self.source, self.config or "default", self.split)
        named = {name: kind for name, kind in rows.features.items() if isinstance(kind, ClassLabel)}
        number = 0
        for batch in rows.with_format("arrow").iter(batch_size=_BATCH):  # pictures stay as they are stored
            for record in batch.to_pylist():
                for name, kind in named.items():
                    record[name] = None if record[name] is None else kind.int2str(record[name])
                yield f"row {number} of {self.name}", record
                number += 1


def parts_of(
    source: str, parts: Sequence[str], *, config: str | None = None, split: str = "train"
) -> dict[str | None, Table]:
    """Split -> its table; one table under None if there are no parts.

    Args:
        source: A file, a folder or a Hub name.
        parts: ``SPLIT=WHERE``: a config of the dataset, or a file in the folder.
        config: Of a dataset without parts.
        split: Of a dataset.

    Raises:
        CrossmemError: A part that says nothing, twice the same, or parts of a file.

    Example:
        >>> parts_of("somebody/faces", ["forget=forget_5"])["forget"].config
        'forget_5'
    """
    if not parts:
        return {None: Table(source=source, config=config, split=split)}
    if Path(source).is_file():
        raise CrossmemError(f"{source!r} is one file and has no parts.", "Give the folder, and the files as parts.")
    found: dict[str | None, Table] = {}
    for part in parts:
        name, sign, where = part.partition("=")
        if not sign or not where or not re.fullmatch(r"\w+", name) or name in found:
            raise CrossmemError(
                f"The part {part!r} is not SPLIT=WHERE, each split once.", "Write for instance forget=forget_5."
            )
        file = Path(source) / where
        if Path(source).is_dir() and file.resolve().is_relative_to(Path(source).resolve()) and file.is_file():
            found[name] = Table(source=str(file))
        else:
            found[name] = Table(source=source, config=where, split=split)
    return found


def picture_in(value: Any, folder: Path | None) -> Path | bytes:
    """The picture that a cell holds, or the file that it names.

    Args:
        value: Bytes; a path; or both, as `datasets` keeps pictures: ``{"bytes": ..., "path": ...}``.
        folder: Where files are looked for; None if the table must hold the pictures itself.

    Raises:
        BadRecordError: Neither, a file that is not there, or one outside of the folder.
    """
    if isinstance(value, dict) and value.get("bytes"):
        return bytes(value["bytes"])
    if isinstance(value, bytes) and value:
        return value
    name = value.get("path") if isinstance(value, dict) else value
    if not isinstance(name, str) or not name or "\0" in name:
        raise BadRecordError(f"its picture is {short(value)}; expected a file's name or its bytes")
    if folder is None:
        raise BadRecordError(f"its picture is the file {short(name)}, and no folder of pictures was given")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise BadRecordError(f"its picture {short(name)} lies outside of the folder of pictures")
    if not path.is_file():
        raise BadRecordError(f"its picture {short(name)} is not in the folder of pictures")
    return path


def _lines(path: Path) -> Iterator[tuple[str, Record]]:
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                raise CrossmemError(
                    f"Line {number} of {path.name!r} is not JSON: {error.msg} at column {error.colno}.", "Correct it."
                ) from error
            yield f"line {number} of {path.name}", _record(value, f"line {number}", path)


def _array(path: Path) -> Iterator[tuple[str, Record]]:
    """A JSON array of records; or, as some call it, a file of one record a line."""
    with path.open(encoding="utf-8-sig") as stream:
        start = stream.read(1024).lstrip()[:1]
        stream.seek(0)
        if start != "[":
            yield from _lines(path)
            return
        for number, record in enumerate(json.load(stream)):
            yield f"record {number} of {path.name}", _record(record, f"record {number}", path)


def _record(value: Any, where: str, path: Path) -> Record:
    if not isinstance(value, dict):
        raise CrossmemError(
            f"{where.capitalize()} of {path.name!r} is {short(value)}; expected a JSON object.", "Correct the file."
        )
    return value


def _cells(path: Path) -> Iterator[tuple[str, Record]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
        for record in reader:
            if None in record or None in record.values():
                raise CrossmemError(
                    f"Line {reader.line_num} of {path.name!r} has not as many cells as the first line has names.",
                    "Put cells that contain a comma or a line break in double quotes.",
                )
            yield f"line {reader.line_num} of {path.name}", record


def _parquet(path: Path) -> Iterator[tuple[str, Record]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            batches = (batch.to_pylist() for batch in file.iter_batches(batch_size=_BATCH))
            for number, record in enumerate(record for batch in batches for record in batch):
                yield f"row {number} of {path.name}", record
    except pyarrow.ArrowException as error:
        raise CrossmemError(f"Parquet file {path.name!r} is corrupt: {error}.", "Download it again.") from error


_READERS = {".jsonl": _lines, ".json": _array, ".csv": _cells, ".tsv": _cells, ".parquet": _parquet}
