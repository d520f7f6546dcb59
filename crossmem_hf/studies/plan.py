# SPDX-License-Identifier: Apache-2.0
"""What a study would do: its cells, those already done, time and memory expected. It runs nothing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from crossmem_hf.errors import CrossmemError
from crossmem_hf.models.embedded import base_named
from crossmem_hf.models.loading import load_processor, model_without_weights
from crossmem_hf.report.record import RECORD_FILE, Record, Value
from crossmem_hf.studies.jobs import CELLS, CellJob, jobs_of, model_of
from crossmem_hf.studies.settings import StudySettings
from crossmem_hf.studies.study import Study, Where, cell_name

if TYPE_CHECKING:
    from crossmem_hf.training.step_cost import StepCost

SHIPPED = Path(__file__).resolve().parents[2] / "results"
"""Records of this repository; an installed package has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell before it is run.

    Attributes:
        done: It would not be run again.
        cpu_s: Seconds of processor time that it is expected to take; None if that is not known.
        peak_mib: Most memory it is expected to hold, in MiB; None if that is not known.
        known_from: Where the expectation is from, in words.
    """

    name: str
    done: bool
    cpu_s: float | None
    peak_mib: float | None
    known_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedCell:
    """The training of a cell with a model that does not ship, worked out from its configuration.

    Attributes:
        num_rows: Of the training set.
        steps: Of the optimizer.
        cost: Of each.
    """

    name: str
    num_rows: int
    steps: int
    cost: "StepCost"


@dataclass(frozen=True, slots=True)
class _Cost:
    where: Where
    cpu_s: float
    peak_mib: float


def planned(study: Study, settings: StudySettings, folder: Path) -> tuple[PlannedCell, ...]:
    """The cells in the order of the grid; costs are those of the same cell of other seeds, done in `folder`, or else
    in the record that is shipped of the study, if its cells had these settings."""
    jobs = jobs_of(study, settings, folder)
    ours, theirs = list(_done_before(settings, folder)), _shipped(study, settings)
    return tuple(_expected(job, ours, theirs) for job in jobs)


def computed(study: Study, settings: StudySettings) -> tuple[ComputedCell, ...]:
    """What each cell would train, without weights; nothing of a base that ships, or where the study does not say.

    Raises:
        CrossmemError: The model has no configuration here or on the Hub, or its processor cannot be loaded.
    """
    grid = [where for where in study.grid(settings) if _is_foreign(model_of(where, settings))]
    if study.training is None or not grid:
        return ()
    known: dict[str, tuple[int, int, StepCost]] = {}
    for where in grid:
        alike = cell_name(_without_seed(where))
        if alike not in known:
            known[alike] = _computed(study, settings, where)
    cells = ((cell_name(where), *known[cell_name(_without_seed(where))]) for where in grid)
    return tuple(ComputedCell(name=name, num_rows=count, steps=steps, cost=cost) for name, count, steps, cost in cells)


def _is_foreign(model: str | None) -> bool:
    return model is not None and base_named(model) is None


def _computed(study: Study, settings: StudySettings, where: Where) -> tuple[int, int, "StepCost"]:
    from crossmem_hf.training.collate import RowEncoder
    from crossmem_hf.training.memorize import language_lora
    from crossmem_hf.training.step_cost import step_cost

    assert study.training is not None, "asked only of studies that say what they train"
    training, name = study.training(settings, where), model_of(where, settings)
    encoder = RowEncoder(load_processor(name))
    batch = [encoder.encode(row) for row in training.rows.select(range(min(training.batch_size, len(training.rows))))]
    model = model_without_weights(name, dtype=settings.dtype)
    cost = step_cost(model, language_lora(**training.lora), batch, batches=training.batches)
    return len(training.rows), training.steps, cost


def _done_before(settings: StudySettings, folder: Path) -> Iterator[_Cost]:
    """Costs of the cells in a folder, whichever seeds they are of."""
    for file in sorted((folder / CELLS).glob("*/done.json")):
        try:
            found = json.loads(file.read_bytes())
            inputs, cost = found["inputs"], found["result"]["cost"]
            if inputs["settings"] == settings.of_cells():
                yield _Cost(inputs["where"], float(cost["cpu_s"]), float(cost["peak_mib"]))
        except (ValueError, KeyError, TypeError):
            continue  # not whole: the cell will be run again


def _expected(job: CellJob, ours: Sequence[_Cost], theirs: Sequence[_Cost]) -> PlannedCell:
    done = job.known() is not None
    for costs, known_from in ((ours, "cells done here"), (theirs, "the shipped record, training alone")):
        alike = [cost for cost in costs if _without_seed(cost.where) == _without_seed(job.where)]
        if alike:
            return PlannedCell(
                name=job.name,
                done=done,
                cpu_s=mean(cost.cpu_s for cost in alike),
                peak_mib=max(cost.peak_mib for cost in alike),
                known_from=known_from,
            )
    return PlannedCell(name=job.name, done=done, cpu_s=None, peak_mib=None, known_from="")


def _without_seed(where: Where) -> dict[str, Value]:
    return {name: value for name, value in where.items() if name != "seed"}


def _shipped(study: Study, settings: StudySettings) -> list[_Cost]:
    """Costs in the study's shipped record: mean seconds and most memory a cell, if its settings were these."""
    file = SHIPPED / study.name / RECORD_FILE
    if not file.is_file():
        return []
    try:
        record = Record.read(file)
    except CrossmemError:
        return []  # of another version: then nothing is expected
    mine = settings.of_cells()
    if any(record.config[name] != value for name, value in mine.items() if name in record.config):
        return []
    found = {one.key[1]: one for one in record.find("peak_mib")}
    return [
        _Cost(one.where, one.value, found[one.key[1]].value) for one in record.find("cpu_s") if one.key[1] in found
    ]
