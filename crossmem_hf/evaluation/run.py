# SPDX-License-Identifier: Apache-2.0
"""Scoring a model on rows, from settings to record: `crossmem score`. It knows the order of things, not the maths.

Every process of a launch calls `run_score` with the same settings; they share the passes, and the main one writes.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from crossmem_hf.data.digest import rows_digest
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.asking import asked_together
from crossmem_hf.evaluation.candidates import answers_by_attribute
from crossmem_hf.evaluation.comparisons import (
    HOLDOUT,
    baseline_predictions,
    retain_only_holdout,
    retain_only_predictions,
)
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.likelihoods import DISCOVERABLE
from crossmem_hf.evaluation.loaded import Loaded, model_key
from crossmem_hf.evaluation.measures import METRICS, columns_of, passes_for
from crossmem_hf.evaluation.passes import Passes
from crossmem_hf.evaluation.predictions import FILE, Prediction, Predictions, value_of
from crossmem_hf.evaluation.questions import Questions
from crossmem_hf.evaluation.rows import load_questions, questions_of, rows_of
from crossmem_hf.evaluation.settings import BASELINES, ScoreSettings
from crossmem_hf.evaluation.subsample import evenly_spaced
from crossmem_hf.evaluation.summaries import Against
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.report.record import RECORD_FILE, Measurement, Record
from crossmem_hf.report.tables import score_table
from crossmem_hf.runs.sources import environment
from crossmem_hf.scoring.judge_requests import require_openai

JUDGE_TOKEN = "CROSSMEM_JUDGE_TOKEN"
"""Environment variable with the token of the judge's server, if it wants one."""


@dataclass(frozen=True)
class _Prepared:
    """What is known before a model is loaded, as `asking.Prepared`."""

    questions: Questions
    holdout: Questions | None
    data: str
    model: str
    retain_only: Predictions | None
    retain_only_holdout: Predictions | None
    baselines: Mapping[str, Predictions]

    @property
    def rows(self) -> Any:
        return self.questions.rows


def run_score(
    settings: ScoreSettings, folder: Path, *, overwrite: bool = False, console: Console | None = None
) -> Record | None:
    """Score a model on the settings' rows, or go on where an earlier run into `folder` stopped.

    Args:
        folder: Gets ``record.json``, ``predictions.jsonl`` (a line a row, enough to compute every metric again) and,
            with a holdout, ``holdout.jsonl``; finished work stays under ``jobs``.
        overwrite: Replace what a run with another model or other rows left in `folder`.
        console: Gets the table.

    Returns:
        The record; None in all processes but the main one.

    Raises:
        CrossmemError: Anything about settings, rows, model or folder, before the first pass; or what a pass or a
            metric refuses, with finished passes kept.
    """
    return asked_together(
        settings,
        folder,
        overwrite=overwrite,
        prepare=lambda: _prepared(settings),
        code=Passes,
        ask=lambda prepared, asked: _asked(settings, prepared, asked, folder),
        finish=lambda prepared, found: _finish(settings, prepared, found, folder, console or Console()),
    )


def _asked(settings: ScoreSettings, prepared: _Prepared, asked: Loaded, folder: Path) -> Predictions:
    evaluator = Evaluator(
        prepared.questions,
        metrics=settings.asked_metrics,
        holdout=prepared.holdout,
        batch_size=settings.batch_size,
        temperature=settings.temperature,
        seed=settings.seed,
        keep="all",
    )
    return evaluator(asked.model, asked.processor, output_dir=folder, made_from=asked.made_from)


def _prepared(settings: ScoreSettings) -> _Prepared:
    if "judge" in settings.metrics:
        require_openai()
    questions = load_questions(settings)
    holdout = None if "priv_leak" not in settings.metrics else _holdout(settings, questions)
    data, theirs, metrics = rows_digest(questions.rows), settings.retain_only, settings.metrics
    return _Prepared(
        questions=questions,
        holdout=holdout,
        data=data,
        model=model_key(settings),
        retain_only=None if theirs is None else retain_only_predictions(theirs, questions, data, metrics),
        retain_only_holdout=None if theirs is None or holdout is None else retain_only_holdout(theirs, holdout.keys),
        baselines=baseline_predictions(settings.baseline_folders, questions, data),
    )


def _holdout(settings: ScoreSettings, questions: Questions) -> Questions:
    every = rows_of(settings, str(settings.holdout_split))
    known = questions_of(every, ("priv_leak",), answers_by_attribute(every), candidates_are="")
    shared = set(questions.keys) & set(known.keys)
    if shared:
        raise CrossmemError(
            f"{len(shared)} rows of the holdout split {settings.holdout_split!r} are among the rows that are scored.",
            "Name a split of rows that no model saw as --holdout-split.",
        )
    rows = evenly_spaced(every, settings.max_rows)
    return questions_of(rows, ("priv_leak",), known.by_attribute, candidates_are="")


