# SPDX-License-Identifier: Apache-2.0
"""What came out the second time beside the first, as data, as tables and in words. It runs nothing."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

from pydantic import Field

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.record import Measurement, Value, words_of
from crossmem_hf.report.stored import Frozen, Stored
from crossmem_hf.report.tables import Table

REPRODUCTION_FILE: Final = "reproduction.json"
SAME: Final = 1e-6
"""Two numbers this close, absolutely or relatively, are equal: other thread counts change sums of floats less."""

MAX_LINES: Final = 40  # on a terminal; the Markdown has all
MAX_EQUAL: Final = 10

Outcome = Literal["equal", "inside", "outside", "other_n", "missing"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
WORDS: Final[Mapping[Outcome, str]] = {
    "equal": "equal",
    "inside": "inside",
    "outside": "OUTSIDE",
    "other_n": "OTHER N",
    "missing": "MISSING",
}
_HEADS = ("metric", "of", "then", "95 % interval", "n", "now", "difference")
_OTHER_PRINTS = {
    "data": "other rows",
    "model": "another model, or other files in the folder of its adapter",
}


class Repeated(Frozen):
    """One number then and now.

    Attributes:
        ci: The interval that the record gave it.
        now, n_now: None if it was not measured again.
        outcome: ``"equal"`` (within SAME), ``"inside"`` the record's interval, ``"outside"`` of it (or different where
            there is none), ``"other_n"`` if another number of answers is behind it, ``"missing"``.
    """

    metric: str
    where: dict[str, Value]
    then: float
    ci: Annotated[tuple[float, float] | None, Field(strict=False)]
    n: int
    now: float | None
    n_now: int | None
    outcome: Outcome

    @property
    def difference(self) -> float | None:
        """Now less then."""
        return None if self.now is None else self.now - self.then

    @property
    def size(self) -> float:
        """The difference in widths of the interval, without its sign."""
        width = self.ci[1] - self.ci[0] if self.ci else 0.0
        return abs(self.difference or 0.0) / (width or 1.0)


class Reproduction(Stored):
    """Whether a record could be reproduced.

    Attributes:
        source: Where the record came from.
        study: What ran, of the record.
        part: What of it was run again, in words.
        versions_then, versions_now: Package -> version.
        fingerprints_then, fingerprints_now: As in a record.
        settings_changed: Settings that could not be kept: name -> [then, now].
        lines: In the record's order.
        notes: What else its reader must know, a sentence each.
    """

    newest: ClassVar[int] = 2
    file_name: ClassVar[str] = REPRODUCTION_FILE
    remedy: ClassVar[str] = "Pass a reproduction.json that `crossmem reproduce` wrote."

    schema_version: Literal[2] = 2
    source: str
    study: str
    part: str
    versions_then: dict[str, str]
    versions_now: dict[str, str]
    fingerprints_then: dict[str, str]
    fingerprints_now: dict[str, str]
    settings_changed: dict[str, Any]
    lines: Annotated[tuple[Repeated, ...], Field(strict=False)]
    notes: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @property
    def counts(self) -> dict[Outcome, int]:
        """Outcome -> how many lines."""
        return {name: sum(line.outcome == name for line in self.lines) for name in OUTCOMES}

    def holds(self, *, exact: bool = False) -> bool:
        """Whether every line is equal, or inside its interval unless `exact`."""
        accepted = ("equal",) if exact else ("equal", "inside")
        return all(line.outcome in accepted for line in self.lines)

    @property
    def other_versions(self) -> dict[str, tuple[str, str]]:
        """Package -> (then, now), where they differ; what is not known is an empty text."""
        names = sorted({*self.versions_then, *self.versions_now})
        pairs = {name: (self.versions_then.get(name, ""), self.versions_now.get(name, "")) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def repeated(then: Sequence[Measurement], now: Sequence[Measurement]) -> tuple[Repeated, ...]:
    """Each measurement of `then` beside the one of `now` with the same key.

    Raises:
        CrossmemError: `then` is empty: agreement about nothing would look like success.
    """
    if not then:
        raise CrossmemError("No measurement of the record is to be compared.", "Ask for a part that the record has.")
    again = {m.key: m for m in now}
    return tuple(_beside(m, again.get(m.key)) for m in then)


def _beside(m: Measurement, other: Measurement | None) -> Repeated:
    return Repeated(
        metric=m.metric,
        where=m.where,
        then=m.value,
        ci=m.ci,
        n=m.n,
        now=None if other is None else other.value,
        n_now=None if other is None else other.n,
        outcome=_outcome(m, other),
    )


def _outcome(m: Measurement, other: Measurement | None) -> Outcome:
    if other is None:
        return "missing"
    if m.n != other.n:
        return "other_n"
    if math.isclose(m.value, other.value, rel_tol=SAME, abs_tol=SAME):
        return "equal"
    return "inside" if m.ci is not None and m.ci[0] <= other.value <= m.ci[1] else "outside"


def brief_table(found: Reproduction) -> Table:
    """What differs most first, at most MAX_LINES lines, of which at most MAX_EQUAL do not differ."""
    order = {name: place for place, name in enumerate(reversed(OUTCOMES))}
    different = [line for line in found.lines if line.outcome != "equal"]
    equal = [line for line in found.lines if line.outcome == "equal"]
    worst_first = sorted(different, key=lambda line: (order[line.outcome], -line.size))
    shown = [*worst_first, *equal[:MAX_EQUAL]][:MAX_LINES]
    styles = tuple({"equal": "dim", "inside": ""}.get(line.outcome, "bold red") for line in shown)
    return _table(shown, "", styles)


def _table(lines: Sequence[Repeated], last: str, styles: tuple[str, ...] = ()) -> Table:
    rows = tuple(_cells(line) for line in lines)
    return Table((*_HEADS, last), rows, right=frozenset({2, 4, 5, 6}), wrapped=frozenset({1}), styles=styles)


def _cells(line: Repeated) -> tuple[str, ...]:
    interval = "" if line.ci is None else f"{line.ci[0]:.4g} to {line.ci[1]:.4g}"
    now = "" if line.now is None else f"{line.now:.4g}"
    n = str(line.n) if line.n_now in (None, line.n) else f"{line.n}, now {line.n_now}"
    change = "" if line.difference is None else f"{0.0 if line.outcome == 'equal' else line.difference:+.3g}"
    about = words_of(line.where) or "all"
    return line.metric, about, f"{line.then:.4g}", interval, n, now, change, WORDS[line.outcome]


def sentences(found: Reproduction) -> Iterator[str]:
    """How it went, what was otherwise, and what its reader must know."""
    counts = ", ".join(f"{number} {WORDS[name]}" for name, number in found.counts.items() if number)
    yield f"{len(found.lines)} measurements of {found.source} ({found.study}, {found.part}): {counts}."
    for name, then in found.fingerprints_then.items():
        now = found.fingerprints_now.get(name, "unknown")
        if then == now:
            yield f"The {name} fingerprint is equal: {then}{' (same rows)' if name == 'data' else ''}."
        else:
            yield f"The {name} fingerprint is {now}, not {then}: {_OTHER_PRINTS.get(name, 'something else')}."
    other = found.other_versions
    if other:
        pairs = ", ".join(f"{name} {then or 'unknown'} -> {now or 'unknown'}" for name, (then, now) in other.items())
        yield f"Other versions: {pairs}."
    else:
        yield "All versions are equal."
    for name, (before, after) in found.settings_changed.items():
        yield f"The setting {name} was {before!r} and is {after!r}."
    yield from found.notes


def reproduction_markdown(found: Reproduction) -> str:
    """Everything: the sentences, and all lines in the record's order."""
    said = "\n".join(f"- {sentence}" for sentence in sentences(found))
    return f"# Reproduction of {found.source}\n\n{said}\n\n{_table(found.lines, 'outcome').markdown()}"
