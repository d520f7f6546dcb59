# SPDX-License-Identifier: Apache-2.0
"""Scoring a model on rows, from settings to record: `crossmem score`. It knows the order of things, not the maths.

Every process of a launch calls `run_score` with the same settings; they share the passes, and the main one writes.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.items import (
    HOLDOUT,
    ITEMS,
    baseline_items,
    retain_only_holdout,
    retain_only_items,
    write_items,
)
from crossmem_hf.evaluation.measures import DISCOVERABLE, Against
from crossmem_hf.evaluation.passes import Item, Passes, check_askable
from crossmem_hf.evaluation.readings import baseline_lines, score_lines
from crossmem_hf.evaluation.rows import (
    Questions,
    check_about,
    load_questions,
    row_keys,
    rows_of,
    spread,
    without_pictures,
)
from crossmem_hf.evaluation.settings import BASELINES, ScoreSettings
from crossmem_hf.models.loading import adapter_place, load_model_and_processor, model_fingerprint
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.score_record import ScoreRecord
from crossmem_hf.report.score_table import score_table
from crossmem_hf.runs.distributed import joined_state, together
from crossmem_hf.runs.sources import code_fingerprint, environment, library_versions
from crossmem_hf.runs.stages import claim_folder, locked
from crossmem_hf.storage import fingerprint

JUDGE_TOKEN = "CROSSMEM_JUDGE_TOKEN"
"""Environment variable with the token of the judge's server, if it wants one."""

_LEDGERS = "jobs"  # what `claim_folder` clears for another run


@dataclass(frozen=True)
class _Holdout:
    """Rows that no model saw."""

    rows: Any
    about: Sequence[Mapping[str, Any]]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class _Prepared:
    """What is known before a model is loaded."""

    questions: Questions
    holdout: _Holdout | None
    model: str
    retain_only: Sequence[Item] | None
    retain_only_holdout: Sequence[Item] | None
    baselines: Mapping[str, Sequence[Item]]


def run_score(
    settings: ScoreSettings, folder: Path, *, overwrite: bool = False, console: Console | None = None
) -> ScoreRecord | None:
    """Score a model on the settings' rows, or go on where an earlier run into `folder` stopped.

    Args:
        folder: Gets ``record.json``, ``items.jsonl`` (a line a row, enough to compute every metric again) and, with a
            holdout, ``holdout.jsonl``; finished work stays under ``jobs``.
        overwrite: Replace what a run with another model or other rows left in `folder`.
        console: Gets the table.

    Returns:
        The record; None in all processes but the main one.

    Raises:
        CrossmemError: Anything about settings, rows, model or folder, before the first pass; or what a pass or a
            metric refuses, with finished passes kept.
    """
    state = joined_state()
    ready: list[Any] = []
    together(lambda: ready.append(_prepared(settings)))
    prepared: _Prepared = ready.pop()
    with ExitStack() as held:
        mark = fingerprint({**settings.who_and_what(), "model": prepared.model})
        together(lambda: _claim(held, folder, mark, overwrite=overwrite) if state.is_main_process else None)
        together(lambda: ready.append(_loaded(settings, prepared, folder / _LEDGERS, str(state.device))))
        passes: Passes = ready.pop()
        # Only now, so that a name mistyped at the first try does not own a new folder.
        together(lambda: claim_folder(folder, mark, overwrite=overwrite) if state.is_main_process else None)
        items = passes.items(prepared.questions)
        kept = prepared.holdout
        holdout = [] if kept is None else passes.holdout_items(kept.rows, kept.about, kept.keys)

        def finish() -> ScoreRecord | None:
            if not state.is_main_process:
                return None
            return _finish(settings, prepared, items, holdout, folder, console or Console())

        records = together(finish)  # no process leaves, and takes its connections along, before the last
        return records[int(state.process_index)]


def _claim(held: ExitStack, folder: Path, mark: str, *, overwrite: bool) -> None:
    """Lock the folder, and refuse one that belongs to another run."""
    held.enter_context(locked(folder))
    if any(not path.name.startswith(".") for path in folder.iterdir()):
        claim_folder(folder, mark, overwrite=overwrite)


