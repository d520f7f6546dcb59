# SPDX-License-Identifier: Apache-2.0
"""A table on a console of any width. It knows rows and columns, and not what they say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import rich.table
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

_WORDS: Final = 24
"""Characters that a column of words keeps at least, where it is broken into lines."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Prints a table whose numbers are never cut: where not all columns fit, tables under one another that each begin
    with the columns that say what a row is about. Fields as of `tables.Table`; markup in cells is not followed."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int]
    wrapped: frozenset[int]
    styles: tuple[str, ...]
    note: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[rich.table.Table | str]:
        for place, columns in enumerate(self.parts(options.max_width)):
            if place:
                yield ""
            yield self._table(columns)
        if self.note:
            yield self.note

    def parts(self, width: int) -> list[list[int]]:
        """Numbers of the columns that stand side by side in so many characters."""
        about = list(range(min(self.right, default=1)))
        parts: list[list[int]] = []
        for place in range(len(about), len(self.heads)):
            if not parts or self._width([*parts[-1], place]) > width:
                parts.append([*about])
            parts[-1].append(place)
        return parts or [about]

    def _width(self, columns: Sequence[int]) -> int:
        return sum(map(self._least, columns)) + len(columns) - 1

    def _least(self, place: int) -> int:
        """Characters that a column needs."""
        lines = [line for cell in self._column(place) for line in cell.split("\n")]
        whole = max(map(cell_len, lines), default=0)
        if place not in self.wrapped:
            return whole
        longest = max((cell_len(word) for line in lines for word in line.split()), default=0)
        return min(whole, max(_WORDS, longest))

    def _column(self, place: int) -> list[str]:
        return [row[place] for row in (self.heads, *self.rows)]

    def _table(self, columns: Sequence[int]) -> rich.table.Table:
        table = rich.table.Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
        for place in columns:
            is_number = place in self.right
            table.add_column(
                Text(self.heads[place]),
                justify="right" if is_number else "left",
                no_wrap=place not in self.wrapped,
                min_width=self._least(place) if is_number else None,
                overflow="fold",
            )
        for row, style in zip(self.rows, self.styles or [""] * len(self.rows), strict=True):
            table.add_row(*(Text(row[place]) for place in columns), style=style or None)
        return table
