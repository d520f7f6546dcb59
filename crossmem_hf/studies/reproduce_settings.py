# SPDX-License-Identifier: Apache-2.0
"""Settings out of a record, which anybody may have written: what is not known or has the wrong type is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.settings import ScoreSettings
from crossmem_hf.report.checked import fits
from crossmem_hf.report.compare_record import CompareRecord
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.report.score_record import ScoreRecord
from crossmem_hf.studies.compare_settings import CompareSettings
from crossmem_hf.studies.settings import FirstLightSettings

T = TypeVar("T")
_OF_METHODS = ("unlearning", "memorizing")  # follow from the others; kept in the record for its readers
_JUDGE = ("judge_model", "judge_url", "judge_requests_per_minute")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of a record to run again.

    Attributes:
        seeds: So many persona seeds, the first ones; None is all.
        only: Methods of a comparison or metrics of a score; empty is all.
        model: Base model in the place of the record's, for a record that names a folder of another machine.
    """

    seeds: int | None = None
    only: tuple[str, ...] = ()
    model: str | None = None

    def words(self) -> str:
        """E.g. ``"the first 1 of its seeds; only npo"``."""
        said = [f"the first {self.seeds} of its seeds"] if self.seeds is not None else []
        said += [f"only {', '.join(self.only)}"] if self.only else []
        return "; ".join(said) or "all of it"


def run_settings(record: RunRecord, part: Part) -> FirstLightSettings:
    """What `crossmem run` was told.

    Raises:
        CrossmemError: The record has settings that this version does not know or accept, or the part asks for what
            a run has not.
    """
    if part.only:
        raise CrossmemError(f"A run has no {', '.join(part.only)} to repeat by itself.", "Leave --only out.")
    chosen = _model(record.config, "model_name_or_path", part) | {"seeds": _num_seeds(record.seeds, part)}
    return _settings(FirstLightSettings, dict(record.config) | chosen)


def compare_settings(record: CompareRecord, part: Part) -> CompareSettings:
    """What `crossmem compare` was told.

    Raises:
        CrossmemError: As for `run_settings`.
    """
    config = {name: value for name, value in record.config.items() if name not in _OF_METHODS}
    config |= _model(config, "model_name_or_path", part) | {"seeds": _num_seeds(record.seeds, part)}
    if part.only:
        config["methods"] = _among(part.only, tuple(config.get("methods", ())))
    return _settings(CompareSettings, config)


def score_settings(record: ScoreRecord, part: Part, folder: Path) -> ScoreSettings:
    """What `crossmem score` was told, without a judge: nobody's server is asked because a record says so.

    Args:
        folder: Where the record is; adapters that lie there are taken from there.

    Raises:
        CrossmemError: As for `run_settings`; or nothing but a judge is left to measure.
    """
    if part.seeds is not None:
        raise CrossmemError("A score has no persona seeds to choose from.", "Leave --seeds out.")
    metrics = tuple(name for name in record.config.get("metrics", ()) if name != "judge")
    if part.only:
        metrics = _among(part.only, metrics)
    if not metrics:
        raise CrossmemError("The record has no metric but a judge's, whom nobody asks again.", "Score it yourself.")
    config = dict(record.config) | dict.fromkeys(_JUDGE) | {"metrics": metrics, "device": None}
    config |= _model(config, "model", part)
    config["adapter"] = _beside(folder, config.get("adapter"))
    retain_only = _beside(folder, config.get("retain_only"))
    config["retain_only"] = None if retain_only is None else Path(retain_only)
    named = (str(entry).partition("=") for entry in record.config.get("baseline") or ())
    kept = [f"{name}={_beside(folder, place)}" for name, _, place in named]
    config["baseline"] = kept if "exposure" in metrics else []
    return _settings(ScoreSettings, config)


def _settings(kind: type[T], values: Mapping[str, Any]) -> T:
    kinds = get_type_hints(kind)
    known = [item.name for item in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise CrossmemError(
            f"The record has the setting {unknown[0]!r}, which this crossmem_hf does not know.",
            "Install the version that the record names.",
        )
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    for name, value in chosen.items():
        if not fits(value, kinds[name]):
            raise CrossmemError(f"The record has {name}={value!r:.80}, which is no such setting.", "Correct it there.")
    return kind(**chosen)


def missing_settings(record: RunRecord | CompareRecord | ScoreRecord, settings: Any) -> tuple[str, ...]:
    """Settings that the record, made by another version, does not name; they have this version's defaults."""
    return tuple(item.name for item in fields(settings) if item.name not in record.config)


def _num_seeds(seeds: Sequence[int], part: Part) -> int:
    wanted = len(seeds) if part.seeds is None else part.seeds
    if not 1 <= wanted <= len(seeds):
        raise CrossmemError(f"{wanted} seeds; the record has {len(seeds)}.", f"Ask for 1 to {len(seeds)} --seeds.")
    return wanted


def _among(wanted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise CrossmemError(f"The record has no {unknown[0]!r}; it has {', '.join(known)}.", "Ask for some of these.")
    return tuple(name for name in known if name in wanted)


def _model(config: Mapping[str, Any], name: str, part: Part) -> dict[str, Any]:
    return {name: config.get(name) if part.model is None else part.model}


def _beside(folder: Path, name: Any) -> Any:
    """A path below `folder` if something is there under that name, else the name as it is."""
    if not isinstance(name, str) or not name:
        return name
    place = (folder / name).resolve()
    return str(place) if place.is_relative_to(folder.resolve()) and place.exists() else name


def lines_named(metrics: Sequence[str]) -> frozenset[str]:
    """Names of the lines that these metrics of a score make."""
    from crossmem_hf.evaluation.readings import MEASURES

    readings = (reading for name in metrics for reading in MEASURES[name].readings)
    return frozenset(reading.metric or reading.name for reading in readings)
