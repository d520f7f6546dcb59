# SPDX-License-Identifier: Apache-2.0
"""Records of a table, one after another, from a file, a folder or the Hub, and the pictures that their cells name.

It does not know what the columns mean. A picture is only ever read from the table itself or from the folder that was
given: what a table says is not trusted with other files.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmem_hf.data.loading import published_rows
from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.cells import cells
from crossmem_hf.importing.columns import BadRecordError, Record, short
from crossmem_hf.importing.decoding import encoding_of, text_of
from crossmem_hf.importing.missing import Place, Written, settled, whole_places

if TYPE_CHECKING:
    import pyarrow

TABLES = (".jsonl", ".json", ".csv", ".tsv", ".txt", ".parquet")
_OF_CELLS = (".csv", ".tsv", ".txt")
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

        What is missing is None in every format, and numbers have the digits of the file (see `missing`).

        Raises:
            CrossmemError: It cannot be read; the line is named where there are lines.
        """
        if not self.is_file:
            if not Path(self.source).is_dir() and (self.source.startswith((".", "/")) or Path(self.source).suffix):
                raise CrossmemError(f"There is no table {self.source!r}.", "Check the path.")
            yield from self._loaded()
            return
        path = Path(self.source)
        kind = path.suffix.lower()
        if kind not in TABLES:
            raise CrossmemError(
                f"{path.name!r} is none of {', '.join(TABLES)}.", "Convert it, or give a folder or Hub name."
            )
        try:
            state = path.stat()
            whole = _whole_places(path, state.st_mtime_ns, state.st_size)
            for where, record in _READERS[kind](path):
                found = settled(record, whole)
                yield where, _as_text(found) if kind in _OF_CELLS else found
        except (OSError, ValueError, RecursionError) as error:
            if isinstance(error, CrossmemError):
                raise
            raise CrossmemError(
                f"{path.name!r} cannot be read: {' '.join(str(error).split()).rstrip('.')}.", "Correct the file."
            ) from error

    def _loaded(self) -> Iterator[tuple[str, Record]]:
        from datasets import ClassLabel

        rows = published_rows(self.source, self.config or "default", self.split)
        named = {name: kind for name, kind in rows.features.items() if isinstance(kind, ClassLabel)}
        rows = rows.with_format("arrow")  # pictures stay as they are stored
        floats = _with_floats(rows.features.arrow_schema)
        batches = rows.select_columns(floats).iter(batch_size=1000) if floats else ()
        whole = whole_places(record for batch in batches for record in _written(batch))
        number = 0
        for batch in rows.iter(batch_size=_BATCH):
            for record in _written(batch):
                for name, kind in named.items():
                    record[name] = None if record[name] is None else kind.int2str(record[name])
                yield f"row {number} of {self.name}", settled(record, whole)
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
        if not sign or not where or not re.fullmatch(r"\w{1,50}", name) or name in found:
            raise CrossmemError(
                f"The part {part!r} is not SPLIT=WHERE, each split once, of at most 50 letters, digits and '_', "
                "without combining signs.",
                "Write for instance forget=forget_5.",
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
        raise BadRecordError(
            f"its picture is {short('' if value is None else value)}; expected a file's name or its bytes"
        )
    if folder is None:
        raise BadRecordError(f"its picture is the file {short(name)}, and no folder of pictures was given")
    path = _as_spelled(folder, name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise BadRecordError(f"its picture {short(name)} lies outside of the folder of pictures")
    if not path.is_file():
        raise BadRecordError(f"its picture {short(name)} is not in the folder of pictures")
    return path


def _as_spelled(folder: Path, name: str) -> Path:
    """The file of that name, however its letters are composed: macOS takes them apart, and archives keep that."""
    path = folder / name
    if path.exists() or name.isascii() or ".." in Path(name).parts or Path(name).is_absolute():
        return path
    path = folder
    for part in Path(name).parts:
        same = unicodedata.normalize("NFC", part)
        inner = sorted(path.iterdir()) if path.is_dir() and not (path / part).exists() else ()
        path = next((one for one in inner if unicodedata.normalize("NFC", one.name) == same), path / part)
    return path


@lru_cache(maxsize=64)  # a table is read twice
def _whole_places(path: Path, _changed: int, _size: int) -> frozenset[Place]:
    if path.suffix.lower() == ".parquet":
        return whole_places(record for _, record in _parquet(path, only_floats=True))
    return whole_places(record for _, record in _READERS[path.suffix.lower()](path))


def _as_text(record: Record) -> Record:
    return {name: str(value) if isinstance(value, int | Written) else value for name, value in record.items()}


def json_of(path: Path) -> Any:
    """What a JSON file holds, with None for what is missing and the digits of its numbers.

    Raises:
        CrossmemError: It is no text.
        OSError, ValueError: It cannot be read, or is no JSON.
        RecursionError: It is nested too deeply.
    """
    found = _loads(text_of(path))
    return settled(found, whole_places([found]))


def _loads(text: str) -> Any:
    return json.loads(text, parse_float=Written, parse_constant=_constant, object_pairs_hook=_no_repeats)


def _constant(name: str) -> str | None:
    """NaN is how pandas and Python write what is missing."""
    return None if name == "NaN" else name


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has {next(name for name in names if names.count(name) > 1)!r} twice in one object")
    return found


def _lines(path: Path) -> Iterator[tuple[str, Record]]:
    with path.open(encoding=encoding_of(path)) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                value = _loads(line)
            except json.JSONDecodeError as error:
                raise CrossmemError(
                    f"Line {number} of {path.name!r} is not JSON: {error.msg} at column {error.colno}.", "Correct it."
                ) from error
            except (ValueError, RecursionError) as error:
                raise CrossmemError(
                    f"Line {number} of {path.name!r} cannot be read: {error}.", "Correct it."
                ) from error
            yield f"line {number} of {path.name}", _record(value, f"line {number}", path)


def _array(path: Path) -> Iterator[tuple[str, Record]]:
    """A JSON array of records; or, as some call it, a file of one record a line."""
    with path.open(encoding=encoding_of(path)) as stream:
        start = stream.read(1024).lstrip()[:1]
    if start != "[":
        yield from _lines(path)
        return
    for number, record in enumerate(_loads(text_of(path))):
        yield f"record {number} of {path.name}", _record(record, f"record {number}", path)


def _record(value: Any, where: str, path: Path) -> Record:
    if not isinstance(value, dict):
        raise CrossmemError(
            f"{where.capitalize()} of {path.name!r} is {short(value)}; expected a JSON object.", "Correct the file."
        )
    return value


def _parquet(path: Path, *, only_floats: bool = False) -> Iterator[tuple[str, Record]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            columns = _with_floats(file.schema_arrow) if only_floats else None
            if columns == []:
                return
            batches = map(_written, file.iter_batches(batch_size=_BATCH, columns=columns))
            for number, record in enumerate(record for batch in batches for record in batch):
                yield f"row {number} of {path.name}", record
    except pyarrow.ArrowException as error:
        raise CrossmemError(f"Parquet file {path.name!r} is corrupt: {error}.", "Download it again.") from error


def _with_floats(schema: "pyarrow.Schema") -> list[str]:
    """The columns that hold floats, be it deep inside."""
    return [field.name for field in schema if re.search(r"\b(halffloat|float|double)\b", str(field.type))]


def _written(batch: "pyarrow.RecordBatch | pyarrow.Table") -> list[dict[str, Any]]:
    """The records of a batch; single floats as the shortest digits that stand for them, 0.1 and not 0.10000000149."""
    import pyarrow

    records: list[dict[str, Any]] = batch.to_pylist()
    for field in batch.schema:
        if pyarrow.types.is_float32(field.type):
            for record, digits in zip(records, batch[field.name].cast(pyarrow.string()).to_pylist(), strict=True):
                exact = record[field.name]
                if exact is not None and not exact.is_integer():
                    record[field.name] = Written(digits)
    return records


_READERS = {".jsonl": _lines, ".json": _array, ".parquet": _parquet, **dict.fromkeys(_OF_CELLS, cells)}
