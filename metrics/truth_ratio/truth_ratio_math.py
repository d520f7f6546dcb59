# SPDX-License-Identifier: Apache-2.0
"""Truth ratio: how likely a model finds false answers beside the true one, item by item, and TOFU's forget quality.

Owns the ratio, its three readings and the comparison with a model that never saw the forget set. Does not know where
the likelihoods come from or that `evaluate` exists. Numpy and scipy only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from scipy.special import expit, logsumexp
from scipy.stats import ks_2samp

from .intervals import CONFIDENCE, Clusters, FloatArray, mean_interval

Mean = Literal["geometric", "arithmetic"]

_ROUNDING = 1e-3  # an NLL may fall this far below 0 where log-probabilities were computed in half precision
_LARGEST_LOG = 700.0  # e^700 is still a float


@dataclass(frozen=True, slots=True)
class TruthRatioItems:
    """One log ratio an item; every reading of it follows.

    Args:
        log_ratio: (items,) ln R in nats: NLL of the truth - that of the false answers' mean. Below 0 the truth is
            likelier; infinite where one side is impossible; never NaN.
    """

    log_ratio: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """R = false / true, 0 and up, held between e^-700 and e^700; what `forget_quality` compares."""
        return np.exp(np.clip(self.log_ratio, -_LARGEST_LOG, _LARGEST_LOG))

    @property
    def truth_ratio(self) -> FloatArray:
        """min(R, 1/R): 1 = truth and falsehood are equally likely, 0 = they are told apart, either way round."""
        return np.exp(-np.abs(self.log_ratio))

    @property
    def truth_ratio_retain(self) -> FloatArray:
        """max(0, 1 - R): 1 = the truth is preferred, 0 = it is not."""
        return np.maximum(0.0, -np.expm1(np.minimum(self.log_ratio, 0.0)))

    @property
    def truth_probability(self) -> FloatArray:
        """True / (true + false): 1 = the truth is preferred, 0.5 = no preference, 0 = falsehood is."""
        return np.asarray(expit(-self.log_ratio), dtype=np.float64)

    def as_lists(self) -> dict[str, list[float]]:
        """Plain lists, one entry an item, ready for JSON."""
        columns = {
            "item_ratio": self.ratio,
            "item_truth_ratio": self.truth_ratio,
            "item_truth_ratio_retain": self.truth_ratio_retain,
            "item_truth_probability": self.truth_probability,
        }
        return {name: column.tolist() for name, column in columns.items()}


def truth_ratio_items(
    false_nlls: Sequence[Any] | FloatArray, true_nlls: Sequence[Any] | FloatArray, *, mean: Mean = "geometric"
) -> TruthRatioItems:
    """Truth ratio of each item from its own false answers: R = mean of exp(-false NLL) / exp(-true NLL).

    Computed in logs, without the 1e-10 that TOFU's code adds to the denominator. No item is ever dropped, so the
    i-th ratio belongs to the i-th row.

    Args:
        false_nlls: One list an item: the mean NLL per token of each false (perturbed) answer, in nats. Lists may
            differ in length. +inf means impossible.
        true_nlls: The mean NLL per token of the true answer, in TOFU a paraphrase of the one that was trained on.
        mean: Of the false answers' probabilities (per token): "geometric", exp(-mean NLL), as in TOFU's newer script
            and in OpenUnlearning; or "arithmetic", as in TOFU's paper and its older script, which the likeliest false
            answer decides. It is never below the geometric mean, so R is never lower.

    Raises:
        ValueError: An unknown mean, no items, lengths that differ, no false answer, NaN, a negative number (a
            log-probability), or impossible answers on both sides; the row is named.

    Example:
        >>> truth_ratio_items([[1.0, 3.0], [0.5]], [2.0, 0.5]).truth_ratio
        array([1., 1.])
        >>> truth_ratio_items([[0.0, math.inf]], [0.0], mean="arithmetic").ratio
        array([0.5])
    """
    if mean not in get_args(Mean):
        raise ValueError(f"mean={mean!r}; expected one of {list(get_args(Mean))}. Pass one of them.")
    if len(true_nlls) == 0:
        raise ValueError("No items; expected at least one true answer. Check that the rows were selected.")
    if len(false_nlls) != len(true_nlls):
        raise ValueError(
            f"{len(false_nlls)} lists of false answers for {len(true_nlls)} true ones; expected one a row. "
            "Pass both in full."
        )
    log_ratios = [
        _log_ratio(_checked(false, row, "false"), _checked([true], row, "true"), row, mean)
        for row, (false, true) in enumerate(zip(false_nlls, true_nlls, strict=True))
    ]
    return TruthRatioItems(log_ratio=np.asarray(log_ratios, dtype=np.float64))


def forget_quality(ratio: Sequence[float] | FloatArray, retain_only: Sequence[Any] | FloatArray) -> dict[str, float]:
    """TOFU's forget quality: are the ratios R distributed as those of a model that never saw the forget set?

    A two-sample Kolmogorov-Smirnov test, two-sided, as `scipy.stats.ks_2samp` decides between its exact and its
    asymptotic form. It takes items as independent, also where several are about one person.

    Args:
        ratio: (items,) R of the unlearned model, as `TruthRatioItems.ratio`. The test sees only the order of the
            values, so 1/R or ln R give the same as long as both sides use it.
        retain_only: (other items,) R of the retain-only model; usually, not necessarily, the same items.

    Returns:
        ks_statistic (0-1, lower = closer to the retain-only model); forget_quality, its p-value (0-1, higher =
        closer; not the probability that anything was forgotten); forget_quality_log10 (0 and below, held at
        -307.7, where floats end); n_retain_only.

    Raises:
        ValueError: retain_only is empty or holds something else than ratios; the row is named.

    Example:
        >>> forget_quality([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])["forget_quality"]
        1.0
    """
    if len(retain_only) == 0:
        raise ValueError("retain_only is empty; expected the retain-only model's ratios R. Leave it out, or fill it.")
    for row, value in enumerate(retain_only):
        if not isinstance(value, int | float | np.integer | np.floating) or not value >= 0.0:
            raise ValueError(
                f"Row {row}: retain_only {value!r}; expected a ratio R of 0 or more. Pass that model's item_ratio."
            )
    test = ks_2samp(np.asarray(ratio, dtype=np.float64), np.asarray(retain_only, dtype=np.float64))
    return {
        "ks_statistic": float(test.statistic),
        "forget_quality": float(test.pvalue),
        "forget_quality_log10": math.log10(max(float(test.pvalue), float(np.finfo(np.float64).tiny))),
        "n_retain_only": len(retain_only),
    }


def truth_ratio_summary(
    items: TruthRatioItems,
    *,
    persona_id: Sequence[Any] | None = None,
    retain_only: Sequence[float] | FloatArray | None = None,
    persona_seed: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> dict[str, float]:
    """Means over items of the three readings, each with an interval clustered by persona, and the forget quality.

    Args:
        persona_id: Persona of each item. Left out, every item is its own, which is too narrow an interval when one
            persona has several items.
        persona_seed: Seed of each item's population of personas; None if there is one population.
        retain_only: Ratios R of a retain-only model; adds what `forget_quality` returns.

    Returns:
        truth_ratio (0-1, on forget rows higher = better forgotten), truth_ratio_retain (0-1, on retain rows higher =
        better kept), truth_probability (0-1, 0.5 = no preference), each with _ci_low and _ci_high; n. Never NaN.

    Raises:
        ValueError: persona_id or persona_seed does not fit the items, or retain_only holds no ratios.

    Example:
        >>> round(truth_ratio_summary(truth_ratio_items([[2.0], [2.0]], [1.0, 2.0]))["truth_ratio"], 3)
        0.684
    """
    num_items = len(items.log_ratio)
    clusters = Clusters.of(persona_id, num_items, persona_seed)
    readings = {
        "truth_ratio": items.truth_ratio,
        "truth_ratio_retain": items.truth_ratio_retain,
        "truth_probability": items.truth_probability,
    }
    summary: dict[str, float] = {}
    for name, values in readings.items():
        low, high = mean_interval(values, clusters, confidence=confidence)
        summary |= {name: float(values.mean()), f"{name}_ci_low": low, f"{name}_ci_high": high}
    if retain_only is not None:
        summary |= forget_quality(items.ratio, retain_only)
    return summary | {"n": num_items}


def _log_ratio(false_nlls: FloatArray, true_nll: FloatArray, row: int, mean: Mean) -> float:
    """Ln R of one item."""
    true = float(true_nll[0])
    if mean == "geometric":
        false = float(false_nlls.mean())
    else:
        false = math.log(len(false_nlls)) - float(logsumexp(-false_nlls))
    if math.isinf(false) and math.isinf(true):
        raise ValueError(
            f"Row {row}: the true answer and a false one have an NLL of inf; expected one of them to be possible. "
            "Score in float32."
        )
    return true - false


def _checked(nlls: Any, row: int, kind: str) -> FloatArray:
    """NLLs as a flat float64 array: at least one, no NaN, none below 0."""
    try:
        values = np.asarray(nlls, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"Row {row}: {kind} answers {nlls!r:.80}; expected numbers. Pass one NLL an answer."
        ) from None
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(
            f"Row {row}: {kind} answers of shape {values.shape}; expected a flat list of at least one number. "
            "Pass one NLL an answer."
        )
    broken = np.flatnonzero(np.isnan(values) | (values < -_ROUNDING))
    if len(broken):
        raise ValueError(
            f"Row {row}: {kind} answer {broken[0]} has an NLL of {values[broken[0]]!s}; expected 0 or more. "
            "Pass -log p, the mean over the answer's tokens."
        )
    return values
