# SPDX-License-Identifier: Apache-2.0
"""One cell as a job for another process, and its result on disk. It does not know what the cell does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.models.embedded import BASES
from crossmem_hf.report.record import Measurement
from crossmem_hf.runs.cost import measured
from crossmem_hf.runs.sources import code_fingerprint, library_versions
from crossmem_hf.runs.stages import Done, finished_stage, run_stage
from crossmem_hf.studies.adapters import BrokenDownError
from crossmem_hf.studies.settings import StudySettings
from crossmem_hf.studies.study import Cell, CellResult, Study, Where, cell_name

PREDICTIONS = "predictions.jsonl"
CELLS, STAGES = "cells", "stages"


@dataclass(frozen=True, kw_only=True)
class CellJob:
    """What to do and where to keep it; it can be pickled, unlike a study.

    Attributes:
        folder: Of the study's run.
        depends: What it depends on besides: the model, code, versions, what models run on.
    """

    study: str
    cell: Callable[[Cell], CellResult]
    settings: StudySettings
    where: Where
    folder: Path
    depends: Mapping[str, Any]

    @property
    def name(self) -> str:
        """E.g. ``"npo_both_seed0"``; also the name of the cell's folder."""
        return cell_name(self.where)

    @property
    def place(self) -> Path:
        """The cell's own folder."""
        return self.folder / CELLS / self.name

    @property
    def inputs(self) -> dict[str, Any]:
        """Everything the cell's result depends on."""
        return {
            "study": self.study,
            "where": dict(self.where),
            "settings": self.settings.of_cells(),
            **self.depends,
        }

    def known(self) -> "CellOutput | None":
        """The result, if the cell was done before."""
        done = finished_stage(self.place, self.inputs)
        return None if done is None else CellOutput.of(self, done)

    def run(self, report: Callable[[str, float], None]) -> dict[str, Any]:
        """Do the cell, unless it was done meanwhile.

        Returns:
            What is written about it: see `CellOutput`.

        Raises:
            CrossmemError: Anything but a training that broke down.
        """

        def compute(folder: Path) -> dict[str, Any]:
            cell = Cell(settings=self.settings, where=self.where, stages=self.folder / STAGES, progress=report)
            with measured() as cost:
                try:
                    found = self.cell(cell)
                except BrokenDownError as error:
                    found = CellResult(failed=error.fault)
            if found.predictions is not None:
                found.predictions.write(folder / PREDICTIONS)
            return {
                "measurements": [one.model_dump(mode="json") for one in found.measurements],
                "failed": found.failed,
                "notes": list(found.notes),
                "cost": cost.as_dict(),
            }

        report("starting", 0.0)
        done = run_stage(self.place, self.inputs, compute)
        report("done", 1.0)
        return dict(done.result)


@dataclass(frozen=True, kw_only=True)
class CellOutput:
    """What a finished cell left.

    Attributes:
        cost: Of the whole cell, by `Cost`'s names; less where parts of it had been done before.
    """

    where: Where
    predictions: Predictions
    measurements: tuple[Measurement, ...]
    failed: str | None
    notes: tuple[str, ...]
    cost: Mapping[str, float]

    @classmethod
    def of(cls, job: CellJob, done: Done) -> "CellOutput":
        """The result as it was written, each prediction with the cell's `where` in its columns."""
        file = job.place / PREDICTIONS
        predictions = Predictions.read(file) if file.exists() else Predictions(())
        found = done.result
        return cls(
            where=job.where,
            predictions=predictions.with_columns(**job.where),
            measurements=tuple(Measurement(**one) for one in found["measurements"]),
            failed=found["failed"],
            notes=tuple(found["notes"]),
            cost=found["cost"],
        )


def jobs_of(study: Study, settings: StudySettings, folder: Path) -> list[CellJob]:
    """A job a cell, in the order of the study's grid."""
    import torch

    from crossmem_hf.models.loading import model_fingerprint

    fingerprint_of = cache(model_fingerprint)
    depends = {
        "code": code_fingerprint(study.cell),
        "versions": library_versions(),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }
    return [
        CellJob(
            study=study.name,
            cell=study.cell,
            settings=settings,
            where=dict(where),
            folder=folder,
            depends=depends | {"model": fingerprint_of(model_of(where, settings))},
        )
        for where in study.grid(settings)
    ]


def model_of(where: Where, settings: StudySettings) -> str | None:
    """The model of a cell: the ``base`` that it names, if that is one, else that of the settings."""
    base = str(where.get("base") or "")
    return base if base in BASES or (base and Path(base).is_dir()) else settings.model_name_or_path
