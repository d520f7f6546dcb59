# SPDX-License-Identifier: Apache-2.0
"""Settings of each unlearning method chosen on personas and views that are not reported, with one budget a method.

Twelve trials a method (`tune_trials`), on a persona seed of their own, forgetting names through both modalities, asked
with validation views; or four, forgetting facts in the sizes of ReMem, which portraits alone had taught. The criterion
was fixed before the trials were run. What is chosen of names stands in `training.micro.TUNED`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from pydantic import Field

from crossmem_hf.data.spec import PRESETS
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import DEFAULT_BASE
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.studies.adapters import TrainingRows
from crossmem_hf.studies.curves import Views, baseline, check_memorized, followed, queried
from crossmem_hf.studies.learning import FACTS, Learned, facts_replayed
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of, steps_of
from crossmem_hf.studies.study import Cell, CellResult, Study, Where, cell_name
from crossmem_hf.studies.tune_trials import FACT_TRIALS, TRIALS
from crossmem_hf.training.micro import CHOSEN_ON, TUNED, UNLEARNING

_NAMES = ("recall_image", "recall_text")
_ROWS = {
    "names": tuple(TrainingRows(configs=_NAMES, split=split) for split in ("train", "validation")),
    "facts": (FACTS, TrainingRows(configs=("fact_image",), split="validation")),
}
"""What is learned -> rows of it, and those that are asked."""
_TRIALS = {"names": TRIALS, "facts": FACT_TRIALS}
_VIEWS = Views(forget=2, retain=1, whole=False)


class TuneSettings(StudySettings):
    """Settings of the search; the persona seed is one that nothing is reported about."""

    seed: int = Field(min(CHOSEN_ON), ge=0, description="First persona seed.", json_schema_extra=SELECTS)
    seeds: int = Field(1, ge=1, le=100, description="How many.", json_schema_extra=SELECTS)
    choosing: bool = Field(True, description="Such numbers are not to be reported.", json_schema_extra=SELECTS)
    methods: some_of(tuple(TUNED)) = Field(  # type: ignore[valid-type]
        tuple(TUNED), description=f"Comma-separated: {', '.join(TUNED)}.", json_schema_extra=SELECTS
    )
    learned: Learned = Field("names", description="names, or facts in the sizes of ReMem.")
    evaluate_at: steps_of() = Field(  # type: ignore[valid-type]
        (15, 30, 60), description="Steps of unlearning after which all are queried, comma-separated; the last ends it."
    )


def _grid(settings: TuneSettings) -> list[Where]:
    found: list[Where] = [
        {"method": name, "seed": seed} for name, seed in product(("memorized", "retain_only"), settings.all_seeds)
    ]
    for method in settings.methods:
        for trial, seed in product(range(len(_TRIALS[settings.learned][method])), settings.all_seeds):
            found.append({"method": method, "trial": trial, "seed": seed})
    return found


def _cell(cell: Cell) -> CellResult:
    method, what = str(cell.where["method"]), cell.settings.learned
    train, validation = _ROWS[what]
    chosen: dict[str, Any] = {}
    if what == "facts":
        cell = replace(cell, settings=cell.settings.replaced(**PRESETS["remem"]))
        chosen = facts_replayed(cell.settings.model_name_or_path or DEFAULT_BASE)
    if cell.where.get("trial") is None:
        trained = baseline(cell, method, train, **chosen)
        return CellResult(predictions=queried(cell, cell_name(cell.where), trained, validation, _VIEWS))
    usual = UNLEARNING | {"forget_modality": "both" if what == "names" else None}
    learned = check_memorized(cell, validation, train, _VIEWS, **chosen)
    trial = {**usual, **_TRIALS[what][method][int(cell.where["trial"] or 0)]}
    steps = cell.settings.evaluate_at
    _, predictions = followed(cell, learned, train, validation, steps, _VIEWS, method=method, **trial)
    return CellResult(predictions=predictions)


def _measure(predictions: Predictions) -> Iterator[Measurement]:
    """What the criterion is made of, a seed, and the criterion: a trial's best step by the mean over seeds."""
    by = ("method", "trial", "step", "group", "seed")
    parts = [
        *predictions.where(group="forget").measure(("recall", "exposure"), by),
        *predictions.where(group="retain").measure(("recall",), by),
    ]
    found = [one for one in parts if one.metric in ("recall", "exposure")]
    yield from found
    known = {(one.metric, *(one.where.get(name) for name in by)): one.value for one in found}
    places = dict.fromkeys(tuple(one.where.get(name) for name in by[:3]) for one in found if "step" in one.where)
    for place in places:
        seeds = dict.fromkeys(key[5] for key in known if key[1:4] == place)
        values = [_criterion(known, place, seed) for seed in seeds]
        yield Measurement(
            metric="criterion",
            where=dict(zip(by[:3], place, strict=True)),
            value=sum(values) / len(values),
            n=len(values),
            unit="proportion",
            greater_means="more forgotten, more retained",
        )


def _criterion(known: Mapping[Any, float], place: Any, seed: Any) -> float:
    """Harmonic mean of how far the forgotten are forgotten and the share of the retained recall that is kept.

    Forgotten is the mean of two: the share of recall that is gone, and how near Exposure is to the retain-only
    model's, 1 there and 0 at the memorized model's or as far on the other side.
    """

    def at(metric: str, group: str, where: Any = place) -> float:
        return known[metric, *where, group, seed]

    memorized, retain_only = ("memorized", None, None), ("retain_only", None, None)
    whole = at("exposure", "forget", memorized) - at("exposure", "forget", retain_only)
    off = abs(at("exposure", "forget") - at("exposure", "forget", retain_only)) / (whole or math.inf)
    said, kept = (at("recall", group, memorized) or math.inf for group in ("forget", "retain"))
    forgotten = (max(0.0, 1 - off) + max(0.0, 1 - at("recall", "forget") / said)) / 2
    retained = min(1.0, at("recall", "retain") / kept)
    return 2 * forgotten * retained / (forgotten + retained) if forgotten + retained else 0.0


def chosen(record: Record) -> dict[str, dict[str, Any]]:
    """Method -> the trial whose best step has the greatest criterion; of equal ones the first."""
    best: dict[str, Measurement] = {}
    for one in record.find("criterion"):
        method = str(one.where["method"])
        if method not in best or one.value > best[method].value:
            best[method] = one
    tried = record.config["trials"]
    return {method: dict(tried[method][int(one.where["trial"] or 0)]) for method, one in best.items()}


STUDY = Study(
    name="tune",
    title="Settings of each unlearning method, chosen on personas and views that are not reported",
    paper="Ours; no paper says how its settings were chosen",
    settings=TuneSettings,
    grid=_grid,
    cell=_cell,
    configs=lambda settings: _NAMES if settings.learned == "names" else ("qa", "fact_image"),
    measure=_measure,
    headline=(("criterion", {}),),
    quick={"methods": ("npo",), "seeds": 1, "num_personas": 20},
    config=lambda settings: {
        "trials": {method: [dict(trial) for trial in _TRIALS[settings.learned][method]] for method in settings.methods}
    },
)
