# SPDX-License-Identifier: Apache-2.0
"""What a study is: settings, a grid of cells, what a cell does, what is measured, what is claimed. It runs nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.report.record import Measurement, Record, Value
from crossmem_hf.studies.claims import Claim
from crossmem_hf.studies.settings import StudySettings

Where = Mapping[str, Value]
"""A cell: what tells it from the others, in keys of `Measurement.where`. It has a seed."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell at work.

    Attributes:
        settings: Of the study.
        where: Which cell.
        stages: Folder of what takes long, shared by all cells of the study.
        progress: Takes what is going on and the share of the cell that is done, 0 to 1.
    """

    settings: Any
    where: Where
    stages: Path
    progress: Callable[[str, float], None]

    @property
    def seed(self) -> int:
        """The persona seed."""
        return int(self.where["seed"] or 0)

    def at(self, **where: Value) -> "Cell":
        """The same at another place."""
        return replace(self, where=where)


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """What a cell gives.

    Attributes:
        predictions: Its answers; keys of `where` become columns.
        measurements: What is no mean over answers, such as costs.
        failed: How it broke down, which is a result too (`adapters.BrokenDownError` makes such a result); it has no
            predictions then.
        notes: A sentence each.
    """

    predictions: Predictions | None = None
    measurements: tuple[Measurement, ...] = ()
    failed: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a cell trains, as far as its cost depends on it.

    Attributes:
        rows: A Dataset.
        steps: Of the optimizer.
        batch_size: Rows at a time.
        batches: Of a step.
        lora: Arguments of `memorize.language_lora`.
    """

    rows: Any
    steps: int
    batch_size: int
    batches: int = 1
    lora: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, put as data.

    Attributes:
        name: As on the command line and in records.
        title: What it does, a sentence.
        paper: What it follows.
        settings: What can be set; its fields become options.
        grid: The cells of some settings, in the order in which they are run.
        cell: Does one; a function at the top of a module, as it runs in another process. It may raise a
            `CrossmemError`: the others go on.
        configs: Of our dataset, that cells take rows from, as `data.digest.spec_digest` takes them; their contents are
            the record's data fingerprint.
        measure: From the answers of all cells, in the grid's order, to numbers.
        claims: From settings to what the numbers are held against.
        headline: Which numbers are its main result: metric and criteria of `Record.find`, in the order in which they
            are printed when it has run. A study of methods has its table of methods.
        quick: Settings of a small grid.
        training: What a cell would train, for a dry run with a model of which no costs are known; None says nothing.
        config: What follows from the settings and readers want to see, for the record.
        notes: From settings and answers, a sentence each.
        personas: Whether the record shows its personas, some of their answers, and a value a persona.
        uninterpretable: Why a record must not be interpreted; None if it may.
    """

    name: str
    title: str
    paper: str
    settings: type[StudySettings]
    grid: Callable[[Any], Sequence[Where]]
    cell: Callable[[Cell], CellResult]
    configs: Callable[[Any], Sequence[str]]
    measure: Callable[[Predictions], Iterable[Measurement]]
    claims: Callable[[Any], Iterable[Claim]] = lambda _: ()
    headline: tuple[tuple[str, Where], ...] = ()
    quick: Mapping[str, Any] = field(default_factory=dict)
    training: Callable[[Any, Where], Training] | None = None
    config: Callable[[Any], dict[str, Any]] = lambda _: {}
    notes: Callable[[Any, Predictions], Iterable[str]] = lambda _, __: ()
    personas: bool = False
    uninterpretable: Callable[[Record], str | None] = lambda _: None


def measured_by(
    metrics: Sequence[str], *by: Sequence[str], keep: Sequence[str]
) -> Callable[[Predictions], list[Measurement]]:
    """What most studies measure: metrics for each combination of columns, over all seeds.

    Args:
        metrics: Names of `evaluation.measures.METRICS`.
        by: Columns, e.g. ``("stage", "target")``; a measurement for every combination of their values.
        keep: Which of the measurements that the metrics give.
    """

    def measure(predictions: Predictions) -> list[Measurement]:
        return [
            measurement
            for columns in by
            for measurement in predictions.measure(metrics, (*columns, *pooled(predictions)))
            if measurement.metric in keep
        ]

    return measure


def pooled(predictions: Predictions) -> tuple[str, ...]:
    """Columns to measure by, besides a study's own: of one seed it is named; of several each measurement keeps the
    value of every seed in `Measurement.by_seed`."""
    return ("seed",) if len({one.get("seed") for one in predictions}) == 1 else ()


def not_memorized(record: Record, *places: Where) -> str | None:
    """Why a record says nothing of unlearning: recall in one of these places is below its setting min_recall in some
    seed; None if it is nowhere, or allow_unmemorized was set. Measurements of several groups count together."""
    if record.config["allow_unmemorized"]:
        return None
    low = []
    for place in places:
        for seed in record.seeds:
            found = [own for one in record.find("recall", **place) if (own := one.in_seed(seed)) is not None]
            recall = sum(one.value * one.n for one in found) / max(1, sum(one.n for one in found))
            if recall < record.config["min_recall"]:
                low.append(f"{', '.join(str(value) for value in place.values() if value)} (seed {seed}): {recall:.2f}")
    return f"recall is below {record.config['min_recall']}: {'; '.join(low)}." if low else None


def cell_name(where: Where) -> str:
    """A cell in a word that can be a folder's name; a base in a folder is called as that.

    Example:
        >>> cell_name({"base": "models/micro-s", "method": "npo", "forget_modality": None, "seed": 0})
        'micro-s_npo_seed0'
    """
    shown = {name: Path(str(value)).name if name == "base" else value for name, value in where.items()}
    parts = [f"seed{value}" if name == "seed" else str(value) for name, value in shown.items() if value is not None]
    return "_".join(
        "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in part) for part in parts
    )
