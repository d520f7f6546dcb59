# SPDX-License-Identifier: Apache-2.0
"""The numbers of any record in one form, and any record from a file. It knows neither how a number was computed nor
what is done with it."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.compare_record import CompareLine, CompareRecord
from crossmem_hf.report.run_record import EXPOSURE, GAP, TRANSFER, Measurement, RunRecord
from crossmem_hf.report.score_record import ALL, MODEL, ScoreLine, ScoreRecord

Record = RunRecord | ScoreRecord | CompareRecord
Kind = Literal["run", "score", "compare"]

RECORD_FILES: Final = ("record.json", "compare.json")
"""What the commands call their records, in the order in which a folder is searched."""

_MARKS: Final[dict[Kind, frozenset[str]]] = {
    "run": frozenset({"measurements"}),
    "score": frozenset({"lines", "model_fingerprint"}),
    "compare": frozenset({"lines", "arms"}),
}
EXPOSURES: Final = (EXPOSURE, "exposure_bits", "exposure_linear", "mrr")
"""The rank of the truth on its four scales."""

_BASE, _MEMORIZED = "base", "memorized"
_NAMES: Final[Mapping[str, str]] = {"base": _BASE, "memorized": _MEMORIZED}
_REMEDY = "Pass a record.json or compare.json that `crossmem run`, `crossmem score` or `crossmem compare` wrote."


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One number of any record with all it needs to be read.

    Attributes:
        metric: E.g. ``"recall"``.
        where: What it is about, in words, e.g. ``"unlearned, image to text, forget, seed 0"``; no two lines of a
            record share metric and where.
        ci_low, ci_high: 95 % interval; None where there is none.
        chance: What guessing would give; None where the notion has no meaning.
        seed: The persona seed; None if the line pools all of them.
    """

    metric: str
    where: str
    value: float
    ci_low: float | None
    ci_high: float | None
    n: int
    chance: float | None
    unit: str
    higher_is: str
    seed: int | None

    @property
    def key(self) -> tuple[str, str]:
        """Metric and where."""
        return self.metric, self.where


def kind_of(record: Record) -> Kind:
    """The command that writes such records."""
    if isinstance(record, RunRecord):
        return "run"
    return "score" if isinstance(record, ScoreRecord) else "compare"


def lines_of(record: Record) -> tuple[Line, ...]:
    """All numbers of a record, in its order."""
    if isinstance(record, RunRecord):
        return tuple(map(_of_run, record.measurements))
    if isinstance(record, ScoreRecord):
        return tuple(_of_score(line) for line in record.lines)
    return tuple(map(of_comparison, record.lines))


def read_against(record: Record) -> dict[tuple[str, str], dict[str, Line]]:
    """Key of each Exposure line -> the same people asked in the same way of the ``"base"`` model and, of an unlearned
    one, of the ``"memorized"`` model too, as far as they are in the record."""
    found: dict[tuple[str, str], dict[str, Line]] = {}
    for line, about, model in _exposures(record):
        found.setdefault(about, {})[model] = line
    return {
        line.key: {
            name: found[about][name]
            for name in (_BASE, _MEMORIZED)[: 1 if model == _MEMORIZED else 2]
            if name in found[about]
        }
        for line, about, model in _exposures(record)
        if model != _BASE
    }


def _exposures(record: Record) -> Iterator[tuple[Line, Any, str]]:
    """Each Exposure line, what it shares with those it is read against, and whose it is."""
    lines = lines_of(record)
    if isinstance(record, RunRecord):
        for m, line in zip(record.measurements, lines, strict=True):
            if m.metric == EXPOSURE:
                yield line, (m.source, m.target, m.group, m.seed), _NAMES.get(m.stage, m.stage)
    elif isinstance(record, CompareRecord):
        for one, line in zip(record.lines, lines, strict=True):
            if one.metric == EXPOSURE:
                yield line, (one.group, one.modality, one.hops), _NAMES.get(one.arm, one.arm)
    else:
        for line in lines:
            whose, _, group = line.where.partition(", ")
            theirs = whose.startswith(f"{MODEL}=")
            model = whose.removeprefix(f"{MODEL}=") if theirs else ""
            if line.metric in EXPOSURES:
                yield line, (line.metric, (group or ALL) if theirs else line.where), model


def read_record(path: str | os.PathLike[str]) -> Record:
    """The record in a file, or in a folder under one of RECORD_FILES.

    Raises:
        CrossmemError: There is none, it is not JSON, no record of ours, or of a newer version.
    """
    file = record_file(Path(path))
    found = _kind_in(file)
    readers: dict[Kind, Callable[[Path], Record]] = {
        "run": RunRecord.read,
        "score": ScoreRecord.read,
        "compare": CompareRecord.read,
    }
    return readers[found](file)


def record_file(path: Path) -> Path:
    """The file itself, or that of a folder.

    Raises:
        CrossmemError: A folder has none.
    """
    if not path.is_dir():
        return path
    held = [path / name for name in RECORD_FILES if (path / name).is_file()]
    if not held:
        raise CrossmemError(f"{str(path)!r} holds neither {' nor '.join(RECORD_FILES)}.", _REMEDY)
    return held[0]


def _kind_in(file: Path) -> Kind:
    try:
        raw: Any = json.loads(file.read_bytes())
    except OSError as error:
        raise CrossmemError(f"Could not read {str(file)!r}: {error.strerror or error}.", _REMEDY) from error
    except (ValueError, RecursionError) as error:
        raise CrossmemError(f"{str(file)!r} is not JSON, perhaps cut short: {error}.", _REMEDY) from error
    names = set(raw) if isinstance(raw, dict) else set()
    for kind, marks in _MARKS.items():
        if marks <= names:
            return kind
    raise CrossmemError(f"{str(file)!r} is JSON but no record of a run, a score or a comparison.", _REMEDY)


def _of_run(m: Measurement) -> Line:
    seed = "all seeds" if m.seed is None else f"seed {m.seed}"
    path = m.source if m.metric in (GAP, TRANSFER) else f"{m.source} to {m.target}"
    return Line(where=", ".join([m.stage, path, m.group, seed]), seed=m.seed, **_numbers(m))


def _of_score(line: ScoreLine) -> Line:
    return Line(where=line.group, seed=None, **_numbers(line))


def of_comparison(line: CompareLine) -> Line:
    """One number of a comparison."""
    words = [line.arm if line.through is None else f"{line.arm} through {line.through}", line.group]
    words.append(f"asked in {line.modality}")
    if line.hops is not None:
        words.append(f"{line.hops} hop{'s' * (line.hops != 1)}")
    return Line(where=", ".join(words), seed=None, **_numbers(line))


def _numbers(item: Any) -> dict[str, Any]:
    names = ("metric", "value", "ci_low", "ci_high", "n", "chance", "unit", "higher_is")
    return {name: getattr(item, name) for name in names}
