# SPDX-License-Identifier: Apache-2.0
"""A study run: its cells in parallel processes, once each, and the record they make. It knows no study."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import RECORD_FILE, Failure, Measurement, Record, Verdict
from crossmem_hf.runs.pool import default_workers, run_jobs
from crossmem_hf.runs.sources import environment
from crossmem_hf.runs.stages import locked, own_folder
from crossmem_hf.storage import fingerprint
from crossmem_hf.studies.claims import verdicts
from crossmem_hf.studies.jobs import PREDICTIONS, CellJob, CellOutput, jobs_of
from crossmem_hf.studies.pages import write_pages
from crossmem_hf.studies.personas import cast, examples, persona_items
from crossmem_hf.studies.settings import StudySettings
from crossmem_hf.studies.study import Study

NOT_RUN: Final = "not run: "
"""Begins the error of a cell that could not be run; it is tried again. Any other failure is a result."""


def default_folder(study: Study, settings: StudySettings) -> Path:
    """Where a study goes unless told otherwise; with other settings it goes elsewhere."""
    made_from = owner(study, settings)
    usual = made_from == owner(study, study.settings())
    return Path("crossmem_runs") / (study.name if usual else f"{study.name}-{made_from[:8]}")


def owner(study: Study, settings: StudySettings) -> str:
    """Fingerprint of what all cells of a folder share: the study and its settings, less those that choose cells."""
    return fingerprint([study.name, settings.of_cells()])


def run_study(
    study: Study,
    settings: StudySettings,
    folder: Path,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> Record:
    """Run a study, or go on with it: cells that `folder` holds are not run again, whichever grid they were in.

    Args:
        folder: Gets ``record.json``, ``predictions.jsonl``, ``report.html``, ``report.md`` and ``figures``; what
            was worked out stays under ``cells`` and ``stages``.
        workers: Cells at a time; None is one a CPU core, or one in all if there is a GPU.
        overwrite: Replace what another study, or other settings, left in `folder`.

    Returns:
        The record. Cells that broke down are among its failures.

    Raises:
        CrossmemError: The folder is another run's or cannot be used, a worker died, or no cell at all could be run.
    """
    jobs = jobs_of(study, settings, folder)
    names = [job.name for job in jobs]
    if not jobs or len(set(names)) < len(names):
        raise CrossmemError(f"The grid of {study.name!r} is empty or has a cell twice.", "Correct its settings.")
    with locked(folder):
        own_folder(folder, owner(study, settings), overwrite=overwrite, settings=settings.of_cells())
        errors = _run_missing(jobs, workers, console or Console())
        outputs = [output for job in jobs if job.name not in errors and (output := job.known()) is not None]
        if not outputs:
            raise CrossmemError(f"No cell could be run: {next(iter(errors.values()))}", "Correct that and run again.")
        made = _made(study, settings, outputs, [(job, errors[job.name]) for job in jobs if job.name in errors])
        made.record.write(folder / RECORD_FILE)
        made.predictions.write(folder / PREDICTIONS)
        write_pages(made.record, folder)
    return made.record


def judged(study: Study, settings: StudySettings, measurements: Sequence[Measurement]) -> tuple[Verdict, ...]:
    """What the study's claims say of measurements; of those of a record, too, that was made before a claim was."""
    return verdicts(study.claims(settings), measurements, settings.all_seeds)


def _run_missing(jobs: Sequence[CellJob], workers: int | None, console: Console) -> dict[str, str]:
    """Run the cells that are not there; name of each that could not be run -> why."""
    errors: dict[str, str] = {}
    missing = [job for job in jobs if job.known() is None]

    def failed(job: CellJob, error: Exception) -> dict[str, str]:
        errors[job.name] = str(error) if isinstance(error, CrossmemError) else f"{type(error).__name__}: {error}"
        return {}

    if missing:
        at_once = min(workers or default_workers(), len(missing))
        log = missing[0].folder / "log.txt"
        run_jobs(missing, workers=at_once, log=log, console=console, failed=failed)
    return errors


@dataclass(frozen=True, slots=True)
class _Made:
    record: Record
    predictions: Predictions


def _made(
    study: Study,
    settings: StudySettings,
    outputs: Sequence[CellOutput],
    errors: Sequence[tuple[CellJob, str]],
) -> _Made:
    from crossmem_hf.models.loading import model_fingerprint

    predictions = Predictions.joined([output.predictions for output in outputs])
    ended = predictions.where(step=None)
    measurements = [*study.measure(predictions), *(one for output in outputs for one in output.measurements)]
    record = Record(
        study=study.name,
        config=settings.as_dict() | study.config(settings),
        versions=environment(),
        seeds=settings.all_seeds,
        fingerprints={
            "data": data_fingerprint(study, settings),
            "model": model_fingerprint(settings.model_name_or_path),
        },
        measurements=tuple(measurements),
        verdicts=judged(study, settings, measurements),
        cast=tuple(cast(settings)) if study.personas else (),
        examples=tuple(examples(settings, ended)) if study.personas else (),
        items=tuple(persona_items(ended)) if study.personas else (),
        failures=tuple(_failures(outputs, errors)),
        notes=tuple(_notes(study, settings, predictions, outputs)),
    )
    return _Made(record, predictions)


def _notes(
    study: Study, settings: StudySettings, predictions: Predictions, outputs: Sequence[CellOutput]
) -> Iterator[str]:
    yield from study.notes(settings, predictions)
    if settings.choosing:
        yield "Made to choose settings: not to be reported, since what is best here was picked by these very personas."
    yield from (note for output in outputs for note in output.notes)


def _failures(outputs: Sequence[CellOutput], errors: Sequence[tuple[CellJob, str]]) -> Iterator[Failure]:
    for output in outputs:
        if output.failed is not None:
            yield Failure(where=dict(output.where), error=output.failed)
    for job, error in errors:
        yield Failure(where=dict(job.where), error=NOT_RUN + error)


def data_fingerprint(study: Study, settings: StudySettings) -> str:
    """Digest of the contents of the rows of all seeds."""
    from crossmem_hf.data.digest import spec_digest

    configs = study.configs(settings)
    return fingerprint([spec_digest(settings.spec(seed), configs) for seed in settings.all_seeds])
