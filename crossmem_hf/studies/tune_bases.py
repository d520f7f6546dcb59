# SPDX-License-Identifier: Apache-2.0
"""Learning rates at which each embedded base learns, chosen on personas, views and wordings that are not reported.

As many trials for each base and for names and facts alike. The criterion was fixed before the trials were run. What is
chosen stands in `training.micro.RATES`.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from types import MappingProxyType
from typing import Final

from pydantic import Field

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import bases
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.record import Measurement, Record
from crossmem_hf.studies.adapters import TrainingRows
from crossmem_hf.studies.cells import Query, predicted
from crossmem_hf.studies.learning import LEARNED, at_work, learned
from crossmem_hf.studies.settings import SELECTS, StudySettings, some_of
from crossmem_hf.studies.study import Cell, CellResult, Study, Where, cell_name
from crossmem_hf.training.micro import CHOSEN_ON

TRIALS: Final[Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {"names": (1e-3, 2e-3, 4e-3, 8e-3), "facts": (5e-4, 1e-3, 2e-3, 4e-3)}
)
"""What is learned -> learning rates that are tried."""
_CONFIGS = {"names": "recall", "facts": "fact"}
_BASES = bases()


class TuneBasesSettings(StudySettings):
    """Settings of the search; the persona seeds are those that nothing is reported about."""

    seed: int = Field(min(CHOSEN_ON), ge=0, description="First persona seed.", json_schema_extra=SELECTS)
    seeds: int = Field(len(CHOSEN_ON), ge=1, le=100, description="How many.", json_schema_extra=SELECTS)
    choosing: bool = Field(True, description="Such numbers are not to be reported.", json_schema_extra=SELECTS)
    bases: some_of(_BASES) = Field(  # type: ignore[valid-type]
        _BASES, description=f"Comma-separated: {', '.join(_BASES)}.", json_schema_extra=SELECTS
    )
    learned: some_of(LEARNED) = Field(  # type: ignore[valid-type]
        LEARNED, description=f"What is learned: {', '.join(LEARNED)}.", json_schema_extra=SELECTS
    )


def _grid(settings: TuneBasesSettings) -> list[Where]:
    places = product(settings.bases, settings.learned, range(len(TRIALS["names"])), settings.all_seeds)
    return [
        {"base": base, "learned": what, "trial": trial, "source": source, "seed": seed}
        for base, what, trial, seed in places
        for source in (MODALITIES if what == "names" else ("image",))
    ]


def _cell(cell: Cell) -> CellResult:
    """Memorize at the trial's rate, and ask validation views in the modality learned from."""
    what, here = str(cell.where["learned"]), at_work(cell)
    adapter = learned(here, learning_rate=TRIALS[what][int(cell.where["trial"] or 0)])
    rows = TrainingRows(configs=(f"{_CONFIGS[what]}_{cell.where['source']}",), split="validation")
    query = Query(rows=rows, metrics=("recall",))
    return CellResult(predictions=predicted(here, f"{cell_name(cell.where)}_asked", query, adapter))


def _measure(predictions: Predictions) -> Iterator[Measurement]:
    """The criterion: recall on validation views, the mean over sources and seeds."""
    return (one for one in predictions.measure(("recall",), ("base", "learned", "trial")) if one.metric == "recall")


def chosen(record: Record) -> dict[str, tuple[float, float]]:
    """Base -> its rates for names and facts: those of the greatest recall, of equal ones the lower."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for one in record.find("recall"):
        what, rate = str(one.where["learned"]), TRIALS[str(one.where["learned"])][int(one.where["trial"] or 0)]
        own = found.setdefault(str(one.where["base"]), {})
        own[what] = max(own.get(what, (-1.0, 0.0)), (one.value, -rate))
    return {base: (-own["names"][1], -own["facts"][1]) for base, own in found.items() if len(own) == len(LEARNED)}


STUDY = Study(
    name="tune_bases",
    title="Learning rates of each embedded base, chosen on personas and views that are not reported",
    paper="Ours",
    settings=TuneBasesSettings,
    grid=_grid,
    cell=_cell,
    configs=lambda _: ("recall_image", "recall_text", "qa", "fact_image"),
    measure=_measure,
    headline=(("recall", {}),),
    quick={"seeds": 1, "bases": _BASES[:1], "num_personas": 20},
    config=lambda settings: {"trials": {what: list(rates) for what, rates in TRIALS.items()}},
)
