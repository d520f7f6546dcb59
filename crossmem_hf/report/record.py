# SPDX-License-Identifier: Apache-2.0
"""What ran and what came out: one `Measurement` a number, one `Record` a run, whatever ran. It knows neither how a
number was computed nor how it is shown."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from crossmem_hf.errors import CrossmemError
from crossmem_hf.storage import write_atomic

SCHEMA_VERSION: Final = 2
RECORD_FILE: Final = "record.json"

Value = str | bool | int | float | None
Where = Mapping[str, Value]
_SLACK = 1e-9
_REMEDY = "Pass a record.json that crossmem wrote, or the folder that holds it."


class _Frozen(BaseModel):
    """Checked on construction, frozen afterwards; unknown fields and numbers that are not finite are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            got = "" if first["type"] == "missing" else f"; got {first['input']!r:.80}"
            said = first["msg"].removeprefix("Value error, ")
            raise CrossmemError(
                f"{type(self).__name__}{'.' + place if place else ''}: {said}{got}.", "Correct that field."
            ) from error


class Measurement(_Frozen):
    """One number with all it needs to be read.

    Attributes:
        metric: E.g. ``"recall"``, ``"exposure"``.
        where: What it is about: an open mapping. Usual keys: ``stage`` (base, memorized, unlearned), ``source``
            (modality learned), ``target`` (modality asked in), ``group`` (forget, retain), ``method``,
            ``forget_modality``, ``model``, ``hops``, ``attribute``, ``kind``, ``seed``, ``persona_id``. A key that is
            not there pools over it: without ``seed`` the value is over all seeds.
        value: The estimate.
        ci: Its 95 % interval, clustered by persona; None for a test, a cost, or where resampling sets no bound.
        n: Answers (or runs) behind it, at least 1.
        chance: What guessing would give; None where the notion has no meaning.
        unit: ``"proportion"``, ``"0-100"``, ``"bits"``, ``"nats"``, ``"seconds"``, ...
        greater_is_better: Of what the run wants of these people; None if neither is better.
        greater_means: What a greater value says, in words, e.g. ``"more memorized"``.
        note: What else its reader must know; may be empty.

    Raises:
        CrossmemError: A field has the wrong type, the value lies outside its interval, or nothing is behind it.
    """

    metric: str
    where: dict[str, Value] = Field(default_factory=dict)
    value: float
    ci: tuple[float, float] | None = None
    n: int = Field(ge=1)
    chance: float | None = None
    unit: str
    greater_is_better: bool | None = None
    greater_means: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _value_is_inside(self) -> Self:
        if self.ci is not None and not self.ci[0] - _SLACK <= self.value <= self.ci[1] + _SLACK:
            raise ValueError(f"{self} lies outside its own interval")
        return self

    @property
    def key(self) -> tuple[str, tuple[tuple[str, Value], ...]]:
        """What no two measurements of a record share."""
        return self.metric, tuple(sorted(self.where.items()))

    @property
    def place(self) -> str:
        """Where, in words: ``"stage unlearned, source image"``."""
        return ", ".join(f"{name} {value}" for name, value in self.where.items())

    def __str__(self) -> str:
        interval = "" if self.ci is None else f" [{self.ci[0]:.3g}, {self.ci[1]:.3g}]"
        chance = "" if self.chance is None else f", chance {self.chance:.3g}"
        about = f" ({self.place})" if self.where else ""
        return f"{self.metric}{about} {self.value:.3g}{interval}, n={self.n}{chance}"

    __repr__ = __str__


class Verdict(_Frozen):
    """What a run says about a claim.

    Attributes:
        sentence: The claim.
        paper: Where it is from.
        effect: The contrast, mean over seeds, with its 95 % interval over seeds; None where it was not measured.
        n: Seeds behind it.
        threshold: What the effect is held against.
        verdict: ``"supported"`` if the whole interval is beyond the threshold, ``"contradicted"`` if on the other
            side, else ``"inconclusive"``, which fewer than five seeds always are.
    """

    sentence: str
    paper: str
    effect: float | None
    ci: tuple[float, float] | None
    n: int
    threshold: float
    unit: str
    verdict: Literal["supported", "contradicted", "inconclusive"]
    reason: str = ""


class CastMember(_Frozen):
    """A persona of the run and whether the run tried to forget them."""

    persona_id: str
    full_name: str
    forgotten: bool
    seed: int


