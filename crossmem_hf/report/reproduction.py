# SPDX-License-Identifier: Apache-2.0
"""What came out the second time beside the first, as frozen data and as JSON. It runs nothing and shows nothing."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.checked import Checked, read_json, to_json
from crossmem_hf.report.lines import Line
from crossmem_hf.storage import write_atomic

SCHEMA_VERSION: Final = 1
SAME: Final = 1e-6
"""Two numbers this close, absolutely or relatively, are equal: other thread counts change sums of floats less."""

Outcome = Literal["equal", "inside", "outside", "other_n", "missing"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
_REMEDY = "Pass a reproduction.json that `crossmem reproduce` wrote."


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated(Checked):
    """One number then and now.

    Attributes:
        ci_low, ci_high: The interval that the record gave it.
        now, n_now: None if it was not measured again.
        outcome: ``"equal"`` (within SAME), ``"inside"`` the record's interval, ``"outside"`` of it (or different where
            there is none), ``"other_n"`` if another number of answers is behind it, ``"missing"``.
    """

    metric: str
    where: str
    then: float
    ci_low: float | None
    ci_high: float | None
    n: int
    now: float | None
    n_now: int | None
    outcome: Outcome

    @property
    def difference(self) -> float | None:
        """Now less then."""
        return None if self.now is None else self.now - self.then


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction(Checked):
    """Whether a record could be reproduced.

    Attributes:
        source: Where the record came from.
        kind: The command that made it.
        part: What of it was run again, in words.
        versions_then, versions_now: Package -> version.
        fingerprints_then, fingerprints_now: ``"data"`` and, of a score, ``"model"``.
        settings_changed: Settings that could not be kept: name -> [then, now].
        lines: In the record's order.
        notes: What else its reader must know, a sentence each.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    source: str
    kind: Literal["run", "score", "compare"]
    part: str
    versions_then: Mapping[str, str]
    versions_now: Mapping[str, str]
    fingerprints_then: Mapping[str, str]
    fingerprints_now: Mapping[str, str]
    settings_changed: Mapping[str, Any]
    lines: tuple[Repeated, ...]
    notes: tuple[str, ...] = ()

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

    def write(self, path: str | os.PathLike[str]) -> Path:
        """The path, once it holds the reproduction as JSON.

        Raises:
            CrossmemError: The file could not be written.
        """
        return write_atomic(path, to_json(self))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """The reproduction that `write` put at `path`.

        Raises:
            CrossmemError: There is no such file, or it is not JSON, not a reproduction, or of a newer version.
        """
        return read_json(cls, path, newest=SCHEMA_VERSION, kind="reproduction", remedy=_REMEDY)


def repeated(then: Sequence[Line], now: Sequence[Line]) -> tuple[Repeated, ...]:
    """Each line of `then` beside the line of `now` with the same key.

    Raises:
        CrossmemError: `then` is empty: agreement about nothing would look like success.
    """
    if not then:
        raise CrossmemError("No line of the record is to be compared.", "Ask for a part that the record has.")
    again = {line.key: line for line in now}
    return tuple(_pairs(then, again))


def _pairs(then: Sequence[Line], again: Mapping[tuple[str, str], Line]) -> Iterator[Repeated]:
    for line in then:
        other = again.get(line.key)
        yield Repeated(
            metric=line.metric,
            where=line.where,
            then=line.value,
            ci_low=line.ci_low,
            ci_high=line.ci_high,
            n=line.n,
            now=None if other is None else other.value,
            n_now=None if other is None else other.n,
            outcome=_outcome(line, other),
        )


def _outcome(line: Line, other: Line | None) -> Outcome:
    if other is None:
        return "missing"
    if line.n != other.n:
        return "other_n"
    if math.isclose(line.value, other.value, rel_tol=SAME, abs_tol=SAME):
        return "equal"
    if line.ci_low is None or line.ci_high is None:
        return "outside"
    return "inside" if line.ci_low <= other.value <= line.ci_high else "outside"
