# SPDX-License-Identifier: Apache-2.0
"""Tracing a model on rows, from settings to record, heat maps and arrays: `crossmem trace`. It knows the order of
things, not how states are restored.

Every process of a launch calls `run_trace` with the same settings; they share the rows, and the main one writes.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from crossmem_hf.analysis.causal_tracing import trace, trace_measurements
from crossmem_hf.analysis.corruptions import Corruption, Kind
from crossmem_hf.analysis.hooks import SITES, Site
from crossmem_hf.analysis.restoring import Restoring
from crossmem_hf.analysis.token_groups import GROUPS
from crossmem_hf.data.digest import rows_digest
from crossmem_hf.evaluation.asking import asked_together
from crossmem_hf.evaluation.evaluator import LOGS
from crossmem_hf.evaluation.loaded import Loaded, model_key
from crossmem_hf.evaluation.predictions import FILE, Predictions
from crossmem_hf.evaluation.rows import rows_of
from crossmem_hf.evaluation.settings import AskedSettings
from crossmem_hf.evaluation.subsample import evenly_spaced
from crossmem_hf.report.figures import FOREST, figures_of
from crossmem_hf.report.heat_map import grids_of
from crossmem_hf.report.record import RECORD_FILE, Record
from crossmem_hf.report.tables import score_table
from crossmem_hf.runs.sources import environment
from crossmem_hf.storage import fingerprint, write_atomic

ARRAYS: Final = "heat_maps.json"
EFFECTS: Final = ("indirect_effect", "indirect_effect_logprob")


@dataclass(frozen=True, kw_only=True)
class TraceSettings(AskedSettings):
    """Settings of `crossmem trace`, beside those of `AskedSettings`; by default names are asked for beside portraits.

    Attributes:
        corruption: As `Corruption.kind`.
        subject: As for `Corruption`.
        replacements: As for `Corruption`.
        noise: As for `Corruption`.
        seed: Of the noise.
        sites: As for `Restoring`.
        tokens: As for `Restoring`.
        window: As for `Restoring`.

    Raises:
        CrossmemError: A value out of range, or an unknown name.
    """

    config: str = "recall_image"
    split: str = "test"
    corruption: Kind = "subject"
    subject: str | None = None
    replacements: tuple[str, ...] = ()
    noise: float = 3.0
    seed: int = 0
    sites: tuple[Site, ...] = SITES
    tokens: tuple[str, ...] = GROUPS
    window: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parts()

    def parts(self) -> tuple[Corruption, Restoring]:
        """How rows are corrupted, and what is put back."""
        own = {one.name: getattr(self, one.name) for one in fields(Corruption) if one.name != "kind"}
        return (
            Corruption(kind=self.corruption, **own),
            Restoring(sites=self.sites, tokens=self.tokens, window=self.window),
        )

    def as_dict(self) -> dict[str, Any]:
        """All settings by name, JSON types only."""
        lists = {name: list(getattr(self, name)) for name in ("replacements", "sites", "tokens")}
        return asdict(self) | lists


def run_trace(
    settings: TraceSettings, folder: Path, *, overwrite: bool = False, console: Console | None = None
) -> Record | None:
    """Trace a model on the settings' rows, or go on where an earlier run into `folder` stopped.

    Args:
        folder: Gets ``record.json``, ``predictions.jsonl`` (a line a row and place), `ARRAYS`, and a heat map of each
            of `EFFECTS` as SVG; finished work stays under ``jobs``.
        overwrite: Replace what a run with another model or other rows left in `folder`.
        console: Gets the total effect, and a table a site.

    Returns:
        The record; None in all processes but the main one.

    Raises:
        CrossmemError: Anything about settings, rows, model or folder, before the first pass.
    """
    return asked_together(
        settings,
        folder,
        what="trace",
        overwrite=overwrite,
        prepare=lambda: _prepared(settings),
        code=trace,
        ask=lambda prepared, asked: _traced(settings, prepared, asked, folder / LOGS),
        finish=lambda prepared, found: _finish(settings, prepared, found, folder, console or Console()),
    )


@dataclass(frozen=True)
class _Prepared:
    """What is known before a model is loaded, as `asking.Prepared`."""

    rows: Any
    data: str
    model: str


def _prepared(settings: TraceSettings) -> _Prepared:
    rows = evenly_spaced(rows_of(settings, settings.split), settings.max_rows)
    return _Prepared(rows, rows_digest(rows), model_key(settings))


def _traced(settings: TraceSettings, prepared: _Prepared, asked: Loaded, logs: Path) -> Predictions:
    corruption, restoring = settings.parts()
    return trace(
        asked.model,
        asked.processor,
        prepared.rows,
        corruption,
        restoring,
        batch_size=settings.batch_size,
        results_log=logs / f"trace-{fingerprint([asked.made_from, prepared.data, settings.as_dict()])}",
        made_from=asked.made_from,
    )


def _finish(
    settings: TraceSettings, prepared: _Prepared, found: Predictions, folder: Path, console: Console
) -> Record:
    """Measure, write, draw and show."""
    notes = list(_notes(settings, found))
    record = Record(
        study="trace",
        config=settings.as_dict(),
        versions=environment(),
        seeds=(settings.persona_seed,) if settings.dataset is None else (),
        fingerprints={"data": prepared.data, "model": prepared.model},
        measurements=tuple(trace_measurements(found)),
        notes=tuple(notes),
    )
    found.write(folder / FILE)
    record.write(folder / RECORD_FILE)
    arrays = [grid.as_dict() for name in EFFECTS for grid in grids_of(record, name)]
    write_atomic(folder / ARRAYS, json.dumps(arrays, indent=1) + "\n")
    for figure in figures_of(record):
        if (name := figure.name.removeprefix(FOREST)) in EFFECTS:
            write_atomic(folder / f"{name}.svg", figure.encoded("svg"))
    total = tuple(m.model_copy(update={"where": {}}) for m in record.measurements if m.metric not in EFFECTS)
    console.print(score_table(record.model_copy(update={"measurements": total})).terminal())
    for grid in grids_of(record, EFFECTS[0]):
        console.print(f"{grid.metric} of {grid.where['site']}, by layer and tokens", highlight=False)
        console.print(grid.table().terminal())
    for note in notes:
        console.print(f"- {note}", style="dim", highlight=False, markup=False)
    return record


def _notes(settings: TraceSettings, found: Predictions) -> Iterator[str]:
    by = sorted({str(one["replaced_by"]) for one in found})
    if settings.corruption == "subject":
        yield f"In the place of subjects: {', '.join(by[:5])}{f' and {len(by) - 5} more' if len(by) > 5 else ''}."
    yield (
        f"total_effect is clean less corrupted, indirect_effect restored less corrupted, window {settings.window}: of "
        "the probability of the whole answer, and of its log-probability in nats. Where the total effect is next to "
        "nothing, the corruption takes nothing away, and there is nothing to trace."
    )
    yield (
        "Intervals hold 95 % for further personas of the same population, rows of one persona taken together "
        "(docs/statistics.md); many places are looked at, so a few of them exclude 0 by chance."
    )
