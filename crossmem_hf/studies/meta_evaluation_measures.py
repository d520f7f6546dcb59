# SPDX-License-Identifier: Apache-2.0
"""How well each number of each metric tells models that learned people from models that did not, and how little it
changes when what is hidden is brought back. It asks no model."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import Any, Final

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.summaries import Against
from crossmem_hf.report.record import Measurement
from crossmem_hf.studies.meta_evaluation_cells import (
    ABSENT,
    METRICS,
    PRESENT,
    RELEARNED,
    ROUNDED,
    UNLEARNED,
    USUAL,
)
from crossmem_hf.studies.seed_means import seed_mean

FAITHFUL, RELEARNING, ROUNDING, TRUST = "faithfulness", "robust_to_relearning", "robust_to_rounding", "trust"
"""What is measured of a number of a metric, which is under the key ``of``."""
FORGET_QUALITY: Final = "forget_quality"
"""The one number that is itself a comparison with the usual model that never learned the people: it is not asked how
faithful it is of that model, nor how robust, as that model is by definition like itself until it is changed."""
_MODEL = ("pool", "way", "method", "changed", "seed")
_SEEN = {"more memorized": 1.0, "less memorized": -1.0, "closer to the retain-only model": -1.0}
"""What a greater number means -> its sign where greater is to mean that more is known."""
Model = tuple[Any, ...]
"""Values of `_MODEL`."""
_Values = dict[str, dict[Model, float]]
"""Number of a metric -> model -> its value, greater where more is known."""


def meta_evaluation_measurements(predictions: Predictions) -> Iterator[Measurement]:
    """Of each number of each metric and modality asked in: the four of `TRUST`, and what it was in each model."""
    for target, part in predictions.grouped(["target"]):
        every = _values(part)
        models = {model for values in every.values() for model in values}
        for of, values in every.items():
            place = {"of": of, **target}
            for where, value in values.items():
                model = {name: own for name, own in zip(_MODEL, where, strict=True) if own is not None}
                yield Measurement(metric="of_model", where={**model, **place}, value=value, n=1, unit="as seen")
            yield from _of_number(values, place, of, models)
    yield from _steps(predictions)


def _values(predictions: Predictions) -> _Values:
    found: _Values = {}
    usual = {
        where["seed"]: part
        for where, part in predictions.grouped(_MODEL)
        if (where.get("pool"), where.get("way")) == (ABSENT, USUAL) and "changed" not in where
    }
    for where, part in predictions.grouped(_MODEL):
        model = tuple(where.get(name) for name in _MODEL)
        if part[0].get("matched_step") == 0:  # which is the memorized model
            continue
        for one in _measured(part, usual.get(where["seed"])):
            sign = _SEEN.get(one.greater_means)
            if sign is not None and math.isfinite(one.value):
                found.setdefault(one.metric, {})[model] = sign * one.value
    return found


def _measured(part: Predictions, retain_only: Predictions | None) -> Iterator[Measurement]:
    """A number that the predictions do not allow, such as Exposure where a likelihood is none, is left out."""
    for metric in METRICS:
        reference = retain_only if metric == "truth_ratio" else None
        try:
            yield from part.measure((metric,), (), against=Against(retain_only=reference))
        except CrossmemError:
            continue


def _of_number(
    values: Mapping[Model, float], place: Mapping[str, Any], of: str, models: Collection[Model]
) -> Iterator[Measurement]:
    """In the seeds in which every model has a value, so that all numbers are held to the same ones.

    Args:
        models: All of the study.
    """
    compares = of == FORGET_QUALITY
    by_name: dict[str, dict[int, float]] = {name: {} for name in (FAITHFUL, RELEARNING, ROUNDING, TRUST)}
    for seed in sorted({model[-1] for model in models}):
        if any(model[-1] == seed and model not in values for model in models):
            continue
        pools = [_pool(values, pool, seed, but=USUAL if compares else None) for pool in (PRESENT, ABSENT)]
        found = {
            FAITHFUL: auroc(*pools) if all(pools) else None,
            RELEARNING: None if compares else _robust(values, RELEARNED, seed),
            ROUNDING: None if compares else _robust(values, ROUNDED, seed),
        }
        robust = harmonic_mean([found[RELEARNING], found[ROUNDING]])
        found[TRUST] = harmonic_mean([found[FAITHFUL], robust])
        for name, value in found.items():
            if value is not None:
                by_name[name][seed] = value
    for name, by_seed in by_name.items():
        if by_seed:
            yield seed_mean(
                name,
                place,
                by_seed,
                bounds=(0.0, 1.0),
                chance=0.5 if name == FAITHFUL else None,
                unit="proportion",
                greater_means="more to be trusted",
            )


def _pool(values: Mapping[Model, float], pool: str, seed: int, *, but: str | None) -> list[float]:
    return [
        value
        for (own, way, _, changed, at), value in values.items()
        if (own, changed, at) == (pool, None, seed) and way != but
    ]


def auroc(present: Sequence[float], absent: Sequence[float]) -> float:
    """The chance that a model which learned has the greater value of it and one which did not; equal ones count half.

    Example:
        >>> auroc([0.9, 0.5], [0.5, 0.1])
        0.875
    """
    return fmean((more > less) + (more == less) / 2 for more, less in product(present, absent))


def _robust(values: Mapping[Model, float], change: str, seed: int) -> float | None:
    """From 0 to 1: 1 less the share of what tells the memorized model from the usual one that never learned, by which
    the number rises more in an unlearned model than in that one, both changed; nothing where it rises less, and the
    mean over methods."""
    memorized, never = ((pool, USUAL, None, None, seed) for pool in (PRESENT, ABSENT))
    changed = (ABSENT, USUAL, None, change, seed)
    if not {memorized, never, changed} <= values.keys():
        return None
    whole = values[memorized] - values[never]
    found = []
    for model in values:
        pool, _, method, was, at = model
        if (pool, was, at) == (UNLEARNED, None, seed) and (after := (pool, None, method, change, seed)) in values:
            risen = (values[after] - values[model]) - (values[changed] - values[never])
            found.append(min(1.0, max(0.0, risen / whole)) if whole > 0 else 1.0)
    return 1 - fmean(found) if found else None


def harmonic_mean(several: Iterable[float | None]) -> float | None:
    """0 if one is; None if one is unknown.

    Example:
        >>> harmonic_mean([1.0, 0.5]), harmonic_mean([1.0, 0.0]), harmonic_mean([1.0, None])
        (0.6666666666666666, 0.0, None)
    """
    every = list(several)
    known = [one for one in every if one is not None]
    if len(known) < len(every):
        return None
    return 0.0 if min(known) <= 0 else len(known) / math.fsum(1 / one for one in known)


def _steps(predictions: Predictions) -> Iterator[Measurement]:
    """At which step each method was asked, a seed."""
    for where, part in predictions.where(pool=UNLEARNED).grouped(["pool", "method", "seed"]):
        step = float(part[0]["matched_step"])
        yield Measurement(
            metric="matched_step", where=where, value=step, n=1, unit="steps", greater_means="more unlearning"
        )