def _finish(
    settings: ScoreSettings, prepared: _Prepared, predictions: Predictions, folder: Path, console: Console
) -> Record:
    """Measure, write and show."""
    notes = list(_notes(settings, prepared.questions))
    metrics, failure, held = settings.metrics, None, predictions.against.holdout
    asked = [dict(prediction) for prediction in predictions]
    if "judge" in metrics:
        try:
            notes.append(_judged(settings, asked, folder / "judged.jsonl", console))
        except CrossmemError as error:  # said at the end: what else was measured is not to be lost
            metrics, failure = tuple(name for name in metrics if name != "judge"), error
            notes.append(f"The judge failed: {error.fault}")
    against = Against(
        k=settings.k,
        num_samples=settings.extraction_samples,
        truth_ratio_mean=settings.truth_ratio_mean,
        holdout=held,
        retain_only=prepared.retain_only,
        retain_only_holdout=prepared.retain_only_holdout,
    )
    source = {} if settings.source is None else {"source": settings.source}
    scored = Predictions(asked, against=against).with_columns(**source)
    measurements = score_measurements(scored, metrics)
    for name, theirs in prepared.baselines.items():
        measurements += score_measurements(theirs.with_columns(model=name), ("exposure",))
    columns = columns_of(metrics, scored, against)
    whole = [{**one, **{name: values[place] for name, values in columns.items()}} for place, one in enumerate(scored)]
    Predictions(whole).write(folder / FILE)
    (folder / HOLDOUT).unlink(missing_ok=True)  # of an earlier choice of metrics
    if held:
        Predictions(held).write(folder / HOLDOUT)
    record = Record(
        study="score",
        config=settings.as_dict(),
        versions=environment(),
        seeds=(settings.persona_seed,) if settings.dataset is None else (),
        fingerprints={"data": prepared.data, "model": prepared.model},
        measurements=tuple(measurements),
        notes=tuple(notes),
    )
    record.write(folder / RECORD_FILE)
    console.print(score_table(record).terminal())
    for note in notes:
        console.print(f"- {note}", style="dim", highlight=False, markup=False)
    if failure is not None:
        raise failure
    return record


def score_measurements(predictions: Predictions, metrics: Sequence[str]) -> list[Measurement]:
    """Of each metric what it says of all predictions, and of the parts that it is split into: those of one modality
    asked in, of one number of hops, of one kind of the config ``robust`` or one attribute, wherever there are several.

    Raises:
        CrossmemError: A metric refuses the predictions.
    """
    found: list[Measurement] = []
    for name in metrics:
        found += predictions.measure([name], by=("model",))
        for column in METRICS[name].splits:
            known = [one for one in predictions if value_of(one, column) is not None]
            if len({value_of(one, column) for one in known}) > 1:
                part = Predictions(known, against=replace(predictions.against, retain_only=None))
                found += part.measure([name], by=("model", column))
    return found


def _notes(settings: ScoreSettings, questions: Questions) -> Iterator[str]:
    counts = ", ".join(f"{len(values)} for {name}" for name, values in questions.by_attribute.items())
    yield f"Candidates are {questions.candidates_are}: {counts}."
    if questions.falsified:
        false = questions.false_column or "the other candidates of the attribute"
        true = questions.true_column or "the row's own answer (TOFU: a paraphrase)"
        mean = f"the {settings.truth_ratio_mean} mean of their probabilities"
        yield f"The truth ratio sets {true} against {false}, by {mean}."
    yield "Candidates are scored with the end of the turn; Min-K, perplexity and extraction strength go without it."
    if "exposure" in settings.metrics:
        yield from _exposure_notes(settings)
    if "extraction_probability" in settings.metrics:
        yield (
            f"extraction_probability: at least one of {settings.extraction_samples} samples at temperature 1 begins "
            f"with the answer; discoverable: with a probability of {DISCOVERABLE} or more; log10_samples: of "
            "the fewest samples with which half of the answers are."
        )
    if "generation" in passes_for(settings.metrics):
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
    yield (
        "Intervals hold 95 % for further personas of the same population, rows of one persona taken together "
        "(docs/statistics.md); how much another population would differ, one seed does not tell."
    )


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


def _judged(settings: ScoreSettings, items: Sequence[Prediction], cache: Path, console: Console) -> str:
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
    if 2 * (num_judged := len(items) - found.num_failed) < len(items):
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
