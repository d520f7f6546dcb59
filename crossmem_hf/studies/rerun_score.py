# SPDX-License-Identifier: Apache-2.0
"""A score made again from its record, without a judge: nobody's server is asked because a record says so."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.measures import METRICS
from crossmem_hf.evaluation.run import run_score
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.report.record import Measurement, Record

_JUDGE = ("judge_model", "judge_url", "judge_requests_per_minute")


def rerun_score(
    then: Record,
    beside: Path,
    folder: Path,
    only: Sequence[str],
    seeds: int | None,
    model: str | None,
    console: Console,
) -> tuple[Record, tuple[Measurement, ...], tuple[str, ...]]:
    """The new record, what of the old one it is compared with, and what a reader must know.

    Args:
        beside: Where the record is; adapters that lie there are taken from there.
        only: Metrics; empty is all.
        seeds: Refused: a score has none to choose from.
        model: In the place of the record's.

    Raises:
        CrossmemError: Settings that this version does not know or accept, or nothing but a judge is left to measure.
    """
    if seeds is not None:
        raise CrossmemError("A score has no persona seeds to choose from.", "Leave --seeds out.")
    settings = score_settings(then, beside, only, model)
    now = run_score(settings, folder, console=console)
    assert now is not None, "one process scores here, and the main one gets the record"
    readings = (reading for name in settings.metrics for reading in METRICS[name].readings)
    names = {reading.metric or reading.name for reading in readings}
    notes = []
    missing = [item.name for item in fields(ScoreSettings) if item.name not in then.config]
    if missing:
        notes.append(f"Not in the record, so at this version's default: {', '.join(missing)}.")
    if "judge" in then.config.get("metrics", ()):
        notes.append("The judge was not asked again.")
    return now, tuple(one for one in then.measurements if one.metric in names), tuple(notes)


def score_settings(then: Record, beside: Path, only: Sequence[str] = (), model: str | None = None) -> ScoreSettings:
    """What `crossmem score` was told, which anybody may have written.

    Raises:
        CrossmemError: As for `rerun_score`.
    """
    metrics = tuple(name for name in then.config.get("metrics", ()) if name != "judge")
    unknown = [name for name in only if name not in metrics]
    if unknown:
        raise CrossmemError(
            f"The record has no {unknown[0]!r}; it has {', '.join(map(str, metrics))}.", "Ask for some of these."
        )
    metrics = tuple(name for name in metrics if not only or name in only)
    if not metrics:
        raise CrossmemError("The record has no metric but a judge's, whom nobody asks again.", "Score it yourself.")
    config = then.config | dict.fromkeys(_JUDGE) | {"metrics": metrics, "device": None}
    config["model"] = config.get("model") if model is None else model
    for name in ("adapter", "retain_only"):
        config[name] = _beside(beside, config.get(name))
    named = (str(entry).partition("=") for entry in config.get("baseline") or ())
    kept = [f"{name}={_beside(beside, place)}" for name, _, place in named]
    config["baseline"] = kept if "exposure" in metrics else []
    return _checked(config)


def _checked(config: Mapping[str, Any]) -> ScoreSettings:
    unknown = sorted(config.keys() - {item.name for item in fields(ScoreSettings)})
    if unknown:
        raise CrossmemError(
            f"The record has the setting {unknown[0]!r}, which this crossmem_hf does not know.",
            "Install the version that the record names.",
        )
    try:
        return TypeAdapter(ScoreSettings).validate_python(config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, CrossmemError):
            raise cause from error
        said = f"{first['loc'][0]}={first['input']!r:.80}"
        raise CrossmemError(f"The record has {said}, which is no such setting.", "Correct it there.") from error


def _beside(folder: Path, name: Any) -> Any:
    """A path below `folder` if something is there under that name, else the name as it is."""
    if not isinstance(name, str) or not name:
        return name
    place = (folder / name).resolve()
    return str(place) if place.is_relative_to(folder.resolve()) and place.exists() else name
