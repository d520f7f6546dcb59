# SPDX-License-Identifier: Apache-2.0
"""A record made again: `crossmem reproduce`. It reruns what the record says and sets the numbers side by side.

Records come from anywhere. Their settings are checked, a judge they name is not asked, and no code comes with them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.record import BASELINES, Measurement, Record
from crossmem_hf.report.reproduction import REPRODUCTION_FILE, Reproduction, repeated
from crossmem_hf.studies.rerun_score import rerun_score
from crossmem_hf.studies.run import NOT_RUN, data_fingerprint, run_study
from crossmem_hf.studies.settings import StudySettings
from crossmem_hf.studies.study import Study

COSTS = frozenset({"wall_s", "cpu_s", "peak_mib"})
"""What differs from run to run, and is not compared."""

_ASKED = ("attack", "trace")
"""Commands whose records are not run again here."""
_CHOSEN = (  # by the part that is run again and the place where that is done
    *("seeds", "methods", "metrics", "unlearning", "allow_unmemorized", "model", "model_name_or_path", "adapter"),
    *("retain_only", "baseline", "device", "judge_model", "judge_url", "judge_requests_per_minute"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of a record to run again.

    Attributes:
        seeds: So many persona seeds, the first ones; None is all.
        only: Methods of a study or metrics of a score; empty is all.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """What came out, and what of the old record it is compared with."""

    now: Record
    expected: tuple[Measurement, ...]
    data: str
    notes: tuple[str, ...]


def reproduce(
    then: Record,
    beside: Path,
    folder: Path,
    *,
    find: Callable[[str], Study],
    source: str,
    part: Part | None = None,
    workers: int | None = None,
    console: Console | None = None,
) -> Reproduction:
    """Run what a record says, or a part of it, and compare measurement by measurement.

    Args:
        beside: The folder that the record came from, with what was published with it.
        folder: Gets what the command that made the record would leave there, and ``reproduction.json``; a run that was
            killed goes on from there.
        find: Name -> study.
        source: Where the record came from, for the reader.
        workers: Cells at a time.

    Raises:
        CrossmemError: The record cannot be rerun by this version, the part is none of it, or anything that the
            rerun refuses.
    """
    if not then.measurements:
        raise CrossmemError(f"The record {source!r} has no numbers.", "Name one that a finished command left.")
    chosen, console = part or Part(), console or Console()
    if then.study == "score":
        now, expected, notes = rerun_score(then, beside, folder, chosen.only, chosen.seeds, chosen.model, console)
        made = Rerun(now=now, expected=expected, data=now.fingerprints["data"], notes=notes)
    elif then.study in _ASKED:
        raise CrossmemError(
            f"The record {source!r} is of crossmem {then.study}; expected one of a study or of crossmem score.",
            f"Run crossmem {then.study} again with the settings in the record.",
        )
    else:
        made = _study(find(then.study), then, folder, chosen, workers, console)
    found = Reproduction(
        source=source,
        study=then.study,
        part=chosen.words(),
        versions_then=then.versions,
        versions_now=made.now.versions,
        fingerprints_then=then.fingerprints,
        fingerprints_now=made.now.fingerprints | {"data": made.data},
        settings_changed=_changed(then.config, made.now.config),
        lines=repeated([one for one in made.expected if one.metric not in COSTS], _with_seeds(made.now)),
        notes=made.notes,
    )
    found.write(folder / REPRODUCTION_FILE)
    return found


def _study(study: Study, then: Record, folder: Path, part: Part, workers: int | None, console: Console) -> Rerun:
    whole = _settings(study, then, part)
    settings = whole.replaced(seeds=_num_seeds(whole, part))
    expected, notes = _expected(then, settings)
    now = run_study(study, settings, folder, workers=workers, console=console)
    not_run = [failure.error for failure in now.failures if failure.error.startswith(NOT_RUN)]
    if not_run:
        raise CrossmemError(f"A cell was {not_run[0]}", "See log.txt there, and run again.")
    missing = [name for name in study.settings.model_fields if name not in then.config]
    if missing:
        notes = (f"Not in the record, so at this version's default: {', '.join(missing)}.", *notes)
    return Rerun(now=now, expected=expected, data=data_fingerprint(study, whole), notes=notes)


def _settings(study: Study, then: Record, part: Part) -> StudySettings:
    """What the study was told, all seeds; which anybody may have written."""
    config = {name: value for name, value in then.config.items() if name not in study.config(study.settings())}
    unknown = sorted(config.keys() - study.settings.model_fields.keys())
    if unknown:
        raise CrossmemError(
            f"The record has the setting {unknown[0]!r}, which this crossmem_hf does not know.",
            "Install the version that the record names.",
        )
    if part.model is not None:
        config["model_name_or_path"] = part.model
    if part.only:
        config["methods"] = _among(part.only, config.get("methods"))
    settings = study.settings(**config)
    if settings.all_seeds != then.seeds:
        raise CrossmemError(
            f"The record says that its seeds are {list(then.seeds)}, and its settings {list(settings.all_seeds)}.",
            "Pass a record that crossmem wrote.",
        )
    return settings


def _num_seeds(settings: StudySettings, part: Part) -> int:
    wanted = settings.seeds if part.seeds is None else part.seeds
    if not 1 <= wanted <= settings.seeds:
        raise CrossmemError(
            f"{wanted} seeds; the record has {settings.seeds}.", f"Ask for 1 to {settings.seeds} --seeds."
        )
    return wanted


def _among(wanted: Sequence[str], known: Any) -> list[str]:
    """Those of the record's methods that are wanted, in its order."""
    if not isinstance(known, list):
        raise CrossmemError(f"The record has no {', '.join(wanted)} to repeat by itself.", "Leave --only out.")
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise CrossmemError(
            f"The record has no {unknown[0]!r}; it has {', '.join(map(str, known))}.", "Ask for some of these."
        )
    return [name for name in known if name in wanted]


def _expected(then: Record, settings: StudySettings) -> tuple[tuple[Measurement, ...], tuple[str, ...]]:
    """The record's numbers that the rerun will give again, and what a reader must know of them."""
    seeds, notes = settings.all_seeds, tuple[str, ...]()
    found: Sequence[Measurement] = then.measurements
    if seeds != then.seeds:
        found = _of_seeds(then, seeds)
        notes = ("Measurements over all seeds are left out; values of single seeds have no interval.",)
    methods = getattr(settings, "methods", None)
    if methods is not None:
        found = [one for one in found if one.where.get("method") in (None, *BASELINES, *methods)]
    return tuple(found), notes


def _of_seeds(record: Record, seeds: Sequence[int]) -> list[Measurement]:
    """The values of single seeds, which the pooled measurements keep."""
    return [own for one in record.measurements for seed in seeds if (own := one.in_seed(seed)) is not None]


def _with_seeds(record: Record) -> list[Measurement]:
    pooled = [one for one in record.measurements if one.seed is None]
    return [*pooled, *_of_seeds(record, record.seeds)]


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that are otherwise now, apart from _CHOSEN."""
    changed = {
        name: [then[name], now[name]]
        for name in sorted(then.keys() & now.keys())
        if name not in _CHOSEN and then[name] != now[name]
    }
    of_methods, ours = then.get("unlearning"), now.get("unlearning")
    if isinstance(of_methods, Mapping) and isinstance(ours, Mapping):
        changed |= {
            f"unlearning.{method}": [of_methods.get(method), mine]
            for method, mine in ours.items()
            if of_methods.get(method) != mine
        }
    return changed
