# SPDX-License-Identifier: Apache-2.0
"""Tables: one maker for terminals, Markdown, CSV and notebooks, and what a record's measurements look like in it. It
computes nothing but means over seeds."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean

from crossmem_hf.report.numbers import significant, whole
from crossmem_hf.report.record import (
    SEEDS_NOTE,
    Failure,
    Measurement,
    Record,
    Value,
    Verdict,
    Where,
    ordered,
    words_of,
)
from crossmem_hf.report.terminal import Fitted

NOTHING = "–"
_UNITS = {"proportion": "0-1", "standard deviations": "sd"}
_LEFT_OUT = "attribute"  # seven lines a metric; they are in the record


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of text under heads.

    Attributes:
        right: Numbers of the columns that are set to the right.
        wrapped: Numbers of the columns that a terminal may break into lines.
        styles: How `terminal` prints each row; empty for all alike.
        note: What stands under the table, if anything.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    wrapped: frozenset[int] = frozenset()
    styles: tuple[str, ...] = ()
    note: str = ""

    def markdown(self) -> str:
        """The table in Markdown, cells escaped."""
        rule = ["---:" if place in self.right else "---" for place in range(len(self.heads))]
        rows = [[_escaped(cell) for cell in row] for row in (self.heads, *self.rows)]
        lines = "".join("| " + " | ".join(row) + " |\n" for row in (rows[0], rule, *rows[1:]))
        return f"{lines}\n{self.note}\n" if self.note else lines

    def terminal(self) -> Fitted:
        """The table for a console of any width; markup in cells is not followed. A line break in a head is kept."""
        return Fitted(self.heads, self.rows, self.right, self.wrapped, self.styles, self.note)

    def csv(self) -> str:
        """Comma-separated values, heads first."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([self.heads, *self.rows])
        return out.getvalue()

    def html(self) -> str:
        """An HTML table, cells escaped."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.heads)
        body = ""
        for row in self.rows:
            cells = (f"<td{_RIGHT * (place in self.right)}>{escape(cell)}</td>" for place, cell in enumerate(row))
            body += f"<tr>{''.join(cells)}</tr>"
        note = f"<caption>{escape(self.note)}</caption>" if self.note else ""
        return f"<table>{note}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    _repr_html_ = html

    def __str__(self) -> str:
        lines = [cell.split("\n") for cell in self.heads]
        height = max(map(len, lines), default=0)
        heads = [tuple(cell[line] if line < len(cell) else "" for cell in lines) for line in range(height)]
        widths = [max(map(len, column)) for column in zip(*heads, *self.rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if place in self.right else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (*heads, *self.rows)
        )


_RIGHT = ' style="text-align: right"'


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def without_seed(where: Where) -> dict[str, Value]:
    """The place without its seed."""
    return {name: value for name, value in where.items() if name != "seed"}


def over_seeds(measurements: Iterable[Measurement]) -> tuple[Measurement, ...]:
    """One measurement a metric and place: the pooled one, that of the only seed, or the mean over seeds with the
    number of seeds as its n and no interval."""
    groups: dict[tuple[str, tuple[tuple[str, Value], ...]], list[Measurement]] = {}
    for m in measurements:
        groups.setdefault((m.metric, tuple(without_seed(m.where).items())), []).append(m)
    return tuple(_pooled(group) for group in groups.values())


def _pooled(group: list[Measurement]) -> Measurement:
    pooled = next((m for m in group if m.seed is None), None)
    if pooled is not None or len(group) == 1:
        return pooled or group[0]
    kept = {**group[0].model_dump(), "where": without_seed(group[0].where), "ci": None, "n": len(group)}
    return Measurement(**{**kept, "value": fmean(m.value for m in group), "note": "mean over seeds"})


def measurement_table(measurements: Sequence[Measurement]) -> Table:
    """A row a measurement: metric, each key of any place, value, interval, n, chance, unit, what greater means; a
    column without any content is left out."""
    keys = list(ordered({name: "" for m in measurements for name in m.where}))
    heads = ("metric", *keys, "value", "95 % interval", "n", "chance", "unit", "greater means", "note")
    rows = [_row(m, keys) for m in measurements]
    kept = [place for place in range(len(heads)) if heads[place] == "value" or any(row[place] for row in rows)]
    numbers = {1 + len(keys) + place for place in range(4)}
    return Table(
        tuple(heads[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in rows),
        right=frozenset(at for at, place in enumerate(kept) if place in numbers),
        note=seeds_note(measurements),
    )


def seeds_note(measurements: Iterable[Measurement]) -> str:
    """`SEEDS_NOTE` if the interval of any of them has a mark, else nothing."""
    return SEEDS_NOTE if any(m.seeds_mark for m in measurements) else ""


def _row(m: Measurement, keys: Sequence[str]) -> tuple[str, ...]:
    about = (str(m.where[name]) if name in m.where else "all" for name in keys)
    ends = "" if m.ci is None else f"{significant(m.ci[0])} to {significant(m.ci[1])}{m.seeds_mark}"
    chance = "" if m.chance is None else significant(m.chance)
    return m.metric, *about, significant(m.value), ends, str(m.n), chance, m.unit, m.greater_means, m.note


def grouped_tables(measurements: Iterable[Measurement]) -> Iterator[tuple[str, Table]]:
    """A table for each set of keys, e.g. ``"by stage, source, target"``, over seeds."""
    groups: dict[str, list[Measurement]] = {}
    for m in over_seeds(measurements):
        groups.setdefault(", ".join(without_seed(m.where)), []).append(m)
    for keys, group in groups.items():
        yield f"by {keys}" if keys else "of everything", measurement_table(group)


def headline_tables(record: Record, wanted: Iterable[tuple[str, Where]]) -> Iterator[tuple[str, Table]]:
    """(title, table) of some measurements over seeds, with interval, n and chance; nothing for what is not there.

    Args:
        wanted: Metric and criteria of `Record.find`, a table each: None stands for a key that is not there.
    """
    heads = ("value", "95 % interval", "n", "chance")
    for metric, where in wanted:
        found = over_seeds(record.find(metric, **where))
        if not found:
            continue
        unit = f"{metric} ({_UNITS.get(found[0].unit, found[0].unit)})"
        fixed = {name: value for name, value in where.items() if value is not None}
        keys = [key for key in ordered({key: "" for m in found for key in m.where}) if key not in {*fixed, "seed"}]
        rows = tuple(_row(m, keys)[1 : 1 + len(keys) + len(heads)] for m in found)
        right = frozenset(range(len(keys), len(keys) + len(heads)))
        yield ", ".join(filter(None, (unit, words_of(fixed)))), Table((*keys, *heads), rows, right=right)


def verdict_table(verdicts: Iterable[Verdict]) -> Table:
    """A row a claim: what was found about it."""
    rows = []
    for v in verdicts:
        effect = NOTHING if v.effect is None else significant(v.effect)
        ends = NOTHING if v.ci is None else f"{significant(v.ci[0])} to {significant(v.ci[1])}"
        rows.append(
            (v.sentence, v.paper, v.verdict, effect, ends, significant(v.threshold), v.unit, str(v.n), v.reason)
        )
    heads = ("claim", "paper", "verdict", "effect", "95 % interval", "threshold", "unit", "seeds", "reason")
    return Table(heads, tuple(rows), right=frozenset({3, 4, 5, 7}))


def score_table(record: Record) -> Table:
    """A row a metric, its groups and the same of the base and of the memorized model under it, in 80 columns; groups
    of one attribute are left out."""
    own = [m for m in record.measurements if "model" not in m.where and _LEFT_OUT not in m.where]
    order = list(dict.fromkeys(m.metric for m in own))
    rows, styles = [], []
    for m in sorted(own, key=lambda m: order.index(m.metric)):
        group = ", ".join(f"{name}={value}" for name, value in m.where.items())
        rows.append((f"  {group}" if group else m.metric, *_score_cells(m, brief=bool(group))))
        styles.append("dim" if group else "")
        for name, theirs in record.baselines(m).items():
            rows.append((f"{'    ' if group else '  '}{name}", *_score_cells(theirs, brief=bool(group))))
            styles.append("dim")
    heads = ("metric", "value", "95 % interval", "unit", "n", "chance", "greater is")
    return Table(heads, tuple(rows), right=frozenset({1, 2, 4, 5}), styles=tuple(styles), note=seeds_note(own))


def _score_cells(m: Measurement, *, brief: bool) -> tuple[str, ...]:
    _, value, ends, n, chance, *_ = _row(m, [])
    unit = "" if brief else _UNITS.get(m.unit, m.unit)
    return value, ends, unit, n, chance, "" if brief else m.greater_means.removeprefix("more ")


def csv_text(record: Record) -> str:
    """Every measurement of the record as CSV, a row each, numbers in full."""
    keys = list(ordered({name: "" for m in record.measurements for name in m.where}))
    rows = []
    for m in record.measurements:
        low, high = m.ci or (None, None)
        numbers = (m.value, low, high, m.n, m.chance, m.unit, m.greater_is_better, m.greater_means, m.note)
        rows.append(tuple("" if cell is None else str(cell) for cell in (m.metric, *map(m.where.get, keys), *numbers)))
    names = ("value", "ci_low", "ci_high", "n", "chance", "unit", "greater_is_better", "greater_means", "note")
    return Table(("metric", *keys, *names), tuple(rows)).csv()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What stands in a column of a `pivot`.

    Attributes:
        metrics: Several are set side by side, ``62 / 0 / 1 / 37``.
        where: Place of the numbers, without the keys of the row.
        with_interval: ``10 [0, 40]`` in the place of ``10``.
    """

    head: str
    metrics: tuple[str, ...]
    where: Where
    with_interval: bool = False


