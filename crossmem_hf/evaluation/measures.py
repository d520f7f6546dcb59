# SPDX-License-Identifier: Apache-2.0
"""Each metric of a set of items, by its own maths: a summary with intervals, and columns with a value an item.

`rouge` is the rouge-score library (ROUGE-L, stemmed, as TOFU has it) with words of any script: evaluate's module of
that name has those of English alone, and is a script on the Hub, which cannot be loaded offline. `exact_match` is the
matching rule of `cross_modal_recall`. It does not know groups, units or directions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from crossmem_hf.evaluation.rouge import rouge_l
from crossmem_hf.metrics.cross_modal_recall.recall_math import MODALITIES, recall_summary
from crossmem_hf.metrics.exposure.exposure_math import ExposureItems, exposure_items, exposure_summary
from crossmem_hf.metrics.extraction_strength.sampling_math import extraction_items, extraction_summary
from crossmem_hf.metrics.extraction_strength.strength_math import strength_items, strength_summary
from crossmem_hf.metrics.forget_diagnosis.diagnosis_math import diagnose_items, diagnosis_summary
from crossmem_hf.metrics.intervals import cluster_codes, mean_interval
from crossmem_hf.metrics.matching import chance_recall, row_matches
from crossmem_hf.metrics.min_k_prob.membership_math import membership_summary
from crossmem_hf.metrics.min_k_prob.min_k_math import token_scores
from crossmem_hf.metrics.priv_leak.priv_leak_math import priv_leak_items, priv_leak_summary
from crossmem_hf.metrics.truth_ratio.truth_ratio_math import TruthRatioItems, truth_ratio_items, truth_ratio_summary
from crossmem_hf.prompts.refusals import every_wording

Item = Mapping[str, Any]
Found = tuple[dict[str, float], dict[str, list[Any]]]
"""A summary, and columns with a value an item."""

DISCOVERABLE: Final = 0.5
"""From which probability on an answer counts as extracted."""
LEAK_K: Final = 0.4
"""Share of the tokens in the Min-K of PrivLeak: MUSE takes Min-40%."""


@dataclass(frozen=True)
class Against:
    """What items are compared with.

    Attributes:
        source: The modality people were learned through; None if that is not known.
        k: Share of the tokens in Min-K.
        num_samples: How often a model is sampled for its probability of extraction.
        holdout: Items that no model saw.
        retain_only: The items of a model that never saw them, in the same order.
        retain_only_holdout: That model's holdout items.
    """

    source: str | None = None
    k: float = 0.2
    num_samples: int = 100
    holdout: Sequence[Item] = ()
    retain_only: Sequence[Item] | None = None
    retain_only_holdout: Sequence[Item] | None = None


def _people(items: Sequence[Item]) -> list[Any]:
    return [item["persona_id"] for item in items]


def _mean(name: str, values: Sequence[float], items: Sequence[Item]) -> dict[str, float]:
    """A mean of numbers from 0 to 1 with its interval."""
    codes = cluster_codes(_people(items), len(items))
    column = np.asarray(values, dtype=np.float64)
    low, high = mean_interval(column, codes, bounds=(0.0, 1.0))
    return {name: float(column.mean()), f"{name}_ci_low": low, f"{name}_ci_high": high, "n": len(items)}


def _per_token(item: Item) -> list[float]:
    return [nll / count for nll, count in zip(item["candidate_nll_nats"], item["candidate_num_tokens"], strict=True)]


def _content(item: Item, column: str) -> list[Any]:
    """The tokens of an answer without those that only end the turn, as they say nothing of what is known."""
    values: list[Any] = item[column]
    return values[: len(values) - item["num_end_tokens"]]


def _ranks(items: Sequence[Item]) -> ExposureItems:
    nlls = [_per_token(item)[: item["num_candidates"]] for item in items]
    return exposure_items(nlls, [item["truth_index"] for item in items])


def _chance(items: Sequence[Item]) -> dict[str, float]:
    """What picking a candidate at random gives; nothing where somebody has no choice."""
    choices = [item["num_choices"] for item in items]
    return {"chance": chance_recall(choices, len(items))} if min(choices) > 1 else {}


def exposure(items: Sequence[Item], against: Against) -> Found:
    """From the likelihoods of candidates: all four normalizations of the rank."""
    found = _ranks(items)
    return exposure_summary(found, persona_id=_people(items)), found.as_lists()


def recall(items: Sequence[Item], against: Against) -> Found:
    """From free answers; with a source, and rows that ask in both modalities, also the gap and the transfer."""
    answers, truths, asked = ([item[name] for item in items] for name in ("answer", "truth", "modality"))
    summary = _chance(items) | _mean("recall", row_matches(answers, truths).tolist(), items)
    if against.source is not None and set(asked) == set(MODALITIES):
        source = against.source
        whole = recall_summary(answers, truths, [source] * len(items), asked, _people(items))
        for name in ("gap", "transfer"):
            ours = {key for key in whole if key.startswith(f"{name}_{source}")}
            summary |= {key.replace(f"{name}_{source}", f"recall_{name}"): whole[key] for key in ours}
    return summary, {}


def min_k(items: Sequence[Item], against: Against) -> Found:
    """From the tokens of the right answer."""
    columns = [[_content(item, f"token_{name}") for item in items] for name in ("logprobs", "means", "stds")]
    found = token_scores(*columns, k=against.k)
    return membership_summary(found, [1] * len(items), persona_id=_people(items)), found.as_lists()


def strength(items: Sequence[Item], against: Against) -> Found:
    """From the tokens of the right answer; a sample extracts it if it begins with it."""
    found = strength_items([_content(item, "token_matches") for item in items])
    sampled = extraction_items([_content(item, "token_logprobs") for item in items])
    summary = extraction_summary(
        sampled, num_samples=against.num_samples, probability=DISCOVERABLE, persona_id=_people(items)
    )
    summary |= strength_summary(found, persona_id=_people(items))
    columns: dict[str, list[Any]] = {**found.as_lists()}
    columns["item_extraction_probability"] = sampled.extraction_probability(against.num_samples).tolist()
    return summary, columns


def _ratios(items: Sequence[Item]) -> TruthRatioItems:
    nlls = [_per_token(item) for item in items]
    false = [[row[place] for place in item["false_indices"]] for row, item in zip(nlls, items, strict=True)]
    told = [item.get("told_index", item["truth_index"]) for item in items]
    return truth_ratio_items(false, [row[place] for row, place in zip(nlls, told, strict=True)])


def truth_ratio(items: Sequence[Item], against: Against) -> Found:
    """From the likelihoods of false answers; with a retain-only model also the forget quality."""
    found = _ratios(items)
    retain = None if against.retain_only is None else _ratios(against.retain_only).ratio
    summary = truth_ratio_summary(found, persona_id=_people(items), retain_only=retain)
    return {**summary, "no_difference": 0.5}, found.as_lists()


def rouge(items: Sequence[Item], against: Against) -> Found:
    """From free answers."""
    scores = [rouge_l(item["truth"], item["answer"]) for item in items]
    columns = {"rouge_l": [one.fmeasure for one in scores], "rouge_l_recall": [one.recall for one in scores]}
    summaries = [_mean(name, values, items) for name, values in columns.items()]
    return summaries[0] | summaries[1], columns


def exact_match(items: Sequence[Item], against: Against) -> Found:
    """From free answers."""
    found = row_matches([item["answer"] for item in items], [item["truth"] for item in items])
    return _chance(items) | _mean("exact_match", found.tolist(), items), {"exact_match": found.tolist()}


def diagnosis(items: Sequence[Item], against: Against) -> Found:
    """From free answers, and the rank of the truth among the candidates."""
    answers, truths = ([item[name] for item in items] for name in ("answer", "truth"))
    counts = [item["num_candidates"] for item in items]
    ranks = _ranks(items).rank
    found = diagnose_items(answers, truths, truth_rank=ranks, num_candidates=counts, refusals=every_wording())
    return diagnosis_summary(found, persona_id=_people(items)), found.as_lists()


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
    found = priv_leak_items(scores(both), labels, retrain_score=other)
    summary = priv_leak_summary(found, auc_retrain=0.5 if other is None else None, persona_id=_people(both))
    if other is None:
        summary = {name: value for name, value in summary.items() if name.startswith(("auc", "n"))}
    return {**summary, "no_difference": 0.5}, {}


def judge(items: Sequence[Item], against: Against) -> Found:
    """From a judge's scores: the mean over answers with a verdict; nothing where there is none."""
    judged = [item for item in items if item["judge_score"] is not None]
    return _mean("judge_score", [item["judge_score"] for item in judged], judged) if judged else {}, {}
