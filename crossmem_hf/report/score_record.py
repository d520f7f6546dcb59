# SPDX-License-Identifier: Apache-2.0
"""What a model was asked and how it scored, as frozen data and as JSON. It knows neither how a number was computed
nor how it is shown."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.checked import Checked, read_json, to_json
from crossmem_hf.storage import write_atomic

SCHEMA_VERSION: Final = 1
ALL: Final = "all"
MODEL: Final = "model"
"""Begins the group of a line about another model that the scored one is read against."""

_SLACK = 1e-9
_FOREIGN = "Pass a record.json that `crossmem score` wrote, or score again into an empty folder."


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLine(Checked):
    """One number with all it needs to be read.

    Attributes:
        metric: E.g. ``"exposure"``, ``"rouge_l_recall"``.
        group: The rows it is about: ``"all"``, or ``"<column>=<value>"`` such as ``"modality=image"``; after
            ``"model=base"`` or ``"model=memorized"`` the same of the base or the memorized model.
        value: The estimate, with its 95 % interval `ci_low` to `ci_high`, clustered by persona; the interval is None
            for a test or where resampling sets no bound.
        n: Rows behind the value.
        chance: What guessing would give; None where the notion has no meaning.
        unit: ``"proportion"``, ``"0-100"``, ``"nats"``, ``"rank"``, ...
        higher_is: What a higher value means, e.g. ``"better_forgotten"`` or ``"more_memorized"``.
        note: What else its reader must know; may be empty.

    Raises:
        CrossmemError: A field has the wrong type, the value lies outside its interval, or no row is behind it.
    """

    metric: str
    group: str
    value: float
    ci_low: float | None
    ci_high: float | None
    n: int
    chance: float | None
    unit: str
    higher_is: str
    note: str = ""

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        where = f"{self.metric} ({self.group})"
        if (self.ci_low is None) != (self.ci_high is None):
            raise CrossmemError(
                f"{where} has the interval [{self.ci_low!r}, {self.ci_high!r}].", "Give both ends or neither."
            )
        low, high = (self.value if end is None else end for end in (self.ci_low, self.ci_high))
        if not low - _SLACK <= self.value <= high + _SLACK:
            raise CrossmemError(
                f"{where} is {self.value!r} outside its own interval [{low!r}, {high!r}].",
                "Compute the interval from the same rows as the value.",
            )
        if self.n < 1:
            raise CrossmemError(f"{where} has n={self.n!r}; expected at least 1.", "Leave out what was not measured.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRecord(Checked):
    """Everything a reader needs to judge the scores of a model, and to repeat them.

    Attributes:
        config: The settings, JSON types only.
        versions: Package -> version.
        model_fingerprint: Changes whenever the model or its adapter does.
        data_fingerprint: Changes whenever the rows, their pictures or their order do.
        seeds: What was drawn with them -> seed.
        lines: No two with the same metric and group.
        notes: Whatever the run wants its reader to know, a sentence each.

    Raises:
        CrossmemError: A field has the wrong type, or a metric occurs twice for one group.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    model_fingerprint: str
    data_fingerprint: str
    seeds: Mapping[str, int]
    lines: tuple[ScoreLine, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        counts = Counter((line.metric, line.group) for line in self.lines)
        repeated = [key for key, times in counts.items() if times > 1]
        if repeated:
            raise CrossmemError(f"Measured twice: {repeated[0]!r}.", "Keep one line a metric and group.")

    def line(self, metric: str, group: str = ALL) -> ScoreLine | None:
        """The line of a metric about a group of rows; None if it was not measured."""
        return next((line for line in self.lines if (line.metric, line.group) == (metric, group)), None)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """The path, once it holds the record as JSON; equal records give equal bytes.

        Raises:
            CrossmemError: The file could not be written, or `config` holds what JSON cannot say.
        """
        return write_atomic(path, to_json(self))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """The record that `write` put at `path`.

        Raises:
            CrossmemError: There is no such file, or it is not JSON, not a score record, or of a newer version.
        """
        return read_json(cls, path, newest=SCHEMA_VERSION, kind="score record", remedy=_FOREIGN)