Found = dict[tuple[str, tuple[tuple[str, Value], ...]], Measurement]


def pivot(
    measurements: Iterable[Measurement],
    keys: Mapping[str, str],
    columns: Sequence[Column],
    failures: Sequence[Failure] = (),
) -> Table | None:
    """A row for each combination of the values of `keys`, over seeds, without decimals and proportions in percent; in
    the last row what guessing would give. A row of which only failures are known says so.

    Args:
        keys: Key of `where` -> head of its column. A row has the first of them.
        columns: One that nothing was measured for is left out; without any left there is no table.
    """
    found: Found = {(m.metric, tuple(without_seed(m.where).items())): m for m in over_seeds(measurements)}
    shown = [c for c in columns if any(name in c.metrics and _fits(place, c.where, keys) for name, place in found)]
    if not shown:
        return None
    places = [dict(place) for _, place in found] + [dict(failure.where) for failure in failures]
    rows = dict.fromkeys(tuple(place.get(key) for key in keys) for place in places if next(iter(keys)) in place)
    failed = {tuple(failure.where.get(key) for key in keys) for failure in failures}
    cells = []
    for row in rows:
        own = tuple(_cell(found, dict(zip(keys, row, strict=True)), column) for column in shown)
        empty = row in failed and set(own) <= {NOTHING}
        names = (NOTHING if value is None else str(value) for value in row)
        cells.append((*names, *(("failed", *own[1:]) if empty else own)))
    guesses = (_guess(found, column, keys) for column in shown)
    cells.append(("guessing", *[NOTHING] * (len(keys) - 1), *guesses))
    numbers = frozenset(range(len(keys), len(keys) + len(shown)))
    return Table((*keys.values(), *(column.head for column in shown)), tuple(cells), right=numbers)


