# SPDX-License-Identifier: Apache-2.0
"""Values of a record of somebody else's table: nested columns, options of a choice, lists spread over rows.

It does not know what the values mean.
"""

import json
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

Record = Mapping[str, Any]


class BadRecordError(ValueError):
    """Why a record gives no row; whoever knows its number says which it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Where one value of a row comes from. In YAML a bare word is the column of that name.

    Attributes:
        column: Column, or with dots a field of one: ``qa_list.question``.
        value: The value of every row, where there is no column for it.
        values: What the column's values are called here; one that is not listed is an error.
        at: Column that says which of the options in `column` (a mapping, or a list) is meant.
        not_at: Likewise, but all the others are.
        last: Only the last part of a path, for tables written on another machine: ``data/faces/7.jpg`` is ``7.jpg``.
    """

    column: str | None = None
    value: Any = None
    values: Mapping[str, Any] | None = None
    at: str | None = None
    not_at: str | None = None
    last: bool = False

    def of(self, record: Record) -> Any:
        """The value of a record; None where its column holds nothing.

        Raises:
            BadRecordError: There is no such column or option, or a value that `values` does not list.
        """
        if self.column is None:
            return self.value
        value = found(record, self.column)
        if self.at is not None:
            value = _options(value, found(record, self.at), self)[0]
        elif self.not_at is not None:
            value = _options(value, found(record, self.not_at), self)[1]
        if self.values is not None and value is not None:
            if str(value) not in self.values:
                raise BadRecordError(f"{self.column!r} is {short(value)}; the mapping lists {', '.join(self.values)}")
            return self.values[str(value)]
        if self.last and isinstance(value, str):
            return re.split(r"[/\\]", value)[-1]
        return value


def found(record: Record, path: str) -> Any:
    """What a column holds; a name with dots is looked for as it is before it is taken apart."""
    path = normalize("NFC", path)  # as the records have it
    if path in record:
        return record[path]
    for place, sign in enumerate(path):
        if sign == "." and path[:place] in record:
            inner = unpacked(record[path[:place]])
            if isinstance(inner, Mapping):
                return found(inner, path[place + 1 :])
    raise BadRecordError(f"it has no {path!r}; there are {', '.join(map(str, record)) or 'no columns'}")


def unpacked(value: Any) -> Any:
    """A list or mapping, also if a cell holds it as JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _options(options: Any, chosen: Any, column: Column) -> tuple[Any, list[Any]]:
    """(the option that is meant, all others); options are a mapping by letter, or a list by number from 0."""
    options = unpacked(options)
    numbered = dict(enumerate(options)) if isinstance(options, Sequence) and not isinstance(options, str) else options
    if not isinstance(numbered, Mapping):
        raise BadRecordError(f"{column.column!r} is {short(options)}; expected a list or mapping of options")
    listed = {str(key): option for key, option in numbered.items() if option is not None}
    if str(chosen) not in listed:
        raise BadRecordError(f"{column.at or column.not_at!r} is {short(chosen)}; the options are {', '.join(listed)}")
    return listed[str(chosen)], [option for key, option in listed.items() if key != str(chosen)]


def exploded(record: Record, paths: Sequence[str]) -> Iterator[tuple[str, Record]]:
    """(where it was, the record with one item in the place of each list)."""
    if not paths:
        yield "", record
        return
    items = unpacked(found(record, paths[0]))
    if items is None:
        return
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise BadRecordError(f"{paths[0]!r} is {short(items)}; expected a list")
    for number, item in enumerate(items):
        for where, single in exploded(_with(record, paths[0], item), paths[1:]):
            yield f"item {number} of {paths[0]!r}: {where}", single


def _with(record: Record, path: str, item: Any) -> Record:
    path = normalize("NFC", path)
    if path in record:
        return {**record, path: item}
    for place, sign in enumerate(path):
        if sign == "." and path[:place] in record:
            return {**record, path[:place]: _with(unpacked(record[path[:place]]), path[place + 1 :], item)}
    return record


def short(value: Any) -> str:
    """A value as it may be shown: at most about a line."""
    return reprlib.repr(value)
