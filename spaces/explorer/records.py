# SPDX-License-Identifier: Apache-2.0
"""Records of runs, of comparisons and of scores, read from strangers' JSON into one kind of line.

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
NEWEST_VERSION = 1


@dataclass(frozen=True, slots=True)
class Line:
    """One number of a record.

    Args:
        what: The model it is about: a stage of a run, a method and its modality, or a group of rows.
        group: Whom it is about: "forget", "retain" or "all".
        source, target: Modality learned (or forgotten) through, and asked in; empty where the record does not say.
        low, high: Its 95 % interval; None where there is none.
        n: Answers behind it.
        chance: What guessing would give, or None.
    """

    what: str
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
    higher_is: str

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
        kind: The command that wrote it: "run", "compare" or "score".
        lines: Pooled over seeds where the record is.
        notes: What the run wants its reader to know.
    """

    name: str
    kind: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def read_record(raw: bytes, name: str) -> Run:
    """The record in `raw`; `name` is what the page calls it.

    Raises:
        ValueError: Too large, no JSON, no record of ours, of a newer version, or a broken line; it is named.
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
    if version > NEWEST_VERSION:
        raise ValueError(
            f"{name}: schema version {version}; this page reads up to {NEWEST_VERSION}. Update the Space."
        )
    kind = _kind(found)
    if kind is None:
        raise ValueError(
            f"{name}: neither a run, a comparison nor scores. Load what crossmem run, compare or score left."
        )
    listed = found["measurements" if kind == "run" else "lines"]
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise ValueError(f"{name}: its numbers are no list of objects. Load the file as it was written.")
    if len(listed) > MAX_LINES:
        raise ValueError(f"{name}: {len(listed):,} numbers; expected at most {MAX_LINES:,}. Load a smaller record.")
    reader = {"run": _run_line, "compare": _compare_line, "score": _score_line}[kind]
    if kind == "run" and any(entry.get("seed") is None for entry in listed):
        listed = [entry for entry in listed if entry.get("seed") is None]  # pooled; seeds apart only where not
    lines = tuple(_checked(reader, entry, place, name) for place, entry in enumerate(listed))
    if not lines:
        raise ValueError(f"{name}: a record without numbers. Load one of a run that came to its end.")
    notes = found.get("notes")
    shown = [note[:MAX_TEXT] for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
    return Run(name, kind, lines, tuple(shown[:40]))


def _kind(found: Mapping[str, Any]) -> str | None:
    if "measurements" in found:
        return "run"
    if "lines" in found:
        return "compare" if "arms" in found else "score" if "model_fingerprint" in found else None
    return None


def _checked(reader: Any, entry: Mapping[str, Any], place: int, name: str) -> Line:
    try:
        line: Line = reader(entry)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"misses {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{name}: number {place} {what[:200]}. Load the file as it was written.") from None
    return line


def _run_line(entry: Mapping[str, Any]) -> Line:
    seed = entry.get("seed")
    what = _text(entry, "stage") + ("" if seed is None else f", seed {_whole(entry, 'seed')}")
    return _line(entry, what, _text(entry, "group"), _text(entry, "source"), _text(entry, "target"))


def _compare_line(entry: Mapping[str, Any]) -> Line:
    through = "" if entry.get("through") is None else _text(entry, "through")
    hops = "" if entry.get("hops") is None else f", hops {_whole(entry, 'hops')}"
    return _line(entry, _text(entry, "arm") + hops, _text(entry, "group"), through, _text(entry, "modality"))


def _score_line(entry: Mapping[str, Any]) -> Line:
    whose, _, rest = _text(entry, "group").partition(", ")
    if not whose.startswith("model="):
        return _line(entry, f"scored, {_text(entry, 'group')}", "all", "", "")
    return _line(entry, f"{whose.removeprefix('model=')} model, {rest or 'all'}", "all", "", "")


def _line(entry: Mapping[str, Any], what: str, group: str, source: str, target: str) -> Line:
    optional = {name: None if entry.get(name) is None else _finite(entry, name) for name in ("ci_low", "ci_high")}
    return Line(
        what=what,
        metric=_text(entry, "metric"),
        group=group,
        source=source,
        target=target,
        value=_finite(entry, "value"),
        low=optional["ci_low"],
        high=optional["ci_high"],
        n=_whole(entry, "n"),
        chance=None if entry.get("chance") is None else _finite(entry, "chance"),
        unit=_text(entry, "unit"),
        higher_is=_text(entry, "higher_is"),
    )


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry[name]
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError(f"has {name} {value!r:.60}, which is no short text")
    return value


def _finite(entry: Mapping[str, Any], name: str) -> float:
    value = entry[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"has {name} {value!r:.60}, which is no finite number")
    return float(value)


def _whole(entry: Mapping[str, Any], name: str) -> int:
    value = entry[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"has {name} {value!r:.60}, which is no whole number")
    return value
