# SPDX-License-Identifier: Apache-2.0
"""The table that a Space's visitor fills in: read from CSV, JSON or JSON lines, and turned into columns.

Owns the limits and the messages about a cell. Knows no metric and no page. Standard library only. Every Space's folder
holds a link to this file.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

MAX_ROWS = 2_000
MAX_BYTES = 2_000_000
MAX_CELL = 20_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Args:
        name: Its header, as a file spells it.
        about: What belongs in it, in a few words.
        needed: A file without it is refused; other columns may be left empty.
        width: Of the column on the page; 1 is room for about four characters.
    """

    name: str
    about: str
    needed: bool = True
    width: int = 2


def read_table(raw: bytes | str, columns: Sequence[Column]) -> list[list[str]]:
    """Rows of cells in the order of `columns`, from CSV with a header, a JSON list of objects, or JSON lines.

    Lists in JSON become numbers between commas (or names between bars), as a visitor would type them.

    Raises:
        ValueError: Not UTF-8, too large, no such format, or a column that is needed is missing; it is named.
    """
    size = len(raw)
    if size > MAX_BYTES:
        raise ValueError(
            f"{size:,} bytes; expected at most {MAX_BYTES:,}. Take fewer rows, or use the metric in Python."
        )
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
    except UnicodeDecodeError:
        raise ValueError("Not text in UTF-8; expected CSV or JSON. Save the file as UTF-8.") from None
    records = _json_records(text) if text.lstrip()[:1] in ("[", "{") else _csv_records(text)
    if not records:
        raise ValueError("No rows; expected at least one below the header. Add a row.")
    if len(records) > MAX_ROWS:
        raise ValueError(f"{len(records):,} rows; expected at most {MAX_ROWS:,} here. Use the metric in Python.")
    given = {name for record in records for name in record}
    missing = [column.name for column in columns if column.needed and column.name not in given]
    if missing:
        expected = ", ".join(column.name for column in columns)
        raise ValueError(f"No column {', '.join(missing)}; expected {expected}. Name the columns in the first line.")
    return [[_cell(record.get(column.name)) for column in columns] for record in records]


def _csv_records(text: str) -> list[dict[str, Any]]:
    """One mapping a line."""
    try:
        reader = csv.DictReader(io.StringIO(text.strip()), skipinitialspace=True)
        records = []
        for record in reader:
            if None in record or None in record.values():
                raise ValueError(
                    f"Line {reader.line_num}: not {len(reader.fieldnames or ())} fields as in the first line. "
                    "Put a field that holds a comma in double quotes."
                )
            records.append(dict(record))
    except csv.Error as error:
        raise ValueError(f"No CSV: {error}; expected one row a line. Save the table as CSV again.") from None
    return records


def _json_records(text: str) -> list[dict[str, Any]]:
    """One mapping an entry, of a list or of lines."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError) as error:
            raise ValueError(f"No JSON: {error}; expected a list of objects. Check the brackets.") from None
    found = [found] if isinstance(found, dict) else found
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise ValueError('JSON, but no list of objects; expected one object a row. Write it like [{"name": 1}].')
    return found


def _cell(value: Any) -> str:
    """A JSON value as a visitor would type it."""
    if value is None or value != value:  # NaN is how pandas writes an empty cell
        return ""
    if isinstance(value, list):
        between = " | " if any(isinstance(item, str) for item in value) else ", "
        return between.join(_cell(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def filled_rows(cells: Sequence[Sequence[Any]]) -> tuple[list[list[str]], list[int]]:
    """Rows with anything in them, as text, and their places in the table.

    Raises:
        ValueError: None is filled, there are too many, or a cell is too long.
    """
    rows = [["" if cell is None else _CONTROL.sub("", str(cell)) for cell in row] for row in cells]
    places = [place for place, row in enumerate(rows) if any(cell.strip() for cell in row)]
    if not places:
        raise ValueError("The table is empty; expected at least one row. Choose an example, or fill in a row.")
    if len(places) > MAX_ROWS:
        raise ValueError(f"{len(places):,} rows; expected at most {MAX_ROWS:,} here. Use the metric in Python.")
    for place in places:
        if any(len(cell) > MAX_CELL for cell in rows[place]):
            raise ValueError(f"Row {place + 1}: a cell of over {MAX_CELL:,} characters. Shorten it.")
    return [rows[place] for place in places], places


def column(rows: Sequence[Sequence[str]], place: int, name: str, of: Callable[[str], T], example: str) -> list[T]:
    """Each row's cell at `place`, read by `of`.

    Raises:
        ValueError: `of` refuses a cell; the row, counted from 0, and an example of what is expected are named.
    """
    found = []
    for number, row in enumerate(rows):
        try:
            found.append(of(row[place]))
        except (ValueError, IndexError, OverflowError):
            shown = row[place] if place < len(row) else ""
            raise ValueError(f"Row {number}: {name} {shown!r:.80}. Write it like {example}.") from None
    return found


def optional_column(
    rows: Sequence[Sequence[str]], place: int, name: str, of: Callable[[str], T], example: str
) -> list[T] | None:
    """The same, or None where the whole column is empty.

    Raises:
        ValueError: As `column`; also where some cells are filled and others empty.
    """
    if not any(row[place].strip() for row in rows if place < len(row)):
        return None
    return column(rows, place, name, of, example)


def numbers(cell: str) -> list[float]:
    """Numbers between commas, semicolons or spaces; brackets around them are allowed."""
    return [float(word) for word in _words(cell)]


def whole_numbers(cell: str) -> list[int]:
    """Whole numbers, written in the same way."""
    return [int(word) for word in _words(cell)]


def _words(cell: str) -> list[str]:
    found = re.sub(r"[,;\s]+", " ", cell.strip().strip("[]()")).split()
    if not found:
        raise ValueError
    return found


def names(cell: str) -> list[str]:
    """Accepted spellings between bars."""
    return [name.strip() for name in cell.split("|")]


def filled(cell: str) -> str:
    """A cell that must hold something, without the spaces around it."""
    if not cell.strip():
        raise ValueError
    return cell.strip()
