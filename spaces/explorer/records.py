# SPDX-License-Identifier: Apache-2.0
"""Records of any study, read from JSON of unknown origin into one kind of line.

Owns what a record may look like and what is said when it does not. Knows no page. Nothing of a record is run or shown
as markup; it is text and numbers. Standard library only, so that a Space need not install the whole library.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 20_000_000
MAX_LINES = 20_000
MAX_TEXT = 300
MAX_KEYS = 20
VERSION = 2
_OWN_COLUMNS = {"group", "source", "forget_modality", "target", "model", "stage", "method", "seed"}


@dataclass(frozen=True, slots=True)
class Line:
    """One number of a record.

    Args:
        what: The model it is about, and of which questions: a stage, a method, or "scored".
        stage: Base, memorized or unlearned; empty where the record does not say.
        group: Whom it is about: "forget", "retain" or "all".
        source, target: Modality learned (or forgotten) through, and asked in; empty where the record does not say.
        low, high: Its 95 % interval; None where there is none.
        n: Answers behind it.
        chance: What guessing would give, or None.
    """

    what: str
    stage: str
    metric: str
    group: str
    source: str
    target: str
    value: float
    low: float | None
    high: float | None
    n: int
    chance: float | None
    unit: str
    greater_means: str

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def way(self) -> str:
        """From the modality it was learned through to the one it is asked in, as far as known."""
        return " → ".join(part for part in (self.source, self.target) if part)


@dataclass(frozen=True, slots=True)
class Run:
    """A record as the page needs it.

    Args:
        lines: Pooled over seeds where the record is.
        notes: What the run wants its reader to know.
    """

    name: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def read_record(raw: bytes, name: str) -> Run:
    """The record in `raw`; `name` is what the page calls it.

    Raises:
        ValueError: Too large, no JSON, no record of ours, of another version, or a broken line; it is named.
    """
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{name}: {len(raw):,} bytes; expected at most {MAX_BYTES:,}. Load a record, not its items.")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: not JSON, perhaps cut short ({str(error)[:120]}). Load a record.json.") from None
    version = found.get("schema_version") if isinstance(found, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise ValueError(f"{name}: JSON, but no record of ours: it has no schema_version. Load a record.json.")
    if version != VERSION:
        raise ValueError(
            f"{name}: schema version {version}; this page reads {VERSION}. Update the Space, or run again."
        )
    listed = found.get("measurements")
    if listed is None:
        raise ValueError(f"{name}: a record of ours has measurements. Load what a command of crossmem left.")
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise ValueError(f"{name}: its numbers are no list of objects. Load the file as it was written.")
    if len(listed) > MAX_LINES:
        raise ValueError(f"{name}: {len(listed):,} numbers; expected at most {MAX_LINES:,}. Load a smaller record.")
    read = [_checked(entry, place, name) for place, entry in enumerate(listed)]
    pooled = {_without_seed(where, line) for where, line in read if "seed" not in where}
    lines = tuple(line for where, line in read if "seed" not in where or _without_seed(where, line) not in pooled)
    if not lines:
        raise ValueError(f"{name}: a record without numbers. Load one of a run that came to its end.")
    notes = found.get("notes")
    shown = [note[:MAX_TEXT] for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
    return Run(name, lines, tuple(shown[:40]))


def _without_seed(where: Mapping[str, str], line: Line) -> tuple[object, ...]:
    return line.metric, *sorted((key, value) for key, value in where.items() if key != "seed")


def _checked(entry: Mapping[str, Any], place: int, name: str) -> tuple[dict[str, str], Line]:
    try:
        where = _where(entry)
        return where, _line(entry, where)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"misses {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{name}: number {place} {what[:200]}. Load the file as it was written.") from None


def _where(entry: Mapping[str, Any]) -> dict[str, str]:
    """What the number is about, as text."""
    where = entry["where"]
    if not isinstance(where, dict) or len(where) > MAX_KEYS:
        raise ValueError(f"has where {where!r:.60}, which is no small object")
    shown = {}
    for key in where:
        if len(key) > MAX_TEXT or not isinstance(where[key], str | bool | int | float | None):
            raise ValueError(f"has {key[:60]} {where[key]!r:.60}, which is no short text or number")
        shown[key] = _text(where, key) if isinstance(where[key], str) else str(where[key])[:MAX_TEXT]
    return shown


def _what(where: Mapping[str, str]) -> str:
    """The model, then what else the number is about, e.g. "npo, hops 1"."""
    of = f"{where['model']} model" if "model" in where else where.get("stage") or where.get("method") or "scored"
    others = [f"{key} {value}" for key, value in where.items() if key not in _OWN_COLUMNS]
    method = [where["method"]] if "method" in where and of != where["method"] else []
    return ", ".join([of, *method, *others, *([f"seed {where['seed']}"] if "seed" in where else [])])


def _line(entry: Mapping[str, Any], where: Mapping[str, str]) -> Line:
    ci = entry["ci"]
    if ci is not None and (not isinstance(ci, list) or len(ci) != 2):
        raise ValueError(f"has ci {ci!r:.60}, which is no pair of numbers")
    low, high = (None, None) if ci is None else (_number(ci[0], "ci"), _number(ci[1], "ci"))
    return Line(
        what=_what(where),
        stage=where.get("stage", ""),
        metric=_text(entry, "metric"),
        group=where.get("group", "all"),
        source=where.get("source") or where.get("forget_modality", ""),
        target=where.get("target", ""),
        value=_number(entry["value"], "value"),
        low=low,
        high=high,
        n=_whole(entry, "n"),
        chance=None if entry["chance"] is None else _number(entry["chance"], "chance"),
        unit=_text(entry, "unit"),
        greater_means=_text(entry, "greater_means"),
    )


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry[name]
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError(f"has {name} {value!r:.60}, which is no short text")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"has {name} {value!r:.60}, which is no finite number")
    return float(value)


def _whole(entry: Mapping[str, Any], name: str) -> int:
    value = entry[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"has {name} {value!r:.60}, which is no whole number")
    return value