class Example(_Frozen):
    """One question to the model, word for word, and its answer."""

    persona_id: str
    full_name: str
    where: dict[str, Value]
    question: str
    answer: str
    truth: str
    correct: bool
    forgotten: bool


class Failure(_Frozen):
    """A part of the run that broke down, which is a result too."""

    where: dict[str, Value]
    error: str


class Record(_Frozen):
    """Everything a reader needs to judge a run, and to repeat it.

    Attributes:
        study: What ran: the name of a study, or ``"score"``.
        config: Its settings, JSON types only.
        versions: Package -> version.
        seeds: Persona seeds; empty if the rows were not ours.
        fingerprints: ``"data"``: digest of the contents of all rows; ``"model"``: of the weights.
        measurements: No two with the same `Measurement.key`.
        verdicts: On the study's claims.
        cast: The personas; their portraits are not part of the record.
        examples: Questions and answers to show.
        items: Values of single personas, for distributions.
        failures: What broke down.
        notes: Whatever the run wants its reader to know, a sentence each.

    Raises:
        CrossmemError: A field is unknown or has the wrong type, or two measurements share a key.
    """

    schema_version: Literal[2] = 2
    study: str
    config: dict[str, Any]
    versions: dict[str, str]
    seeds: tuple[int, ...] = ()
    fingerprints: dict[str, str]
    measurements: tuple[Measurement, ...]
    verdicts: tuple[Verdict, ...] = ()
    cast: tuple[CastMember, ...] = ()
    examples: tuple[Example, ...] = ()
    items: tuple[Measurement, ...] = ()
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    @field_validator("measurements")
    @classmethod
    def _each_once(cls, measurements: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
        repeated = [key for key, times in Counter(m.key for m in measurements).items() if times > 1]
        if repeated:
            raise ValueError(f"measured twice: {repeated[0]!r}")
        return measurements

    def find(self, metric: str | None = None, **where: Value) -> tuple[Measurement, ...]:
        """The measurements that agree with all criteria; one left out matches anything, None matches what pools."""
        return tuple(
            m
            for m in self.measurements
            if metric in (None, m.metric) and all(m.where.get(name) == want for name, want in where.items())
        )

    def one(self, metric: str, **where: Value) -> Measurement | None:
        """The measurement with exactly these keys, over all seeds; of a run with one seed that seed's; None if there
        is none."""
        wanted = {name: value for name, value in where.items() if value is not None}
        found = [m for m in self.find(metric, **where) if {*m.where} - {"seed"} == {*wanted} - {"seed"}]
        pooled = next((m for m in found if "seed" in where or m.where.get("seed") is None), None)
        return found[0] if pooled is None and len(found) == 1 else pooled

    def write(self, path: str | os.PathLike[str]) -> Path:
        """The path, once it holds the record as JSON, one entry of a list a line; equal records give equal bytes.

        Raises:
            CrossmemError: The file could not be written, or `config` holds what JSON cannot say.
        """
        try:
            fields = [f"{json.dumps(name)}: {_encoded(value)}" for name, value in self.model_dump(mode="json").items()]
        except (TypeError, ValueError) as error:
            raise CrossmemError(
                f"A record of {self.study!r} holds a value that JSON cannot say: {error}.",
                "Use strings, finite numbers, booleans, lists and mappings only.",
            ) from error
        return write_atomic(path, "{\n" + ",\n".join(fields) + "\n}\n")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """The record in a file, or under `RECORD_FILE` in a folder.

        Raises:
            CrossmemError: There is none, or it is not JSON, no record, or of another version.
        """
        file = Path(path)
        file = file / RECORD_FILE if file.is_dir() else file
        try:
            raw = json.loads(file.read_bytes())
        except OSError as error:
            raise CrossmemError(f"Could not read {str(file)!r}: {error.strerror or error}.", _REMEDY) from error
        except (ValueError, RecursionError) as error:
            raise CrossmemError(f"{str(file)!r} is not JSON, perhaps cut short: {error}.", _REMEDY) from error
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if version != SCHEMA_VERSION:
            what = "no record" if version is None else f"of schema version {version!r}"
            raise CrossmemError(
                f"{str(file)!r} is {what}; this crossmem_hf reads records of version {SCHEMA_VERSION}.", _REMEDY
            )
        try:
            return cls(**raw)
        except CrossmemError as error:
            raise CrossmemError(f"{str(file)!r} is no valid record. {error.fault}", _REMEDY) from error


def _encoded(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        return "[\n" + ",\n".join(f"  {_encoded(entry)}" for entry in value) + "\n]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
