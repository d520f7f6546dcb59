# SPDX-License-Identifier: Apache-2.0
"""What ran and what came out: one `Measurement` a number, one `Record` a run, whatever ran. It knows neither how a
number was computed nor how it is shown."""

import json
from collections import Counter
from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from crossmem_hf.report.stored import Frozen, Stored

SCHEMA_VERSION: Final = 2
RECORD_FILE: Final = "record.json"
BASELINES: Final = ("base", "memorized", "retain_only")
"""Methods that unlearn nothing: the model before learning, after learning, and one that learned the retained only."""
NEAREST: Final = "nearest row"
"""In the place of a model or a stage: no model, but the training row that is most like the row asked."""

KEYS: Final = (
    *("model", "stage", "method", "source", "forget_modality", "target", "group", "hops", "attribute", "kind"),
    *("persona_id", "seed"),
)
"""The usual keys of `Measurement.where`, in the order in which they are kept and shown; others stand between."""

Value = str | bool | int | float | None
Where = Mapping[str, Value]
_SLACK = 1e-9
_LAST = ("persona_id", "seed")

ENOUGH_SEEDS: Final = 5
SEEDS_NOTE: Final = (
    "¹ ² ³ ⁴ at an interval: so many persona seeds are behind it. Fewer than five say little of how much further "
    "seeds would differ, and one says nothing of it."
)
"""What `Measurement.seeds_mark` means, for whatever shows one."""


def ordered(where: Where) -> dict[str, Value]:
    """The same keys in one order, that of `KEYS`: equal places read and are written alike."""
    first = [name for name in KEYS if name in where and name not in _LAST]
    others = sorted(where.keys() - set(KEYS))
    return {name: where[name] for name in (*first, *others, *(name for name in _LAST if name in where))}


def words_of(where: Where) -> str:
    """A place in words: ``"stage unlearned, source image"``."""
    return ", ".join(f"{name} {value}" for name, value in where.items())


