# SPDX-License-Identifier: Apache-2.0
"""Tables of cells between commas, semicolons or tabs, as spreadsheets and pandas write them.

It knows how cells are told apart and which are empty, not what the columns mean.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.columns import Record
from crossmem_hf.importing.decoding import encoding_of, report_once
from crossmem_hf.importing.missing import ERRORS, Written

_USUAL = {".csv": ",", ".tsv": "\t", ".txt": "\t"}  # Excel calls its "Unicode text" .txt
_LOOKED_AT = 100  # rows, to see what separates cells
_LARGEST_CELL = 2**30  # characters; the limit of csv is 131,072, less than some pictures and lists
_HINT = re.compile(r'"?sep=(.)"?\s*')  # by which Excel is told what separates cells
_EMPTY = frozenset({"", "NaN", "nan", *ERRORS})
_FLOAT = re.compile(r"-?(0|[1-9]\d*)[.,]0", re.ASCII)


def cells(path: Path) -> Iterator[tuple[str, Record]]:
    """(where it is, the record) of each line below the names; None for an empty cell. Empty lines are passed over.

    Empty is a cell without anything but blanks, exactly ``nan`` or ``NaN`` as pandas may write it, and a spreadsheet's
    error, ``#N/A`` and its kin. NA, null and None are texts, because people are called so.

    Raises:
        CrossmemError: It is not clear what separates cells; two columns have one name; a line has other cells than
            there are names, or a quote that nobody closes; a NUL character. The line is named.
        OSError, UnicodeDecodeError: The file cannot be read.
    """
    num_empty = 0
    with _rows(path, _separator(path)) as rows:
        names = _names(path, rows)
        for number, row in rows:
            if not any(cell.strip() for cell in row):
                num_empty += bool(row)
                continue
            _check_row(path, number, row, len(names))
            record = {name: _value(cell) for name, cell in zip(names, row, strict=True) if name}
            yield f"line {number} of {path.name}", record
    if num_empty:
        report_once(path, f"{path.name!r} has {num_empty} line(s) of empty cells only, which were passed over.")


@contextmanager
def _rows(path: Path, separator: str) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """(number of its last line, its cells) of each row, the line that tells Excel the separator left out."""
    csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_CELL))
    with path.open(encoding=encoding_of(path), newline="") as stream:
        hinted = _HINT.fullmatch(stream.readline())
        if not hinted:
            stream.seek(0)
        yield _numbered(path, csv.reader(stream, delimiter=separator, strict=True), bool(hinted))


def _numbered(path: Path, reader: Any, before: int) -> Iterator[tuple[int, list[str]]]:
    number = before
    try:
        for row in reader:
            number = reader.line_num + before
            yield number, row
    except csv.Error as error:
        raise CrossmemError(
            f"Line {number + 1} of {path.name!r} cannot be divided into cells: {error}.",
            "Close each double quote before the next separator, and write one inside of a cell twice.",
        ) from error


def _separator(path: Path) -> str:
    """What separates cells: whatever gives all of the first rows as many cells as there are names, and more than one.

    Raises:
        CrossmemError: Both commas and semicolons do.
    """
    with path.open(encoding=encoding_of(path), newline="") as stream:
        hinted = _HINT.fullmatch(stream.readline())
    if hinted:
        return hinted[1]
    usual = _USUAL[path.suffix.lower()]
    widths = {separator: _widths(path, separator) for separator in dict.fromkeys((usual, "\t", ";", ","))}
    even = [separator for separator, found in widths.items() if len(set(found)) == 1 and found[0] > 1]
    if "\t" in even:  # nobody writes tabs into names
        return "\t"
    if len(even) > 1:
        raise CrossmemError(
            f"Cells of {path.name!r} may be separated by commas or by semicolons: both are in every line.",
            "Put cells that contain either in double quotes, or begin the file with a line 'sep=;' or 'sep=,'.",
        )
    if even:
        return even[0]
    named = {separator: found[0] for separator, found in widths.items() if found and found[0] > 1}
    return usual if usual in named or not named else max(named, key=lambda separator: named[separator])


def _widths(path: Path, separator: str) -> list[int]:
    """How many cells the first rows have; a row that cannot be read counts as one without any."""
    found: list[int] = []
    try:
        with _rows(path, separator) as rows:
            for _, row in islice(rows, _LOOKED_AT):
                found += [len(row)] if row else []
    except CrossmemError:
        found.append(0)
    return found


def _names(path: Path, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The names of the columns, without blanks around them; a column without a name is nobody's."""
    number, row = next(((number, row) for number, row in rows if row), (1, []))
    names = [cell.strip() for cell in row]
    twice = [name for place, name in enumerate(names) if name and name in names[:place]]
    if twice:
        raise CrossmemError(f"{path.name!r} has two columns {twice[0]!r}.", "Rename one of them.")
    _check_no_nul(path, number, names)
    return names


def _check_row(path: Path, number: int, row: Sequence[str], num_names: int) -> None:
    if len(row) != num_names:
        raise CrossmemError(
            f"Line {number} of {path.name!r} has not as many cells as the first line has names: {len(row)} for "
            f"{num_names}.",
            "Put cells that contain a comma, a semicolon, a tab or a line break in double quotes.",
        )
    _check_no_nul(path, number, row)


def _check_no_nul(path: Path, number: int, row: Sequence[str]) -> None:
    if any("\0" in cell for cell in row):
        raise CrossmemError(
            f"Line {number} of {path.name!r} holds a NUL character, so it is no text, or in another encoding.",
            "Save the file as UTF-8.",
        )


def _value(cell: str) -> "str | Written | None":
    if cell.strip() in _EMPTY:
        return None
    return Written(cell) if _FLOAT.fullmatch(cell) else cell
