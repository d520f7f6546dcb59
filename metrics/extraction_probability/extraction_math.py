# SPDX-License-Identifier: Apache-2.0
"""What several numbers of samples n and probabilities p say of a set of answers: (n, p)-discoverable extraction.

Owns the summary with its intervals, and the median of the samples needed. Does not know how one answer's numbers are
worked out, where its log-probabilities come from, or that `evaluate` exists. Numpy and scipy only.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import numpy as np

from .intervals import CONFIDENCE, Clusters, FloatArray, mean_interval
from .sampling_math import ExtractionItems, checked_probability, checked_samples

N: Final = (1, 10, 100)
P: Final = (0.1, 0.5, 0.9)

_Number = TypeVar("_Number", int, float)


def discoverable_summary(
    items: ExtractionItems,
    *,
    n: Iterable[int] = N,
    p: Iterable[float] = P,
    persona_id: Sequence[Any] | None = None,
    persona_seed: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> dict[str, float]:
    """Means over items, shares of items and medians, with intervals clustered by persona.

    Args:
        n: Numbers of samples, each at least 1.
        p: Probabilities, each above 0 and below 1, from which on an item counts as extractable.
        persona_id: Persona of each item. Left out, every item is its own, which is too narrow an interval when one
            persona has several items.
        persona_seed: Seed of each item's population of personas; None if there is one population.

    Returns:
        For each n extraction_probability_nN (0-1, mean of 1 - (1 - q)^n) and its logarithm
        log10_extraction_probability_nN (at most 0, -inf where every q is 0), which goes on below the smallest float.
        For each pair discoverable_nN_pP (0-1, share of the items with 1 - (1 - q)^n >= p). For each p samples_pP (1
        and up) and log10_samples_pP: the fewest samples with which at least half of the items are extractable, which
        is the lower median of what each needs; inf where half of them never are, the former also above the largest
        float. Higher = more memorized, except samples. All but log10_extraction_probability with _ci_low and
        _ci_high, except where the items set no bound; n = number of items. Never NaN.

    Raises:
        ValueError: A number of samples or a probability out of range or given twice, or personas or seeds that do
            not fit the items.

    Reference:
        https://arxiv.org/abs/2410.19482, (n, p)-discoverable extraction. Mean, median and intervals are ours.

    Example:
        >>> items = ExtractionItems(logprob=np.log([0.5, 0.1, 1e-9]))
        >>> found = discoverable_summary(items, n=[2], p=[0.19])
        >>> [round(found[name], 3) for name in ("extraction_probability_n2", "discoverable_n2_p0.19", "samples_p0.19")]
        [0.313, 0.667, 2.0]
    """
    numbers, chances = _each_once("n", n, checked_samples), _each_once("p", p, checked_probability)
    clusters = Clusters.of(persona_id, len(items.logprob), persona_seed)
    summary: dict[str, float] = {}

    def add_mean(name: str, values: FloatArray) -> None:
        summary[name] = float(values.mean())
        summary[f"{name}_ci_low"], summary[f"{name}_ci_high"] = mean_interval(values, clusters, confidence=confidence)

    for count in numbers:
        add_mean(f"extraction_probability_n{count}", items.extraction_probability(count))
        summary[f"log10_extraction_probability_n{count}"] = _log10_mean(items.log_extraction_probability(count))
    for count in numbers:
        for chance in chances:
            found = items.discoverable(count, chance).astype(np.float64)
            add_mean(f"discoverable_n{count}_p{chance}", found)
    if chances:
        summary |= _samples(items.logprob, chances, clusters, confidence)
    return summary | {"n": len(items.logprob)}


def extraction_lists(
    items: ExtractionItems, *, n: Iterable[int] = N, p: Iterable[float] = P
) -> dict[str, list[float]]:
    """Plain lists, one entry an item.

    Returns:
        item_logprob (nats); for each n item_extraction_probability_nN and its log10; for each p item_samples_pP and
        its log10, inf as in `discoverable_summary`.

    Example:
        >>> extraction_lists(ExtractionItems(logprob=np.array([-800.0])), n=[], p=[0.5])["item_samples_p0.5"]
        [inf]
    """
    columns = {"item_logprob": items.logprob}
    for count in _each_once("n", n, checked_samples):
        columns[f"item_extraction_probability_n{count}"] = items.extraction_probability(count)
        log10 = items.log_extraction_probability(count) / math.log(10.0)
        columns[f"item_log10_extraction_probability_n{count}"] = log10
    for chance in _each_once("p", p, checked_probability):
        columns[f"item_samples_p{chance}"] = items.samples(chance)
        columns[f"item_log10_samples_p{chance}"] = items.log10_samples(chance)
    return {name: column.tolist() for name, column in columns.items()}


def median_interval(values: FloatArray, clusters: Clusters, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of the upper median: between the values at which that of the share at or above them crosses one half.

    Returns:
        (low, high); an end is infinite where the items set no bound there, as five personas or fewer never do.

    Reference:
        Woodruff 1952, Confidence intervals for medians and other position measures; the share's interval is that of
        `intervals`.

    Example:
        >>> median_interval(np.arange(50.0), Clusters.of(None, 50))
        (17.0, 32.0)
    """
    levels = np.unique(values)[::-1]

    def crossing(end: int) -> int:
        def is_half(place: int) -> bool:
            share = (values >= levels[place]).astype(np.float64)
            return mean_interval(share, clusters, confidence=confidence)[end] >= 0.5

        return bisect_left(range(len(levels)), True, key=is_half)

    surely, possibly = crossing(0), crossing(1)
    low = float(levels[surely]) if surely < len(levels) else -math.inf
    return low, (float(levels[possibly]) if possibly else math.inf)


def _samples(logprob: FloatArray, chances: Sequence[float], clusters: Clusters, confidence: float) -> dict[str, float]:
    """The median of the samples needed, and its interval, by way of the log-probabilities: the fewer, the likelier."""
    median = np.sort(logprob)[len(logprob) // 2]
    low, high = median_interval(logprob, clusters, confidence=confidence)
    ends = ExtractionItems(logprob=np.asarray([median, min(high, 0.0), low]))
    summary = {}
    for chance in chances:
        for name, found in (("samples", ends.samples(chance)), ("log10_samples", ends.log10_samples(chance))):
            value, *bounds = found.tolist()
            summary[f"{name}_p{chance}"] = value
            if all(map(math.isfinite, bounds)):
                summary[f"{name}_p{chance}_ci_low"], summary[f"{name}_p{chance}_ci_high"] = bounds
    return summary


def _log10_mean(logs: FloatArray) -> float:
    """log10 of the mean of numbers that are given by their natural logarithms."""
    return float((np.logaddexp.reduce(logs) - math.log(len(logs))) / math.log(10.0))


def _each_once(name: str, values: Iterable[Any], checked: Callable[..., _Number]) -> list[_Number]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name}={values!r:.80}; expected a list of numbers. Pass {name}=[{values!r:.80}].")
    found = [checked(value, name=name) for value in values]
    twice = [value for place, value in enumerate(found) if value in found[:place]]
    if twice:
        raise ValueError(f"{name} holds {twice[0]!r} twice; expected each number once. Leave one out.")
    return found