def _prepared(settings: ScoreSettings) -> _Prepared:
    questions = load_questions(settings)
    holdout = None if "priv_leak" not in settings.metrics else _holdout(settings, questions)
    theirs = settings.retain_only
    of_model = model_fingerprint(settings.model)
    return _Prepared(
        questions=questions,
        holdout=holdout,
        model=of_model if settings.adapter is None else f"{of_model}+{_adapter_fingerprint(settings.adapter)}",
        retain_only=None if theirs is None else retain_only_items(theirs, questions, settings.metrics),
        retain_only_holdout=None if theirs is None or holdout is None else retain_only_holdout(theirs, holdout.keys),
        baselines=baseline_items(settings.baseline_folders, questions),
    )


def _holdout(settings: ScoreSettings, questions: Questions) -> _Holdout:
    every = rows_of(settings, str(settings.holdout_split))
    shared = set(questions.keys) & set(row_keys(every, without_pictures(every)))
    if shared:
        raise CrossmemError(
            f"{len(shared)} rows of the holdout split {settings.holdout_split!r} are among the rows that are scored.",
            "Name a split of rows that no model saw as --holdout-split.",
        )
    rows = spread(every, settings.max_rows)
    about = without_pictures(rows)
    for number, row in enumerate(about):
        check_about(number, row)
    return _Holdout(rows, about, row_keys(rows, about))


def _adapter_fingerprint(adapter: str) -> str:
    """Of a folder's files, or the commit of a Hub repository."""
    if Path(adapter).is_dir():
        return model_fingerprint(adapter)
    from huggingface_hub import hf_hub_download

    repo_id, subfolder = adapter_place(adapter)
    below = [] if subfolder is None else subfolder.split("/")
    try:
        file = Path(hf_hub_download(repo_id, "/".join([*below, "adapter_config.json"])))
        return "/".join([file.parents[len(below)].name, *below])
    except (OSError, ValueError) as error:
        raise CrossmemError(
            f"Could not find the adapter {adapter!r}: {str(error).splitlines()[0]}",
            "Check that it is a folder or a Hub repository with an adapter_config.json, and your access to it.",
        ) from error


def _loaded(settings: ScoreSettings, prepared: _Prepared, ledgers: Path, device: str) -> Passes:
    place = settings.device or device
    model, processor = load_model_and_processor(
        settings.model, adapter=settings.adapter, dtype=settings.dtype, device=place
    )
    check_askable(model, processor, _one_of_each(prepared.questions))
    depends = {
        "model": prepared.model,
        "dtype": str(model.dtype),
        "device": place.partition(":")[0],
        "versions": library_versions(),
        "code": code_fingerprint(Passes),
    }
    return Passes(model, processor, settings, ledgers, fingerprint(depends))


def _one_of_each(questions: Questions) -> list[Mapping[str, Any]]:
    """The first row of each modality."""
    first: dict[Any, int] = {}
    for number, row in enumerate(questions.about):
        first.setdefault(row.get("modality"), number)
    return [questions.rows[number] for number in first.values()]


def _finish(
    settings: ScoreSettings,
    prepared: _Prepared,
    items: list[Item],
    holdout: list[Item],
    folder: Path,
    console: Console,
) -> ScoreRecord:
    """Measure, write and show."""
    notes = list(_notes(settings, prepared.questions))
    metrics, failure = settings.metrics, None
    if "judge" in metrics:
        try:
            notes.append(_judged(settings, items, folder / "judged.jsonl", console))
        except CrossmemError as error:  # said at the end: what else was measured is not to be lost
            metrics, failure = tuple(name for name in metrics if name != "judge"), error
            notes.append(f"The judge failed: {error.fault}")
    against = Against(
        source=settings.source,
        k=settings.k,
        num_samples=settings.extraction_samples,
        holdout=holdout,
        retain_only=prepared.retain_only,
        retain_only_holdout=prepared.retain_only_holdout,
    )
    lines, columns = score_lines(metrics, items, against)
    for name, theirs in prepared.baselines.items():
        lines += baseline_lines(name, theirs)
    measured = [
        {**item, **{name: values[place] for name, values in columns.items()}} for place, item in enumerate(items)
    ]
    write_items(folder / ITEMS, measured)
    (folder / HOLDOUT).unlink(missing_ok=True)  # of an earlier choice of metrics
    if holdout:
        write_items(folder / HOLDOUT, holdout)
    record = ScoreRecord(
        config=settings.as_dict(),
        versions=environment(),
        model_fingerprint=prepared.model,
        data_fingerprint=prepared.questions.fingerprint,
        seeds={"generation": settings.seed, "personas": settings.persona_seed},
        lines=tuple(lines),
        notes=tuple(notes),
    )
    record.write(folder / "record.json")
    console.print(score_table(record))
    for note in notes:
        console.print(f"- {note}", style="dim", highlight=False, markup=False)
    if failure is not None:
        raise failure
    return record


