# SPDX-License-Identifier: Apache-2.0
"""A record made again: `crossmem reproduce`. It reruns what the record says and sets the numbers side by side.

Records come from anywhere. Their settings are checked, a judge they name is not asked, and no code comes with them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.report.compare_record import CompareRecord
from crossmem_hf.report.lines import Line, Record, kind_of, lines_of, of_comparison
from crossmem_hf.report.reproduction import Reproduction, repeated
from crossmem_hf.report.run_record import RunRecord
from crossmem_hf.report.score_record import ScoreRecord
from crossmem_hf.storage import fingerprint
from crossmem_hf.studies.compare_cells import ANCHORS
from crossmem_hf.studies.compare_settings import CompareSettings
from crossmem_hf.studies.compare_summary import compare_lines
from crossmem_hf.studies.reproduce_settings import (
    Part,
    compare_settings,
    lines_named,
    missing_settings,
    run_settings,
    score_settings,
)
from crossmem_hf.studies.settings import FirstLightSettings

REPRODUCTION = "reproduction.json"
ANSWERS = "answers.jsonl"
_CHOSEN = (  # by the part that is run again and the place where that is done
    *("seeds", "methods", "metrics", "unlearning", "allow_unmemorized", "model", "model_name_or_path", "adapter"),
    *("retain_only", "baseline", "device", "judge_model", "judge_url", "judge_requests_per_minute"),
)


def reproduce(
    then: Record,
    beside: Path,
    folder: Path,
    *,
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
        source: Where the record came from, for the reader.
        workers: Jobs at a time, for a run or a comparison.

    Raises:
        CrossmemError: The record cannot be rerun by this version, the part is none of it, or anything that the
            rerun refuses.
    """
    if not lines_of(then):
        raise CrossmemError(f"The record {source!r} has no numbers.", "Name one that a finished command left.")
    chosen, console = part or Part(), console or Console()
    if isinstance(then, RunRecord):
        made = _run(then, folder, chosen, workers, console)
    elif isinstance(then, ScoreRecord):
        made = _score(then, beside, folder, chosen, console)
    else:
        made = _compare(then, beside, folder, chosen, workers, console)
    now, expected, prints, notes = made
    found = Reproduction(
        source=source,
        kind=kind_of(then),
        part=chosen.words(),
        versions_then=then.versions,
        versions_now=now.versions,
        fingerprints_then=prints[0],
        fingerprints_now=prints[1],
        settings_changed=_changed(then.config, now.config),
        lines=repeated(expected, lines_of(now)),
        notes=tuple(notes),
    )
    found.write(folder / REPRODUCTION)
    return found


Made = tuple[Record, tuple[Line, ...], tuple[dict[str, str], dict[str, str]], list[str]]
"""The new record, the old one's lines to compare, fingerprints then and now, notes."""


def _run(then: RunRecord, folder: Path, part: Part, workers: int | None, console: Console) -> Made:
    from crossmem_hf.studies.first_light import run_first_light

    settings = run_settings(then, part)
    now = run_first_light(settings, folder, workers=workers, console=console).record
    whole = settings.seeds == len(then.seeds)
    expected = [line for line in lines_of(then) if (whole if line.seed is None else line.seed in settings.all_seeds)]
    notes = _defaults(then, settings) + ([] if whole else ["Lines over all seeds are left out."])
    return now, tuple(expected), _data(then, settings), notes


def _score(then: ScoreRecord, beside: Path, folder: Path, part: Part, console: Console) -> Made:
    from crossmem_hf.evaluation.run import run_score

    settings = score_settings(then, part, beside)
    now = run_score(settings, folder, console=console)
    assert now is not None, "one process scores here, and the main one gets the record"
    names = lines_named(settings.metrics)
    expected = [line for line in lines_of(then) if line.metric in names]
    notes = _defaults(then, settings)
    if "judge" in then.config.get("metrics", ()):
        notes.append("The judge was not asked again.")
    prints = tuple({"data": one.data_fingerprint, "model": one.model_fingerprint} for one in (then, now))
    return now, tuple(expected), (prints[0], prints[1]), notes


def _compare(
    then: CompareRecord, beside: Path, folder: Path, part: Part, workers: int | None, console: Console
) -> Made:
    from crossmem_hf.studies.compare import run_compare

    settings = compare_settings(then, part)
    whole = settings.seeds == len(then.seeds)
    lines = then.lines if whole else _lines_of_seeds(then, beside, settings.all_seeds)
    done = run_compare(settings, folder, workers=workers, console=console)
    if done.errors:
        raise CrossmemError(f"A cell could not be run: {done.errors[0]}", "See log.txt there, and run again.")
    arms = {*ANCHORS, *settings.methods}
    expected = tuple(of_comparison(line) for line in lines if line.arm in arms)
    notes = _defaults(then, settings)
    if not whole:
        notes.append("The record's lines were computed again from its answers about these seeds.")
    return done.record, expected, _data(then, settings), notes


def _lines_of_seeds(then: CompareRecord, beside: Path, seeds: tuple[int, ...]) -> tuple[Any, ...]:
    """The record's lines as they would be with some of its seeds."""
    remedy = "Reproduce all seeds, or pass the folder or repository that holds the record's answers.jsonl."
    try:
        answers = [json.loads(line) for line in (beside / ANSWERS).read_bytes().splitlines()]
        every = _by_arm(answers)
        again = tuple(compare_lines(every)) if every else ()
        fewer = tuple(compare_lines(_by_arm([answer for answer in answers if answer["seed"] in seeds])))
    except OSError as error:
        raise CrossmemError(f"There are no answers beside the record: {error.strerror or error}.", remedy) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CrossmemError(f"The answers beside the record cannot be read: {error!r}.", remedy) from error
    if {line.key: line.value for line in again} != {line.key: line.value for line in then.lines}:
        raise CrossmemError("The answers beside the record are not those it was made from.", remedy)
    return fewer


def _by_arm(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    results: dict[tuple[str, str | None], dict[str, Any]] = {}
    for answer in answers:
        key = (answer["arm"], answer["through"])
        results.setdefault(key, {"arm": key[0], "through": key[1], "asked": []})["asked"].append(answer)
    return list(results.values())


def _data(
    then: RunRecord | CompareRecord, settings: FirstLightSettings | CompareSettings
) -> tuple[dict[str, str], dict[str, str]]:
    """Fingerprints of the people, portraits and texts of all the record's seeds."""
    now = fingerprint([settings.spec(seed).fingerprint() for seed in then.seeds])
    return {"data": then.data_fingerprint}, {"data": now}


def _defaults(then: Record, settings: Any) -> list[str]:
    missing = missing_settings(then, settings)
    return [f"Not in the record, so at this version's default: {', '.join(missing)}."] if missing else []


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
