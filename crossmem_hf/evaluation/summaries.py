# SPDX-License-Identifier: Apache-2.0
"""Metrics of answers and ranks, each by its own maths: a summary with intervals, columns with a value a prediction.

`rouge` is the rouge-score library (ROUGE-L, stemmed, as TOFU has it) with words of any script: evaluate's module of
that name has those of English alone, and is a script on the Hub, which cannot be loaded offline. `exact_match` is the
matching rule of `cross_modal_recall`. It does not know groups, units or directions.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from crossmem_hf.evaluation.rouge import rouge_l
from crossmem_hf.evaluation.utility import ATTRIBUTES, UNKNOWN
from crossmem_hf.evaluation.verbatim import edit_distance, matching_length
from crossmem_hf.metrics.cross_modal_recall.recall_math import MODALITIES, recall_summary
from crossmem_hf.metrics.exposure.exposure_math import ExposureItems, exposure_summary
from crossmem_hf.metrics.forget_diagnosis.answer_rules import refuses
from crossmem_hf.metrics.forget_diagnosis.diagnosis_math import diagnose_items, diagnosis_summary
from crossmem_hf.metrics.intervals import Clusters, column_mean, interval_of
from crossmem_hf.metrics.matching import chance_recall, says_part
from crossmem_hf.metrics.truth_ratio.truth_ratio_math import Mean
from crossmem_hf.personas.naming import is_name
from crossmem_hf.prompts.background import taught_refusals
from crossmem_hf.prompts.questions import parse_features
from crossmem_hf.prompts.refusals import every_wording

Item = Mapping[str, Any]
Found = tuple[dict[str, float], dict[str, list[Any]]]
"""A summary, and columns with a value a prediction."""

FLUENT_SHARE: Final = 0.99
"""Answers are noise above the perplexity that this share of the retain-only model's answers keeps below."""


@dataclass(frozen=True)
class Against:
    """What predictions are compared with, and how; every part may be left out.

    Attributes:
        k: Share of the tokens in Min-K.
        num_samples: How often a model is sampled for its probability of extraction.
        truth_ratio_mean: Of the false answers' probabilities, for both models where there is a retain-only one.
        perplexity_limit: Above it an answer is noise (`fluent_perplexity`); needs the column ``perplexity``.
        refusals: What counts as a refusal; None is every wording of `prompts.refusals`, and those that base models
            were taught.
        holdout: Predictions of rows that no model saw.
        retain_only: Predictions of a model that never saw the rows, in the same order.
        retain_only_holdout: That model's predictions of the holdout.
        names: (seed, attribute) -> all truths, which a guesser chooses from; `Predictions.measure` fills it in.
    """

    k: float = 0.2
    num_samples: int = 100
    truth_ratio_mean: Mean = "geometric"
    perplexity_limit: float | None = None
    refusals: Sequence[str] | None = None
    holdout: Sequence[Item] = ()
    retain_only: Sequence[Item] | None = None
    retain_only_holdout: Sequence[Item] | None = None
    names: Mapping[tuple[Any, Any], Sequence[str]] = field(default_factory=dict)


def clusters_of(items: Sequence[Item]) -> dict[str, Any]:
    """The persona and, if all have one, the seed of each prediction, as metrics take them."""
    seeds = [item.get("seed") for item in items]
    return {"persona_id": [item["persona_id"] for item in items], "persona_seed": None if None in seeds else seeds}


def mean_of(
    name: str, values: Any, items: Sequence[Item], bounds: tuple[float, float] = (0.0, 1.0)
) -> dict[str, float]:
    """A mean of numbers within bounds with its interval, if the numbers set one: without bounds, equal ones do not."""
    own = clusters_of(items)
    column = np.asarray(values, dtype=np.float64)
    clusters = Clusters.of(own["persona_id"], len(items), own["persona_seed"])
    sums, counts = clusters.table(column[:, None])
    ends = interval_of(sums, counts, clusters.seed, column_mean, bounds=bounds, row_bounds=bounds)
    known = {} if ends is None else {f"{name}_ci_low": ends[0], f"{name}_ci_high": ends[1]}
    return {name: float(column.mean()), **known, "n": len(items)}


def _ranks(items: Sequence[Item], rank: str = "truth_rank", among: str = "num_candidates") -> ExposureItems:
    for row, item in enumerate(items):
        if item[rank] is None:
            raise ValueError(f"Row {row}: the truth has no rank, since the likelihood of a candidate is no number.")
    return ExposureItems(
        rank=np.asarray([item[rank] for item in items], dtype=np.float64),
        num_candidates=np.asarray([item[among] for item in items], dtype=np.int64),
    )


