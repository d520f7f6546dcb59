# SPDX-License-Identifier: Apache-2.0
"""How ways of forgetting compare, as frozen data and as JSON. It knows neither how a number was computed nor how it
is shown."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Modality
from crossmem_hf.report.checked import Checked, read_json, to_json
from crossmem_hf.storage import write_atomic

SCHEMA_VERSION: Final = 1

RECALL, PARTIAL, ROUGE, EXPOSURE = "recall", "partial_recall", "rouge_l", "exposure"
OUTCOMES: Final = ("forgotten", "refused", "collapsed", "still_known")

_SLACK = 1e-9
_FOREIGN = "Pass a compare.json that `crossmem compare` wrote."


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareLine(Checked):
    """One number with all it needs to be read.

    Attributes:
        arm: A method, or one of the models they are read against: ``"base"`` (never taught), ``"memorized"``,
            ``"retrained"`` (taught the retained people only).
        through: Modality forgotten through: ``"image"``, ``"text"``, ``"both"``; None for the models read against.
        metric: RECALL, PARTIAL, ROUGE, EXPOSURE, or of forgotten people one of OUTCOMES.
        group: Whom it is about.
        modality: Modality asked in.
        hops: Of the questions; None is all of them.
        value: Over all seeds, with its 95 % interval, clustered by person.
        n: Answers behind the value.
        chance: What guessing would give; None where the notion has no meaning.
        higher_is: What a higher value means.

    Raises:
        CrossmemError: A field has the wrong type, the value lies outside its interval, or no answer is behind it.
    """

    arm: str
    through: str | None
    metric: str
    group: Literal["forget", "retain"]
    modality: Modality
    hops: int | None
    value: float
    ci_low: float
    ci_high: float
    n: int
    chance: float | None
    unit: str
    higher_is: str

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if not self.ci_low - _SLACK <= self.value <= self.ci_high + _SLACK or self.n < 1:
            raise CrossmemError(
                f"{self.key!r} is {self.value!r} in [{self.ci_low!r}, {self.ci_high!r}] with n={self.n!r}.",
                "Compute the interval from the same answers as the value, at least one.",
            )

    @property
    def key(self) -> tuple[str, str | None, str, str, str, int | None]:
        """What no two lines of a record share."""
        return self.arm, self.through, self.metric, self.group, self.modality, self.hops


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareArm(Checked):
    """How one way of forgetting went, a value a seed.

    Attributes:
        steps: Optimizer steps taken; 0 where nothing was trained.
        reached_floor: Whether the stopping rule was satisfied; None where there is none.
        wall_s, cpu_s, peak_mib: Cost of the training, see `studies.cost.Cost`. They differ from run to run.
        failed: What ended a seed's training early; such a seed has no values here and no answers.
    """

    arm: str
    through: str | None
    steps: tuple[int, ...]
    reached_floor: tuple[bool | None, ...]
    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    peak_mib: tuple[float, ...]
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRecord(Checked):
    """Everything a reader needs to judge a comparison, and to repeat it.

    Attributes:
        config: The settings, JSON types only; ``unlearning`` in it has those of each method.
        lines: No two with the same `CompareLine.key`.
        arms: In the order of the table.

    Raises:
        CrossmemError: A field has the wrong type, no seed is given, or two lines share a key.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    seeds: tuple[int, ...]
    data_fingerprint: str
    lines: tuple[CompareLine, ...]
    arms: tuple[CompareArm, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        repeated = [key for key, times in Counter(line.key for line in self.lines).items() if times > 1]
        if repeated or not self.seeds:
            what = f"Measured twice: {repeated[0]!r}" if repeated else "A comparison has no seeds"
            raise CrossmemError(f"{what}.", "Keep one line a key, and at least one seed.")

    def line(
        self, arm: CompareArm, metric: str, group: str, modality: str, hops: int | None = None
    ) -> CompareLine | None:
        """One number; None if it was not measured."""
        key = (arm.arm, arm.through, metric, group, modality, hops)
        return next((line for line in self.lines if line.key == key), None)

    @property
    def hops(self) -> tuple[int | None, ...]:
        """The kinds of questions that are told apart: all together, then each number of hops if there are several."""
        return (None, *sorted({line.hops for line in self.lines if line.hops is not None}))

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
            CrossmemError: There is no such file, or it is not JSON, not a comparison, or of a newer version.
        """
        return read_json(cls, path, newest=SCHEMA_VERSION, kind="comparison", remedy=_FOREIGN)
