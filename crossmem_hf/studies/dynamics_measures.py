# SPDX-License-Identifier: Apache-2.0
"""What the study memorization_dynamics measures of single sequences and of whole trainings. It trains nothing."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from statistics import fmean, median
from typing import Any

from crossmem_hf.analysis.dynamics import (
    Dynamics,
    burstiness,
    first_memorized,
    forgetting_events,
    recency_overlap,
)
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Prediction, Predictions
from crossmem_hf.report.record import Measurement, Value
from crossmem_hf.studies.dynamics_claims import PATTERNS_PART, PERSONAS_PART
from crossmem_hf.studies.seed_means import seed_mean
from crossmem_hf.studies.study import pooled


def of_sequences(dynamics: Dynamics, split: str) -> Iterator[Prediction]:
    """A prediction a sequence: when it was first memorized (at the last step where it never was), how often it was
    forgotten, whether it is memorized in the end."""
    first, forgotten, last = first_memorized(dynamics), forgetting_events(dynamics), int(dynamics.steps_E[-1])
    for place in range(len(dynamics.sequences_N)):
        yield {
            "split": split,
            **{_CALLED.get(name, name): values[place] for name, values in dynamics.columns.items()},
            "sequence": int(dynamics.sequences_N[place]),
            "first_memorized": last if math.isinf(first[place]) else int(first[place]),
            "ever_memorized": not math.isinf(first[place]),
            "forgettings": int(forgotten[place]),
            "memorized": bool(dynamics.exact_match_EN[-1, place]),
        }


def of_training(dynamics: Dynamics, where: dict[str, Value]) -> Iterator[Measurement]:
    """Burstiness and recency of a training, as far as it memorized enough to tell."""
    size = int(dynamics.newly_memorized_EN.sum())
    try:
        yield Measurement(
            metric="burstiness",
            where=where,
            value=burstiness(dynamics),
            n=size,
            unit="ratio",
            greater_means="more in bursts",
        )
        found = recency_overlap(dynamics)
    except CrossmemError:
        return
    if found.chance < 1:
        yield Measurement(
            metric="recency_excess",
            where=where,
            value=found.excess,
            ci=found.ci,
            n=found.n,
            unit="proportion",
            greater_means="more of what was just trained on",
        )


_CALLED = {"kind": "kind_of_pattern"}  # what predictions of personas call kind is another thing
_OF_SEQUENCES: dict[str, tuple[Callable[[Sequence[Any]], float], str, str, str]] = {
    "memorized_by": (median, "first_memorized", "steps", "memorized later"),
    "memorized": (fmean, "memorized", "proportion", "more memorized"),
    "forgettings": (fmean, "forgettings", "events", "forgotten more often"),
}


def sequences_measured(predictions: Predictions) -> Iterator[Measurement]:
    """The step by which half of the sequences had been memorized, the share that is memorized in the end, and how
    often one that ever was is forgotten: of each size, split and kind of pattern; of people, of each attribute,
    modality and number of hops. Intervals are over seeds."""
    ways = ((PATTERNS_PART, ("size", "split", "kind_of_pattern")), (PERSONAS_PART, ("attribute", "modality", "hops")))
    groups = (predictions.where(part=part).grouped(("part", *keys, *pooled(predictions))) for part, keys in ways)
    for where, part in chain.from_iterable(groups):
        for metric, (average, column, unit, means) in _OF_SEQUENCES.items():
            rows = [one for one in part if metric != "forgettings" or one["ever_memorized"]]
            if not rows:
                continue
            by_seed: dict[int, float] = {}
            for own, seeded in Predictions(rows).grouped(["seed"]):
                by_seed[int(own["seed"] or 0)] = float(average([one[column] for one in seeded]))
            found = seed_mean(metric, where, by_seed, unit=unit, greater_means=means)
            yield found.model_copy(update={"n": len(rows), "by_seed": {} if "seed" in where else by_seed})