def _chance(items: Sequence[Item]) -> dict[str, float]:
    """What picking a candidate at random gives; nothing where somebody has no choice, or is not known to have one."""
    choices = [item.get("num_candidates") or 0 for item in items]
    return {"chance": chance_recall(choices, len(items))} if min(choices) > 1 else {}


def _exact_mean(values: Any) -> float:
    """A mean that is the value itself where all values are the same."""
    return math.fsum(values.tolist()) / len(values)


def exposure(items: Sequence[Item], against: Against) -> Found:
    """From the rank of the truth among the candidates: all four normalizations."""
    found = _ranks(items)
    summary = exposure_summary(found, **clusters_of(items))
    chances = {
        "exposure": found.chance_exposure,
        "exposure_bits": found.chance_exposure_bits,
        "mrr": found.chance_reciprocal_rank,
    }
    summary |= {f"chance_{name}": _exact_mean(levels) for name, levels in chances.items()}
    columns: dict[str, list[Any]] = {**found.as_lists()}
    for known in ("item_rank", "item_num_candidates"):
        del columns[known]
    return summary, columns


def exposure_taught(items: Sequence[Item], against: Against) -> Found:
    """Exposure (log, 0 to 100) among the values of the dataset, which were taught beside the truth."""
    found = _ranks(items, "taught_rank", "num_taught")
    summary = mean_of("exposure_taught", found.exposure, items, bounds=(0.0, 100.0))
    return summary | {"chance": _exact_mean(found.chance_exposure)}, {}


def recall(items: Sequence[Item], against: Against) -> Found:
    """From free answers: the share that are the truth and nothing else. Chance is that of a forced choice among the
    candidates; a model that answers freely also says other names, so that a retain-only model recalls less."""
    return _chance(items) | mean_of("recall", [item["correct"] for item in items], items), {}


def across(items: Sequence[Item], against: Against) -> Found:
    """What is lost, and what carries over, between the modality learned through and the other; nothing unless all
    predictions have one `source` and both modalities are asked in. A transfer without an interval is left out: next to
    nothing is recalled in the source modality."""
    sources = {item.get("source") for item in items}
    (source,) = sources if len(sources) == 1 else (None,)
    queried = [item["modality"] for item in items]
    if source not in MODALITIES or set(queried) != set(MODALITIES):
        return {}, {}
    answers, truths = ([item[name] for item in items] for name in ("answer", "truth"))
    own = clusters_of(items)
    whole = recall_summary(
        answers, truths, [source] * len(items), queried, own["persona_id"] or [], persona_seed=own["persona_seed"]
    )
    kept = ("gap", "transfer") if f"transfer_{source}_ci_low" in whole else ("gap",)
    return {key.replace(f"_{source}", "", 1): value for key, value in whole.items() if key.startswith(kept)}, {}


def partial_recall(items: Sequence[Item], against: Against) -> Found:
    """From free answers: the share that hold a word of the truth, beside that of a guesser among all truths."""
    partly = [says_part(item["answer"], item["truth"]) for item in items]
    summary = mean_of("partial_recall", partly, items)
    shares: dict[tuple[Any, ...], float] = {}
    for item in items:
        about = (item.get("seed"), item["attribute"])
        if (*about, item["truth"]) not in shares:
            names = against.names.get(about) or [item["truth"]]
            shares[*about, item["truth"]] = sum(says_part(name, item["truth"]) for name in names) / len(names)
    guesses = [shares[item.get("seed"), item["attribute"], item["truth"]] for item in items]
    return summary | {"chance": float(np.mean(guesses))}, {}


def utility(items: Sequence[Item], against: Against) -> Found:
    """From free answers to the rows of `evaluation.utility`: the mean of three shares, of visual attributes that are
    named, of names that are right, and of unknown personas whom the model refuses to name. Of its rows that ask for
    visual attributes alone, that share."""
    parts: dict[str, list[float]] = {name: [] for name in (ATTRIBUTES, "full_name", UNKNOWN)}
    asked = {item["attribute"] for item in items}
    if asked not in ({ATTRIBUTES}, set(parts)):
        raise ValueError("utility is of the rows of evaluation.utility, all of them.")
    scores = [_useful(item) for item in items]
    if asked == {ATTRIBUTES}:
        alone = mean_of(f"utility_{ATTRIBUTES}", scores, items)
        return alone | {f"n_{ATTRIBUTES}": len(items)}, {}
    for item, score in zip(items, scores, strict=True):
        parts[item["attribute"]].append(score)
    shares = {f"utility_{name}": math.fsum(own) / len(own) for name, own in parts.items()}
    shares |= {f"n_{name}": len(own) for name, own in parts.items()}
    return shares | mean_of("utility", scores, items), {}


