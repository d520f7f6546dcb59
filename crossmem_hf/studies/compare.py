# SPDX-License-Identifier: Apache-2.0
"""Ways of forgetting side by side: `crossmem compare`. It knows the order of things; cells do the work.

After Table 2 of ReMem (arXiv 2605.03759) on our own people and the embedded model, with what no paper reports: the
modality that was not unlearned through, and the models to read the numbers against. No number here equals theirs.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.compare_figure import compare_png, compare_svg
from crossmem_hf.report.compare_record import CompareRecord
from crossmem_hf.report.compare_table import csv_text, markdown
from crossmem_hf.runs.pool import default_workers, run_jobs
from crossmem_hf.runs.sources import environment
from crossmem_hf.runs.stages import locked
from crossmem_hf.storage import fingerprint, write_atomic
from crossmem_hf.studies.compare_cells import ANCHORS, MEMORIZED, Cell
from crossmem_hf.studies.compare_settings import CompareSettings
from crossmem_hf.studies.compare_summary import FLUENT_SHARE, compare_arms, compare_lines, fluent_perplexity

_CELLS = "cells"
Result = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a comparison leaves: the record, where everything is, and the errors of cells that could not be run."""

    record: CompareRecord
    folder: Path
    errors: tuple[str, ...] = ()


def run_compare(
    settings: CompareSettings, folder: Path, *, workers: int | None = None, console: Console | None = None
) -> Comparison:
    """Compare, or go on where an earlier comparison into `folder` stopped: finished cells are not run again.

    A folder may grow: more methods, modalities or seeds later use the cells that are there.

    Args:
        folder: Gets ``compare.json``, ``compare.csv``, ``compare.md``, ``compare.svg``, ``compare.png`` and
            ``answers.jsonl``; cells stay under ``cells``.
        workers: Cells at a time; None is one a CPU core, or one in all if there is a GPU.

    Raises:
        CrossmemError: The folder cannot be used, or people were not memorized (and `allow_unmemorized` is off). A
            method whose training breaks down is a result; any other error of a cell is among `Comparison.errors`.
    """
    console = console or Console()
    with locked(folder):
        most = workers or default_workers()
        anchors = _run(_anchors(settings, folder), most, folder, console)
        _check_memorized(settings, anchors)
        unlearned = _run(_methods(settings, folder), most, folder, console)
        results = [*anchors, *unlearned]
        record = _record(settings, results)
        _write(record, results, folder)
    return Comparison(record=record, folder=folder, errors=tuple(_errors(results)))


def _run(cells: Sequence[Cell], workers: int, folder: Path, console: Console) -> list[Result]:
    log = folder / "log.txt"
    return run_jobs(cells, workers=min(workers, len(cells)), log=log, console=console, failed=_not_run)


def _not_run(cell: Cell, error: Exception) -> Result:
    said = str(error) if isinstance(error, CrossmemError) else f"{type(error).__name__}: {error}"
    return {"arm": cell.arm, "through": cell.through, "seed": cell.seed, "error": said}


def _errors(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        if "error" in result:
            who = " ".join(part for part in (result["arm"], result["through"]) if part)
            yield f"{who}, seed {result['seed']}: {result['error']}"


def _anchors(settings: CompareSettings, folder: Path) -> list[Cell]:
    return [_cell(settings, folder, seed, arm, None) for arm in ANCHORS for seed in settings.all_seeds]


def _methods(settings: CompareSettings, folder: Path) -> list[Cell]:
    return [
        _cell(settings, folder, seed, method, through)
        for method in settings.methods
        for through in settings.forget_modality
        for seed in settings.all_seeds
    ]


def _cell(settings: CompareSettings, folder: Path, seed: int, arm: str, through: str | None) -> Cell:
    return Cell(settings=settings, seed=seed, arm=arm, through=through, folder=folder / _CELLS)


def _check_memorized(settings: CompareSettings, anchors: Sequence[Result]) -> None:
    for result in anchors:
        if result["arm"] != MEMORIZED:
            continue
        ended = result.get("error") or result.get("failed")
        if ended:
            raise CrossmemError(
                f"Seed {result['seed']} could not be memorized: {ended}", "Nothing can be unlearned; see log.txt."
            )
        recalls = {}
        for modality in MODALITIES:
            right = [answer["correct"] for answer in result["asked"] if answer["modality"] == modality]
            recalls[modality] = sum(right) / len(right)
        if min(recalls.values()) < settings.gate and not settings.allow_unmemorized:
            shown = ", ".join(f"{modality} {value:.2f}" for modality, value in recalls.items())
            raise CrossmemError(
                f"Seed {result['seed']} was not memorized: recall {shown}; expected {settings.gate} by each modality.",
                "Memorize longer (--memorize-steps), or pass --allow-unmemorized: unknown people cannot be unlearned.",
            )


def _record(settings: CompareSettings, results: Sequence[Result]) -> CompareRecord:
    chosen = {
        method: {
            key: value for key, value in settings.unlearning(method, "both", settings.seed).items() if key != "seed"
        }
        for method in settings.methods
    }
    return CompareRecord(
        config=settings.as_dict() | {"unlearning": chosen, "memorizing": settings.memorizing(settings.seed)},
        versions=environment(),
        seeds=settings.all_seeds,
        data_fingerprint=fingerprint([settings.spec(seed).fingerprint() for seed in settings.all_seeds]),
        lines=tuple(compare_lines(results)),
        arms=tuple(compare_arms(results)),
        notes=tuple(_notes(settings, results)),
    )


def _notes(settings: CompareSettings, results: Sequence[Result]) -> Iterator[str]:
    yield (
        "People are memorized through both modalities by one adapter; every cell starts from it and keeps the same "
        "retained rows of both modalities; only the forgotten rows differ."
    )
    if settings.dataset_config == "recall":
        yield "Unlearning stops once recall on validation views of the forgotten, in the modalities unlearned, is low."
    else:
        yield "Unlearning stops once recall of the very rows being unlearned is low: qa has no validation rows."
    if settings.choosing:
        yield "Made to choose settings: not to be reported, since what is best here was picked by these very people."
    limit = fluent_perplexity(results)
    if limit is not None:
        yield (
            f"An answer is collapsed, too, above perplexity {limit:.4g} under the base model: {FLUENT_SHARE:.0%} of "
            "the retrained model's answers about forgotten people are below."
        )
    yield from (f"Not run: {error}" for error in _errors(results))


def _write(record: CompareRecord, results: Sequence[Result], folder: Path) -> None:
    names = ("arm", "through")
    answers = [{**{name: r[name] for name in names}, **answer} for r in results for answer in r.get("asked", ())]
    write_atomic(folder / "answers.jsonl", "".join(json.dumps(answer) + "\n" for answer in answers))
    write_atomic(folder / "compare.csv", csv_text(record))
    write_atomic(folder / "compare.md", markdown(record))
    write_atomic(folder / "compare.svg", compare_svg(record))
    write_atomic(folder / "compare.png", compare_png(record))
    record.write(folder / "compare.json")