def _fits(place: tuple[tuple[str, Value], ...], where: Where, keys: Collection[str]) -> bool:
    return {name: value for name, value in place if name not in keys} == dict(where)


def _cell(found: Found, row: Where, column: Column) -> str:
    place = {name: value for name, value in row.items() if value is not None}

    def at(metric: str) -> Measurement | None:
        return found.get((metric, tuple(ordered({**place, **column.where}).items())))

    numbers = [at(metric) for metric in column.metrics]
    if not any(numbers):
        return NOTHING
    text = " / ".join(NOTHING if m is None else whole(m, m.value) for m in numbers)
    first = numbers[0]
    if column.with_interval and first is not None and first.ci is not None:
        text += f" [{whole(first, first.ci[0])}, {whole(first, first.ci[1])}]{first.seeds_mark}"
    return text


def _guess(found: Found, column: Column, keys: Collection[str]) -> str:
    """What guessing would give in a column; a dash where the notion has no meaning."""
    about = (m for (name, place), m in found.items() if name == column.metrics[0] and _fits(place, column.where, keys))
    return next((whole(m, m.chance) for m in about if m.chance is not None), NOTHING)


def place_words(failure: Failure) -> str:
    """Where something broke down, and how."""
    return f"Failed: {words_of(failure.where)}: {failure.error}"