class Measurement(Frozen):
    """One number with all it needs to be read.

    Attributes:
        metric: E.g. ``"recall"``, ``"exposure"``.
        where: What it is about: an open mapping. Usual keys: ``stage`` (base, memorized, unlearned), ``source``
            (modality learned), ``target`` (modality asked in), ``group`` (forget, retain), ``method``,
            ``forget_modality``, ``model``, ``hops``, ``attribute``, ``kind``, ``seed``, ``persona_id``. A key that is
            not there pools over it: without ``seed`` the value is over all seeds.
        value: The estimate.
        ci: Its 95 % interval by the rule of `metrics.intervals`: seeds, then personas; None for a test, a cost, or
            where the answers set no bound.
        n: Answers (or runs) behind it, at least 1.
        chance: What guessing would give: of recall, a forced choice among the candidates; None where the notion has no
            meaning.
        unit: ``"proportion"``, ``"0-100"``, ``"bits"``, ``"nats"``, ``"seconds"``, ...
        greater_is_better: Of what the run wants of these people; None if neither is better.
        greater_means: What a greater value says, in words, e.g. ``"more memorized"``.
        note: What else its reader must know; may be empty.
        by_seed: Persona seed -> the value there, as far as it is defined, where seeds are pooled; else empty.

    Raises:
        CrossmemError: A field has the wrong type, the value lies outside its interval, or nothing is behind it.

    Example:
        >>> Measurement(metric="recall", where={"target": "text"}, value=0.5, ci=(0.4, 0.6), n=200, chance=0.02,
        ...             unit="proportion")
        recall (target text) 0.5 [0.4, 0.6], n=200, chance 0.02
    """

    metric: str
    where: dict[str, Value] = Field(default_factory=dict)
    value: float
    ci: Annotated[tuple[float, float] | None, Field(strict=False)] = None
    n: int = Field(ge=1)
    chance: float | None = None
    unit: str
    greater_is_better: bool | None = None
    greater_means: str = ""
    note: str = ""
    by_seed: dict[Annotated[int, Field(strict=False)], float] = Field(default_factory=dict)

    @field_validator("where")
    @classmethod
    def _in_one_order(cls, where: dict[str, Value]) -> dict[str, Value]:
        if type(where.get("seed")) not in (int, NoneType):
            raise ValueError(f"the seed {where['seed']!r:.40} is no whole number")
        return ordered(where)

    @model_validator(mode="after")
    def _value_is_inside(self) -> Self:
        if self.ci is not None and not self.ci[0] - _SLACK <= self.value <= self.ci[1] + _SLACK:
            raise ValueError(f"{self} lies outside its own interval")
        return self

    @property
    def key(self) -> tuple[str, tuple[tuple[str, Value], ...]]:
        """What no two measurements of a record share."""
        return self.metric, tuple(self.where.items())

    @property
    def place(self) -> str:
        """Where, in words: ``"stage unlearned, source image"``."""
        return words_of(self.where)

    @property
    def seed(self) -> Value:
        """The persona seed; None over all of them."""
        return self.where.get("seed")

    def in_seed(self, seed: int) -> "Measurement | None":
        """The value of one seed, without an interval; None if it was not measured there, or no seed is known.

        Example:
            >>> over_two = Measurement(metric="recall", value=0.5, n=200, unit="proportion", by_seed={0: 0.4, 1: 0.6})
            >>> over_two.in_seed(1)
            recall (seed 1) 0.6, n=100
        """
        if self.seed is not None:
            return self if self.seed == seed else None
        if seed not in self.by_seed:
            return None
        own: dict[str, Any] = {"value": self.by_seed[seed], "n": self.n // len(self.by_seed)}
        where = ordered({**self.where, "seed": seed})
        return self.model_copy(update={**own, "ci": None, "by_seed": {}, "where": where})

    @property
    def seeds_mark(self) -> str:
        """The number of seeds behind an interval as a small raised digit, if they are few; see `SEEDS_NOTE`."""
        count = len(self.by_seed) or int(self.seed is not None)
        return "" if self.ci is None or count >= ENOUGH_SEEDS else " ¹²³⁴"[count].strip()

    def __str__(self) -> str:
        interval = "" if self.ci is None else f" [{self.ci[0]:.3g}, {self.ci[1]:.3g}]{self.seeds_mark}"
        chance = "" if self.chance is None else f", chance {self.chance:.3g}"
        about = f" ({self.place})" if self.where else ""
        return f"{self.metric}{about} {self.value:.3g}{interval}, n={self.n}{chance}"

    __repr__ = __str__


class Verdict(Frozen):
    """What a run says about a claim.

    Attributes:
        sentence: The claim.
        paper: Where it is from.
        effect: The contrast, mean over seeds, with its 95 % interval over seeds; None where it was not measured.
        n: Seeds behind it.
        threshold: What the effect is held against.
        verdict: ``"supported"`` if the whole interval is beyond the threshold, ``"contradicted"`` if on the other
            side, else ``"inconclusive"``, which fewer than five seeds always are.
        question: What it helps to answer; claims of one question are shown together.
        differs: In what this differs from the paper.
    """

    sentence: str
    paper: str
    effect: float | None
    ci: Annotated[tuple[float, float] | None, Field(strict=False)]
    n: int
    threshold: float
    unit: str
    verdict: Literal["supported", "contradicted", "inconclusive"]
    reason: str = ""
    question: str = ""
    differs: str = ""


class CastMember(Frozen):
    """A persona of the run and whether the run tried to forget them."""

    persona_id: str
    full_name: str
    forgotten: bool
    seed: int


class Example(Frozen):
    """One question to the model, word for word, and its answer."""

    persona_id: str
    full_name: str
    where: dict[str, Value]
    question: str
    answer: str
    truth: str
    correct: bool
    forgotten: bool


class Failure(Frozen):
    """A part of the run that broke down, which is a result too."""

    where: dict[str, Value]
    error: str


class Record(Stored):
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
        CrossmemError: A field is unknown or has the wrong type, `config` holds what JSON cannot say, or two
            measurements share a key.
    """

    newest: ClassVar[int] = SCHEMA_VERSION
    file_name: ClassVar[str] = RECORD_FILE
    remedy: ClassVar[str] = "Pass a record.json that crossmem wrote, or the folder that holds it."

    schema_version: Literal[2] = SCHEMA_VERSION
    study: str
    config: dict[str, Any]
    versions: dict[str, str]
    seeds: Annotated[tuple[int, ...], Field(strict=False)] = ()
    fingerprints: dict[str, str]
    measurements: Annotated[tuple[Measurement, ...], Field(strict=False)]
    verdicts: Annotated[tuple[Verdict, ...], Field(strict=False)] = ()
    cast: Annotated[tuple[CastMember, ...], Field(strict=False)] = ()
    examples: Annotated[tuple[Example, ...], Field(strict=False)] = ()
    items: Annotated[tuple[Measurement, ...], Field(strict=False)] = ()
    failures: Annotated[tuple[Failure, ...], Field(strict=False)] = ()
    notes: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @field_validator("config")
    @classmethod
    def _json_types_only(cls, config: dict[str, Any]) -> dict[str, Any]:
        try:
            read: dict[str, Any] = json.loads(json.dumps(config, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ValueError(f"JSON cannot say this: {error}") from error
        return read

    @field_validator("measurements", "items")
    @classmethod
    def _each_once(cls, measurements: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
        repeated = [key for key, times in Counter(m.key for m in measurements).items() if times > 1]
        if repeated:
            raise ValueError(f"measured twice: {repeated[0][0]} ({words_of(dict(repeated[0][1]))})")
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
        pooled = next((m for m in found if "seed" in where or m.seed is None), None)
        return found[0] if pooled is None and len(found) == 1 else pooled

    def baselines(self, m: Measurement) -> dict[str, Measurement]:
        """``"base"`` and ``"memorized"`` -> the same metric of the same people asked in the same way of the model
        before and after learning, as far as the record has it; of a base model nothing, of a memorized one base."""
        own = next((m.where[name] for name in ("stage", "method", "model") if name in m.where), None)
        names = BASELINES[: {"base": 0, "memorized": 1}.get(str(own), 2)]
        whose = next((name for name in ("stage", "method") if name in m.where), "model")
        place = {name: value for name, value in m.where.items() if name != "forget_modality"}
        found = {name: self._of_its_seed(m, {**place, whose: name}) for name in names}
        return {name: other for name, other in found.items() if other is not None}

    def _of_its_seed(self, m: Measurement, place: Where) -> Measurement | None:
        """The same metric at another place, of the same seed where `m` is of one."""
        found = self.one(m.metric, **place)
        if found is None and isinstance(m.seed, int):
            pooled = self.one(m.metric, **{name: value for name, value in place.items() if name != "seed"})
            return None if pooled is None else pooled.in_seed(m.seed)
        return found

    def __repr__(self) -> str:
        counts = ((name, len(getattr(self, name))) for name in ("measurements", "seeds", "verdicts", "failures"))
        held = ", ".join(f"{count} {name if count > 1 else name[:-1]}" for name, count in counts if count)
        return f"Record of {self.study!r} ({held})"

    __str__ = __repr__
