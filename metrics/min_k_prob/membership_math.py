# SPDX-License-Identifier: Apache-2.0
"""What token scores say of a set of items: their means, and how well they tell trained items from untrained ones.

Owns the summary with its intervals. Does not know how a score is computed or that `evaluate` exists. Numpy and scipy
only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .intervals import CONFIDENCE, Clusters, FloatArray, Statistic, auroc_parts, column_mean, interval_of
from .min_k_math import TokenScores

FALSE_POSITIVES: Final = 0.01
"""Share of the items that were not trained on, which an attack may take for trained ones."""


def membership_summary(
    scores: TokenScores,
    is_member: Sequence[Any] | NDArray[Any],
    *,
    persona_id: Sequence[Any] | None = None,
    persona_seed: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> dict[str, float]:
    """Means of the scores over items and, where trained and untrained items occur, how well each tells them apart.

    Args:
        is_member: 1 where the model was trained on the item, else 0.
        persona_id: Persona of each item. Left out, every item is its own, which is too narrow an interval when one
            persona has several items.
        persona_seed: Seed of each item's population of personas; None if there is one population.

    Returns:
        min_k and logprob_per_token (nats, at most 0), min_k_prob and inverse_perplexity (0-100), answer_probability
        (0-1), each the mean over items; perplexity (1 and up), a geometric mean; min_k_plus_plus,
        max_renyi (nats, at least 0) and reference_ratio (nats) where known; n, n_members.
        With both kinds of items also auroc_min_k, auroc_min_k_plus_plus, auroc_max_renyi, auroc_reference_ratio,
        auroc_gradient_norm, auroc_perplexity and auroc_answer_probability (0-1, 0.5 by chance; above it where trained
        items have the higher scores, or the lower perplexity, entropy or gradient), and the same with tpr_at_1_fpr_
        (0-1, at most 0.01 by chance): the share of trained items above the score that at most 1 % of the others
        exceed, none of fewer than 100; its interval takes that score as given. Each with _ci_low and _ci_high, except
        where the items set no bound: an unbounded score on which all personas agree.

    Raises:
        ValueError: A label other than 0 and 1, or labels, personas or seeds that do not fit the items.

    Example:
        >>> scores = TokenScores(np.array([1, 1]), np.array([-0.2, -3.0]), np.array([-0.2, -3.0]), None)
        >>> membership_summary(scores, [1, 0])["auroc_min_k"]
        1.0
    """
    num_items = len(scores.num_tokens)
    members = _checked_labels(is_member, num_items)
    clusters = Clusters.of(persona_id, num_items, persona_seed)
    measures = _means(scores)
    if members.any() and not members.all():
        measures |= _told_apart(scores, members)
    summary = _with_intervals(measures, clusters, confidence)
    return summary | _perplexity(summary) | {"n": num_items, "n_members": int(members.sum())}


@dataclass(frozen=True, slots=True)
class _Measure:
    """A statistic of the means of one or two columns; NaN where an item is not in the column."""

    columns: tuple[FloatArray, ...]
    bounds: tuple[float, float]
    statistic: Statistic = column_mean
    unseen: Statistic | None = None


def _with_intervals(measures: dict[str, _Measure], clusters: Clusters, confidence: float) -> dict[str, float]:
    """Each measure and its interval; one that is infinite or undefined is left out."""
    summary: dict[str, float] = {}
    for name, measure in measures.items():
        sums, counts = clusters.table(np.stack(measure.columns, axis=1))
        means = sums.sum(axis=0) / counts.sum(axis=0)
        summary[name] = float(measure.statistic(means[None, :])[0])
        interval = interval_of(
            sums,
            counts,
            clusters.seed,
            measure.statistic,
            bounds=measure.bounds,
            row_bounds=measure.bounds,
            unseen=measure.unseen,
            confidence=confidence,
        )
        if interval is not None and all(map(math.isfinite, interval)):
            summary[f"{name}_ci_low"], summary[f"{name}_ci_high"] = interval
    return summary


def _means(scores: TokenScores) -> dict[str, _Measure]:
    """The scores as means over items."""
    measures = {
        "min_k": _Measure((scores.min_k,), (-np.inf, 0.0)),
        "min_k_prob": _Measure((scores.min_k_prob,), (0.0, 100.0)),
        "inverse_perplexity": _Measure((scores.inverse_perplexity,), (0.0, 100.0)),
        "logprob_per_token": _Measure((scores.logprob_per_token,), (-np.inf, 0.0)),
        "answer_probability": _Measure((scores.answer_probability,), (0.0, 1.0)),
    }
    known = {
        "min_k_plus_plus": (scores.min_k_plus_plus, (-np.inf, np.inf)),
        "max_renyi": (scores.max_renyi, (0.0, np.inf)),
        "reference_ratio": (scores.reference_ratio, (-np.inf, np.inf)),
    }
    return measures | {
        name: _Measure((column,), bounds) for name, (column, bounds) in known.items() if column is not None
    }


def _perplexity(summary: dict[str, float]) -> dict[str, float]:
    """exp(-logprob_per_token) and its interval; at most e^700, because a collapsed model's would be no number."""
    ends = {"": "", "_ci_low": "_ci_high", "_ci_high": "_ci_low"}
    known = {end: summary.get(f"logprob_per_token{source}") for end, source in ends.items()}
    return {f"perplexity{end}": math.exp(min(-value, 700.0)) for end, value in known.items() if value is not None}