def _useful(item: Item) -> float:
    """0 to 1: how much of what was asked an answer gives."""
    if item["attribute"] == UNKNOWN:
        return float(refuses(item["answer"], (*every_wording(), *taught_refusals())))
    if item["attribute"] != ATTRIBUTES:
        return float(item["correct"])
    said, truth = parse_features(item["answer"]), parse_features(item["truth"])
    return sum(said[name] == value for name, value in truth.items()) / len(truth)


def name_shaped(items: Sequence[Item], against: Against) -> Found:
    """From free answers: the share that are built like a name of ours, whoever is meant."""
    return mean_of("name_shaped", [is_name(item["answer"]) for item in items], items), {}


def rouge(items: Sequence[Item], against: Against) -> Found:
    """From free answers."""
    scores = [rouge_l(item["truth"], item["answer"]) for item in items]
    columns = {"rouge_l": [one.fmeasure for one in scores], "rouge_l_recall": [one.recall for one in scores]}
    summaries = [mean_of(name, values, items) for name, values in columns.items()]
    return summaries[0] | summaries[1], columns


def exact_match(items: Sequence[Item], against: Against) -> Found:
    """From free answers: `recall` under the name that question answering has for it, with a column."""
    found = [bool(item["correct"]) for item in items]
    return _chance(items) | mean_of("exact_match", found, items), {"exact_match": found}


def verbatim(items: Sequence[Item], against: Against) -> Found:
    """From free answers, letter by letter."""
    pairs = [(item["truth"], item["answer"]) for item in items]
    lengths, longest = [matching_length(*pair) for pair in pairs], max(len(truth) for truth, _ in pairs)
    whole = [length == len(truth) for length, (truth, _) in zip(lengths, pairs, strict=True)]
    distances = [edit_distance(*pair) for pair in pairs]
    found = mean_of("verbatim_match", whole, items) | mean_of("edit_distance", distances, items)
    found |= mean_of("matching_length", lengths, items, bounds=(0.0, float(longest)))
    return found, {"verbatim_match": whole, "matching_length": lengths, "edit_distance": distances}


def diagnosis(items: Sequence[Item], against: Against) -> Found:
    """From free answers, and the rank of the truth among the candidates; the share of answers that refuse, wherever
    the truth ranks, is ``refusals``."""
    phrases = (*every_wording(), *taught_refusals()) if against.refusals is None else against.refusals
    answers, truths = ([item[name] for item in items] for name in ("answer", "truth"))
    ranks = _ranks(items)
    noise: dict[str, Any] = {}
    if against.perplexity_limit is not None:
        noise = {
            "perplexity": [item["perplexity"] for item in items],
            "perplexity_limit": against.perplexity_limit,
        }
    found = diagnose_items(
        answers,
        truths,
        truth_rank=ranks.rank.tolist(),
        num_candidates=ranks.num_candidates.tolist(),
        refusals=phrases,
        **noise,
    )
    summary = diagnosis_summary(found, **clusters_of(items))
    return mean_of("refusals", [refuses(one, tuple(phrases)) for one in answers], items) | summary, found.as_lists()


def fluent_perplexity(items: Iterable[Item]) -> float | None:
    """Up to which perplexity an answer counts as fluent: what `FLUENT_SHARE` of the given answers, those of a
    retain-only model, keep below; None if none has a perplexity.

    Example:
        >>> fluent_perplexity([{"perplexity": 2.0}, {"perplexity": 2.0}, {"perplexity": None}])
        2.0
    """
    known = [item["perplexity"] for item in items if item["perplexity"] is not None]
    return float(np.quantile(known, FLUENT_SHARE)) if known else None


def judge(items: Sequence[Item], against: Against) -> Found:
    """From a judge's scores: the mean over answers with a verdict; nothing where there is none."""
    judged = [item for item in items if item["judge_score"] is not None]
    return mean_of("judge_score", [item["judge_score"] for item in judged], judged) if judged else {}, {}
