# SPDX-License-Identifier: Apache-2.0
"""What ran and what came out, as frozen data and as JSON.

It knows neither how a number was computed nor how it is shown. A record is the only thing the figures and the page
read, so both can be drawn again from `record.json`.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import Modality
from crossmem_hf.report.checked import Checked, read_json, to_json
from crossmem_hf.storage import write_atomic

SCHEMA_VERSION: Final = 1

Stage = Literal["base", "memorized", "unlearned"]
Group = Literal["forget", "retain", "all"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
GROUPS: Final[tuple[Group, ...]] = get_args(Group)

RECALL: Final = "recall"
GAP: Final = "gap"
TRANSFER: Final = "transfer"
EXPOSURE: Final = "exposure"
PARTIAL: Final = "partial_recall"
NAMES: Final = "name_shaped"

_SLACK = 1e-9
_FOREIGN = "Pass a record.json that `crossmem run` wrote, or run again into an empty folder."


def other(modality: Modality) -> Modality:
    """The modality that `modality` is not."""
    return "text" if modality == "image" else "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Checked):
    """One number with all it needs to be read.

    Attributes:
        metric: ``"recall"``, ``"gap"``, ``"transfer"``, ``"exposure"``, ``"partial_recall"`` (first or last name
            is said), ``"name_shaped"`` (the answer is a name at all) or any further name.
        stage: When it was measured.
        source: The modality people were learned through (and unlearned through, after unlearning).
        target: The modality they were asked in. A gap or a transfer of `source` has the other modality here.
        group: Whom it is about.
        value: The estimate, with its 95 % interval `ci_low` to `ci_high`, clustered by persona.
        n: Scored answers behind the value.
        chance: What guessing would give; None where the notion has no meaning.
        unit: ``"proportion"``, ``"0-100"``, ``"bits"``, ``"ratio"``, ...
        higher_is: What a higher value means, e.g. ``"better"`` or ``"more_memorized"``.
        seed: The persona seed; None when pooled over all seeds of the run.
    """

    metric: str
    stage: Stage
    source: Modality
    target: Modality
    group: Group
    value: float
    ci_low: float
    ci_high: float
    n: int
    chance: float | None
    unit: str
    higher_is: str
    seed: int | None

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        where = f"{self.metric} ({self.stage}, {self.source} to {self.target}, {self.group}, seed {self.seed})"
        if not self.ci_low - _SLACK <= self.value <= self.ci_high + _SLACK:
            raise CrossmemError(
                f"{where} is {self.value!r} outside its own interval [{self.ci_low!r}, {self.ci_high!r}].",
                "Compute the interval from the same answers as the value.",
            )
        if self.n < 1:
            raise CrossmemError(f"{where} has n={self.n!r}; expected at least 1.", "Leave out what was not measured.")

    @property
    def key(self) -> tuple[str, str, str, str, str, int | None]:
        """What no two measurements of a record share."""
        return self.metric, self.stage, self.source, self.target, self.group, self.seed


@dataclass(frozen=True, slots=True, kw_only=True)
class CastMember(Checked):
    """A person of the run and whether the run tried to forget them."""

    persona_id: str
    full_name: str
    forgotten: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureItem(Checked):
    """One person's Exposure (0 to 100, mean over the person's held-out views) at one stage through one modality."""

    stage: Stage
    source: Modality
    target: Modality
    group: Literal["forget", "retain"]
    seed: int
    persona_id: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Checked):
    """One question to the model, word for word, and its answer."""

    persona_id: str
    full_name: str
    stage: Stage
    source: Modality
    target: Modality
    question: str
    answer: str
    truth: str
    correct: bool
    forgotten: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Checked):
    """How well people must have been learned before unlearning is interpreted.

    Attributes:
        threshold: Least recall in the source modality after learning, 0 to 1.
        overridden: The user asked for the interpretation all the same.
    """

    threshold: float = 0.9
    overridden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(Checked):
    """Everything a reader needs to judge a run, and to repeat it.

    Attributes:
        config: The settings of the run, JSON types only.
        versions: Package -> version.
        seeds: Persona seeds, at least one.
        data_fingerprint: Changes whenever the people, portraits or texts do.
        measurements: No two with the same `Measurement.key`.
        cast: The people; their portraits are not part of the record.
        examples: Questions and answers to show.
        exposure_items: One value a person, for distributions.
        notes: Whatever the run wants its reader to know, a sentence each.

    Raises:
        CrossmemError: A field has the wrong type, no seed is given, or two measurements share a key.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    seeds: tuple[int, ...]
    data_fingerprint: str
    measurements: tuple[Measurement, ...]
    cast: tuple[CastMember, ...] = ()
    examples: tuple[Example, ...] = ()
    exposure_items: tuple[ExposureItem, ...] = ()
    notes: tuple[str, ...] = ()
    gate: Gate = field(default_factory=Gate)

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if not self.seeds:
            raise CrossmemError("A run record has no seeds; expected at least one.", "Pass the persona seeds.")
        repeated = [key for key, times in Counter(m.key for m in self.measurements).items() if times > 1]
        if repeated:
            raise CrossmemError(f"Measured twice: {repeated[0]!r}.", "Keep one measurement a key.")

    def find(self, **criteria: str | int | None) -> tuple[Measurement, ...]:
        """The measurements that agree with all criteria (`metric`, `stage`, `source`, `target`, `group`, `seed`).

        A criterion left out matches anything; ``seed=None`` matches only what is pooled over seeds.

        Raises:
            CrossmemError: A criterion is not a field of a measurement.
        """
        unknown = sorted(set(criteria) - {"metric", "stage", "source", "target", "group", "seed"})
        if unknown:
            raise CrossmemError(
                f"find() got {unknown[0]!r}; expected metric, stage, source, target, group or seed.",
                "Filter `measurements` yourself for anything else.",
            )
        return tuple(m for m in self.measurements if all(getattr(m, key) == want for key, want in criteria.items()))

    def cell(
        self, metric: str, stage: Stage, source: Modality, target: Modality, group: Group = "all"
    ) -> Measurement | None:
        """The number that stands for a cell: pooled over seeds, or the only seed's; None if it was not measured."""
        found = self.find(metric=metric, stage=stage, source=source, target=target, group=group)
        pooled = next((m for m in found if m.seed is None), None)
        return found[0] if pooled is None and len(found) == 1 else pooled

    def gate_failures(self) -> tuple[Measurement, ...]:
        """Recall in the source modality after learning, where it is below the gate's threshold."""
        learned = self.find(metric=RECALL, stage="memorized", group="all")
        return tuple(m for m in learned if m.source == m.target and m.value < self.gate.threshold)

    @property
    def is_interpretable(self) -> bool:
        """Whether people were learned well enough to speak about unlearning, or the user overrode that."""
        learned = [m for m in self.find(metric=RECALL, stage="memorized", group="all") if m.source == m.target]
        return self.gate.overridden or (bool(learned) and not self.gate_failures())

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
            CrossmemError: There is no such file, or it is not JSON, not a run record, or of a newer version.
        """
        return read_json(cls, path, newest=SCHEMA_VERSION, kind="run record", remedy=_FOREIGN)