def _told_apart(scores: TokenScores, is_member: NDArray[np.bool_]) -> dict[str, _Measure]:
    """How each score tells items apart, taken in nats, where no probability is rounded to 0."""
    columns = {
        "min_k": scores.min_k,
        "min_k_plus_plus": scores.min_k_plus_plus,
        "max_renyi": None if scores.max_renyi is None else -scores.max_renyi,
        "reference_ratio": scores.reference_ratio,
        "gradient_norm": None if scores.gradient_norm is None else -scores.gradient_norm,
        "perplexity": scores.logprob_per_token,
        "answer_probability": scores.logprob,
    }
    known = {name: column for name, column in columns.items() if column is not None}
    return {f"auroc_{name}": _auroc(column, is_member) for name, column in known.items()} | {
        f"tpr_at_1_fpr_{name}": _found_at(column, is_member) for name, column in known.items()
    }


def _found_at(scores: FloatArray, is_member: NDArray[np.bool_]) -> _Measure:
    """The share of trained items above the score that at most `FALSE_POSITIVES` of the others exceed."""
    others = np.sort(scores[~is_member])[::-1]
    limit = others[int(FALSE_POSITIVES * len(others))]
    return _Measure((np.where(is_member, scores > limit, np.nan),), (0.0, 1.0))


def _auroc(scores: FloatArray, is_member: NDArray[np.bool_]) -> _Measure:
    """AUROC as a sum of two means, to first order in what one item changes (as DeLong et al. 1988 do)."""
    parts = auroc_parts(scores, is_member)
    auroc = parts[is_member].mean()

    def statistic(means_ND: FloatArray) -> FloatArray:
        return np.clip(means_ND[:, 0] + means_ND[:, 1] - auroc, 0.0, 1.0)

    columns = (np.where(is_member, parts, np.nan), np.where(is_member, np.nan, parts))
    return _Measure(columns, (0.0, 1.0), statistic, lambda means_ND: means_ND.mean(axis=1))


def _checked_labels(labels: Sequence[Any] | NDArray[Any], num_items: int) -> NDArray[np.bool_]:
    """Labels as booleans, one an item."""
    if len(labels) != num_items:
        raise ValueError(f"{len(labels)} references for {num_items} rows; expected one a row. Pass both in full.")
    for row, label in enumerate(labels):
        if label not in (0, 1):
            raise ValueError(
                f"Row {row}: reference {label!r}; expected 1 (the model was trained on the item) or 0 (it was not)."
                " Fix the row."
            )
    return np.asarray(labels, dtype=np.bool_)
