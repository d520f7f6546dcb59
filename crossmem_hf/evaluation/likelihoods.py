# SPDX-License-Identifier: Apache-2.0
"""Metrics that read likelihoods, or what an attack got out, each by its own maths. It does not know groups, units or
directions."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from crossmem_hf.evaluation.summaries import Against, Found, Item, clusters_of, mean_of
from crossmem_hf.metrics.extraction_probability.extraction_math import discoverable_summary
from crossmem_hf.metrics.extraction_probability.sampling_math import extraction_items
from crossmem_hf.metrics.extraction_strength.strength_math import strength_items, strength_summary
from crossmem_hf.metrics.min_k_prob.membership_math import membership_summary
from crossmem_hf.metrics.min_k_prob.min_k_math import token_scores
from crossmem_hf.metrics.priv_leak.priv_leak_math import priv_leak_items, priv_leak_summary
from crossmem_hf.metrics.truth_ratio.truth_ratio_math import (
    Mean,
    TruthRatioItems,
    truth_ratio_items,
    truth_ratio_summary,
)

DISCOVERABLE: Final = 0.5
"""From which probability on an answer counts as extracted."""
LEAK_K: Final = 0.4
"""Share of the tokens in the Min-K of PrivLeak: MUSE takes Min-40%."""


def _per_token(item: Item) -> list[float]:
    return [nll / count for nll, count in zip(item["candidate_nll_nats"], item["candidate_num_tokens"], strict=True)]


def _content(item: Item, column: str) -> list[Any]:
    """The tokens of an answer without those that only end the turn, as they say nothing of what is known."""
    values: list[Any] = item[column]
    return values[: len(values) - item["num_end_tokens"]]


def effect(items: Sequence[Item], against: Against, *, name: str, restored: str) -> Found:
    """How much likelier the whole answer is than in the corrupted run, as a probability and in nats."""
    back, lost = (np.asarray([item[column] for item in items]) for column in (restored, "corrupted_logprob"))
    odd = np.flatnonzero(~np.isfinite(back - lost))
    if len(odd):
        raise ValueError(f"Row {odd[0]}: a log-probability of the answer is not finite.")
    nats = mean_of(f"{name}_logprob", back - lost, items, (-math.inf, math.inf))
    return nats | mean_of(name, np.exp(back) - np.exp(lost), items, (-1.0, 1.0)), {}


def min_k(items: Sequence[Item], against: Against) -> Found:
    """From the tokens of the right answer; with a retain-only model, also beside what that one expects of them."""
    columns = [[_content(item, f"token_{name}") for item in items] for name in ("logprobs", "means", "stds")]
    theirs = [one for one in against.retain_only or () if "token_logprobs" in one]
    reference = [_content(one, "token_logprobs") for one in theirs] if len(theirs) == len(items) else None
    found = token_scores(*columns, reference=reference, k=against.k)
    return membership_summary(found, [1] * len(items), **clusters_of(items)), found.as_lists()


def strength(items: Sequence[Item], against: Against) -> Found:
    """From the tokens of the right answer."""
    found = strength_items([_content(item, "token_matches") for item in items])
    return strength_summary(found, **clusters_of(items)), {**found.as_lists()}


def extraction(items: Sequence[Item], against: Against) -> Found:
    """From the tokens of the right answer; a sample extracts it if it begins with it. What is infinite is left out."""
    n, p = against.num_samples, DISCOVERABLE
    found = extraction_items([_content(item, "token_logprobs") for item in items])
    whole = discoverable_summary(found, n=[n], p=[p], **clusters_of(items))
    names = {
        "extraction_probability": f"extraction_probability_n{n}",
        "discoverable": f"discoverable_n{n}_p{p}",
        "log10_samples": f"log10_samples_p{p}",
    }
    ends = [(name + end, key + end) for name, key in names.items() for end in ("", "_ci_low", "_ci_high")]
    summary = {name: whole[key] for name, key in ends if key in whole and math.isfinite(whole[key])}
    columns = {
        "item_extraction_probability": found.extraction_probability(n).tolist(),
        "item_log10_samples": found.log10_samples(p).tolist(),
    }
    return {**summary, "n": len(items)}, columns


def extracted(items: Sequence[Item], against: Against) -> Found:
    """From several answers: the share of rows of which at least one is the truth; a guesser who draws as many
    candidates, or options where there are some, finds it as often as chance says."""
    summary = mean_of("extracted", [item["extracted"] for item in items], items)
    choices = [(item.get("num_options") or item.get("num_candidates") or 0, item["num_samples"]) for item in items]
    if min(choices)[0] > 1:
        summary["chance"] = math.fsum(1 - (1 - 1 / count) ** drawn for count, drawn in choices) / len(choices)
    return summary, {}


def residual(items: Sequence[Item], against: Against) -> Found:
    """What an attack gets out beyond what it gets out of the retain-only model, row by row: from -1 to 1."""
    more = [float(item["extracted"]) - float(item["extracted_retain_only"]) for item in items]
    return mean_of("residual", more, items, (-1.0, 1.0)), {}


def share(items: Sequence[Item], against: Against, *, name: str) -> Found:
    """The mean of a column of shares, from 0 to 1."""
    return mean_of(name, [float(item[name]) for item in items], items), {}


def _ratios(items: Sequence[Item], mean: Mean) -> TruthRatioItems:
    nlls = [_per_token(item) for item in items]
    false = [[row[place] for place in item["false_indices"]] for row, item in zip(nlls, items, strict=True)]
    reference = [item.get("reference_index", item["truth_index"]) for item in items]
    return truth_ratio_items(false, [row[place] for row, place in zip(nlls, reference, strict=True)], mean=mean)


def truth_ratio(items: Sequence[Item], against: Against) -> Found:
    """From the likelihoods of false answers; with a retain-only model also the forget quality."""
    mean, theirs = against.truth_ratio_mean, against.retain_only
    found = _ratios(items, mean)
    retain = None if theirs is None else _ratios(theirs, mean).ratio
    summary = truth_ratio_summary(found, **clusters_of(items), retain_only=retain)
    return {**summary, "no_difference": 0.5}, found.as_lists()


def leak(items: Sequence[Item], against: Against) -> Found:
    """From the tokens of the right answer and of holdout rows; without a retain-only model only the AUC."""

    def scores(several: Sequence[Item]) -> list[float]:
        logprobs = [_content(item, "token_logprobs") for item in several]
        return list(token_scores(logprobs, k=LEAK_K).min_k)

    both = [*items, *against.holdout]
    labels = [1] * len(items) + [0] * len(against.holdout)
    other = None
    if against.retain_only is not None and against.retain_only_holdout is not None:
        other = scores([*against.retain_only, *against.retain_only_holdout])
    found = priv_leak_items(scores(both), labels, retain_only_score=other)
    summary = priv_leak_summary(found, auc_retain_only=0.5 if other is None else None, **clusters_of(both))
    if other is None:
        summary = {name: value for name, value in summary.items() if name.startswith(("auc", "n"))}
    return {**summary, "no_difference": 0.5}, {}
