# SPDX-License-Identifier: Apache-2.0
"""From the answers of all cells to a comparison's lines. It runs no model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from crossmem_hf.evaluation.rouge import rouge_l
from crossmem_hf.metrics.exposure.exposure_math import chance_exposure
from crossmem_hf.metrics.forget_diagnosis.diagnosis_math import diagnose_items
from crossmem_hf.metrics.intervals import cluster_codes, mean_interval
from crossmem_hf.metrics.matching import says_part
from crossmem_hf.personas.schema import MODALITIES
from crossmem_hf.prompts.questions import REFUSALS
from crossmem_hf.report.compare_record import EXPOSURE, OUTCOMES, PARTIAL, RECALL, ROUGE, CompareArm, CompareLine
from crossmem_hf.studies.compare_cells import RETRAINED

Result = Mapping[str, Any]
Answer = Mapping[str, Any]
Column = tuple[str, Sequence[float], float | None, str, str]
"""Metric, values, chance level, unit, and what a higher value means."""

FLUENT_SHARE = 0.99
"""Answers are noise above the perplexity that this share of the retrained model's answers keeps below."""


def compare_arms(results: Sequence[Result]) -> Iterator[CompareArm]:
    """Each way of forgetting with its costs, in the order of the results."""
    for (arm, through), part in _by_arm(results).items():
        done = [result for result in part if "asked" in result]
        costs = [result.get("cost", {}) for result in done]
        yield CompareArm(
            arm=arm,
            through=through,
            steps=tuple(result.get("steps", 0) for result in done),
            reached_floor=tuple(result.get("reached_floor") for result in done),
            wall_s=tuple(round(cost.get("wall_s", 0.0), 2) for cost in costs),
            cpu_s=tuple(round(cost.get("cpu_s", 0.0), 2) for cost in costs),
            peak_mib=tuple(round(cost.get("peak_mib", 0.0), 1) for cost in costs),
            failed=tuple(f"seed {r['seed']}: {r['failed']}" for r in part if "failed" in r),
        )


def compare_lines(results: Sequence[Result]) -> Iterator[CompareLine]:
    """Every metric of every way of forgetting, group, modality and number of hops, pooled over seeds."""
    limit = fluent_perplexity(results)
    for (arm, through), part in _by_arm(results).items():
        answers = [answer for result in part for answer in result.get("asked", ())]
        several = sorted({answer["hops"] for answer in answers})
        for group in ("forget", "retain"):
            for modality in MODALITIES:
                for hops in (None, *several) if len(several) > 1 else (None,):
                    chosen = [
                        answer
                        for answer in answers
                        if answer["forgotten"] == (group == "forget")
                        and answer["modality"] == modality
                        and hops in (None, answer["hops"])
                    ]
                    where = {"arm": arm, "through": through, "group": group, "modality": modality, "hops": hops}
                    if chosen:
                        yield from _lines(chosen, where, limit)


def fluent_perplexity(results: Sequence[Result]) -> float | None:
    """Up to which perplexity an answer counts as fluent; None without a retrained model's answers."""
    known = [
        answer["perplexity"]
        for result in results
        if result["arm"] == RETRAINED
        for answer in result.get("asked", ())
        if answer["perplexity"] is not None
    ]
    return float(np.quantile(known, FLUENT_SHARE)) if known else None


def _by_arm(results: Sequence[Result]) -> dict[tuple[str, str | None], list[Result]]:
    arms: dict[tuple[str, str | None], list[Result]] = {}
    for result in results:
        arms.setdefault((result["arm"], result["through"]), []).append(result)
    return arms


def _lines(answers: Sequence[Answer], where: Mapping[str, Any], limit: float | None) -> Iterator[CompareLine]:
    codes = cluster_codes([answer["persona_id"] for answer in answers], len(answers))
    columns = [*_recalls(answers), *(_outcomes(answers, limit) if where["group"] == "forget" else ())]
    for metric, column, chance, unit, higher in columns:
        values = np.array(column, dtype=np.float64)
        low, high = mean_interval(values, codes, bounds=(0.0, 100.0 if unit == "0-100" else 1.0))
        yield CompareLine(
            metric=metric,
            value=float(values.mean()),
            ci_low=low,
            ci_high=high,
            n=len(answers),
            chance=chance,
            unit=unit,
            higher_is=higher,
            **where,
        )


def _recalls(answers: Sequence[Answer]) -> Iterator[Column]:
    counts = [answer["num_candidates"] for answer in answers]
    guess = float(np.mean([1 / count for count in counts]))
    yield RECALL, [answer["correct"] for answer in answers], guess, "proportion", "more_memorized"
    partly = [says_part(answer["answer"], answer["truth"]) for answer in answers]
    yield PARTIAL, partly, None, "proportion", "more_memorized"
    yield ROUGE, _rouge(answers), None, "proportion", "more_memorized"
    chance = float(np.mean([chance_exposure(count) for count in counts]))
    yield EXPOSURE, [answer["exposure"] for answer in answers], chance, "0-100", "more_memorized"


def _outcomes(answers: Sequence[Answer], limit: float | None) -> Iterator[Column]:
    """The diagnosis of each answer about a forgotten person."""
    noise = {} if limit is None else {"perplexity_limit": limit}
    if limit is not None:
        noise["perplexity"] = [answer["perplexity"] for answer in answers]  # type: ignore[assignment]
    found = diagnose_items(
        [answer["answer"] for answer in answers],
        [answer["truth"] for answer in answers],
        truth_rank=[answer["rank"] for answer in answers],
        num_candidates=[answer["num_candidates"] for answer in answers],
        refusals=REFUSALS,
        **noise,  # type: ignore[arg-type]
    ).outcome
    directions = {"forgotten": "better_forgotten", "still_known": "more_memorized"}
    for outcome in OUTCOMES:
        shown = [one == outcome for one in found]
        yield outcome, shown, None, "proportion", directions.get(outcome, f"more_{outcome}")


def _rouge(answers: Sequence[Answer]) -> list[float]:
    return [rouge_l(answer["truth"], answer["answer"]).recall for answer in answers]