def _notes(settings: ScoreSettings, questions: Questions) -> Iterator[str]:
    counts = ", ".join(f"{len(values)} for {name}" for name, values in questions.by_attribute.items())
    yield f"Candidates are {questions.candidates_are}: {counts}."
    if questions.falsified:
        false = questions.false_column or "the other candidates of the attribute"
        true = questions.true_column or "the row's own answer (TOFU: a paraphrase)"
        yield f"The truth ratio sets {true} against {false}."
    yield "Candidates are scored with the end of the turn; Min-K, perplexity and extraction strength go without it."
    if "exposure" in settings.metrics:
        yield from _exposure_notes(settings)
    if "extraction_strength" in settings.metrics:
        yield (
            f"extraction_probability: at least one of {settings.extraction_samples} samples at temperature 1 begins "
            f"with the answer; discoverable: with a probability of {DISCOVERABLE} or more."
        )
    if settings.needs("generation"):
        drawn = f"drawn at temperature {settings.temperature} with seed {settings.seed}"
        yield f"Free answers are {drawn if settings.temperature else 'greedy'}."
    longer = sum(row["completion"][0]["content"] != row["answer"] for row in questions.about if row.get("completion"))
    if longer:
        yield (
            f"In {longer} rows the completion is not the answer: Min-K, perplexity, extraction strength and PrivLeak "
            "are of the completion, everything else compares with the answer."
        )
    if settings.source and len({row["modality"] for row in questions.about}) < len(MODALITIES):
        yield "All rows ask in one modality, so there is no gap and no transfer to report."
    if settings.retain_only and not {"truth_ratio", "priv_leak"} & set(settings.metrics):
        yield "The retain-only model is not used: only truth_ratio and priv_leak compare with it."
    yield "Intervals are 95 % percentile bootstraps over personas."


def _exposure_notes(settings: ScoreSettings) -> Iterator[str]:
    yield (
        "Exposure is the rank of the truth among its candidates on four scales: exposure (log), exposure_bits, "
        "exposure_linear and mrr (1 / rank); which of them ReMem (arXiv 2605.03759) reports is not known."
    )
    missing = [name for name in BASELINES if name not in settings.baseline_folders]
    if missing:
        flags = ", ".join(f"--baseline {name}=FOLDER" for name in missing)
        yield (
            f"No {' and no '.join(missing)} model is here to read Exposure against ({flags}): a value above chance "
            "alone does not say that the rows are remembered."
        )


def _judged(settings: ScoreSettings, items: Sequence[Item], cache: Path, console: Console) -> str:
    """Put a judge's scores into the items; who judged, in a sentence."""
    from crossmem_hf.scoring.judge import judge_answers

    questions, truths, answers = ([item[name] for item in items] for name in ("question", "truth", "answer"))
    found = judge_answers(
        questions,
        truths,
        answers,
        model=str(settings.judge_model),
        base_url=settings.judge_url,
        token=os.environ.get(JUDGE_TOKEN),
        requests_per_minute=settings.judge_requests_per_minute,
        max_failed_share=1.0,
        cache=cache,
    )
    reasons = Counter(verdict.failure for verdict in found.items if verdict.failure is not None).most_common(1)
    most_often = f"; most often: {reasons[0][0]}" if reasons else ""
    num_judged = len(items) - found.num_failed
    if 2 * num_judged < len(items):
        who = f"Only {num_judged} of {len(items)} answers" if num_judged else "No answer"
        raise CrossmemError(
            f"{who} got a verdict{most_often}.",
            "Check the judge and its server, and run again: only the missing ones are asked about.",
        )
    for item, verdict in zip(items, found.items, strict=True):
        item |= {"judge_score": verdict.score, "judge_verdict": verdict.verdict, "judge_failure": verdict.failure}
    console.print(
        f"judge: {found.num_requests} requests, {found.num_cached} verdicts from an earlier run; as far as the server "
        f"said, {found.prompt_tokens} tokens read and {found.completion_tokens} written",
        highlight=False,
    )
    return (
        f"Judged by {found.model} under prompt {found.prompt}; without a verdict: {found.num_failed} of "
        f"{len(items)} answers, which are in no mean{most_often}."
    )
