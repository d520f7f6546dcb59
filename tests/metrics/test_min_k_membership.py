# SPDX-License-Identifier: Apache-2.0
"""Means, AUROCs and intervals over items: pair counts, explicit resampling, planted memories, and refusals."""

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from crossmem_hf.metrics.intervals import Clusters, auroc_parts, mean_interval
from crossmem_hf.metrics.min_k_prob.membership_math import membership_summary
from crossmem_hf.metrics.min_k_prob.min_k_math import token_scores

OWN_MEANS = (
    *("min_k", "min_k_prob", "min_k_plus_plus", "max_renyi", "reference_ratio", "logprob_per_token"),
    *("inverse_perplexity", "answer_probability"),
)
MEANS = (*OWN_MEANS, "perplexity")
AUROCS = (
    *("auroc_min_k", "auroc_min_k_plus_plus", "auroc_max_renyi", "auroc_reference_ratio"),
    *("auroc_gradient_norm", "auroc_perplexity", "auroc_answer_probability"),
)
FOUND = tuple(name.replace("auroc", "tpr_at_1_fpr") for name in AUROCS)


def pair_count(scores, labels):
    """AUROC as the share of pairs in the right order, a tie counting half."""
    members = [score for score, label in zip(scores, labels, strict=True) if label]
    others = [score for score, label in zip(scores, labels, strict=True) if not label]
    right = sum((member > other) + 0.5 * (member == other) for member in members for other in others)
    return right / (len(members) * len(others))


def columns_of(scores):
    """What each of `AUROCS` puts in order, trained items first."""
    return (
        *(scores.min_k, scores.min_k_plus_plus, -scores.max_renyi, scores.reference_ratio),
        *(-scores.gradient_norm, scores.logprob_per_token, scores.logprob),
    )


def simulated(seed, items=80, ties=False):
    """Random items with token statistics, their labels, and four items a person."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 15, items)
    logprobs = [-rng.exponential(2.0, n) for n in lengths]
    if ties:
        logprobs = [row.round() - 1.0 for row in logprobs]
    means, stds = [-rng.exponential(1.0, n) for n in lengths], [rng.exponential(1.0, n) + 0.1 for n in lengths]
    reference = [-rng.exponential(2.0, n) for n in lengths]
    reference = [row.round() for row in reference] if ties else reference
    norms = rng.exponential(1.0, items).round(1)
    scores = token_scores(logprobs, means, stds, reference=reference, gradient_norms=norms)
    persons = np.arange(items) // 4
    return scores, (persons % 3 > 0).astype(int), persons


@pytest.mark.parametrize("ties", [False, True])
def test_aurocs_equal_pair_counts(ties):
    scores, labels, _ = simulated(1, ties=ties)
    summary = membership_summary(scores, labels)
    columns = columns_of(scores)
    for name, column in zip(AUROCS, columns, strict=True):
        assert summary[name] == pytest.approx(pair_count(column, labels))
        u = mannwhitneyu(column[labels == 1], column[labels == 0]).statistic
        assert summary[name] == pytest.approx(u / (labels.sum() * (1 - labels).sum()))


@pytest.mark.parametrize("items", [80, 800])
def test_found_at_few_false_positives_is_what_counting_gives(items):
    scores, labels, persons = simulated(3, items=items, ties=True)
    summary = membership_summary(scores, labels, persona_id=persons)
    columns = columns_of(scores)
    for key, column in zip(FOUND, columns, strict=True):
        members, others = column[labels == 1], column[labels == 0]
        allowed = [limit for limit in {*others} if (others > limit).mean() <= 0.01]
        assert summary[key] == pytest.approx((members > min(allowed)).mean())
        assert summary[f"{key}_ci_low"] <= summary[key] <= summary[f"{key}_ci_high"]


def test_a_memory_is_found_without_false_positives_and_noise_is_not():
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], 200)
    for told, least, most in ((5.0, 0.9, 1.0), (0.0, 0.0, 0.06)):
        logprobs = [np.minimum(-5 + told * label + rng.normal(0, 1, 8), 0) for label in labels]
        summary = membership_summary(token_scores(logprobs), labels)
        assert least <= summary["tpr_at_1_fpr_perplexity"] <= most


def test_auroc_parts_are_what_each_item_adds():
    rng = np.random.default_rng(2)
    scores, labels = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.4
    parts = auroc_parts(scores, labels)
    for item in range(40):
        others = scores[labels != labels[item]]
        sign = 1 if labels[item] else -1
        right = [(sign * (scores[item] - other) > 0) + 0.5 * (scores[item] == other) for other in others]
        assert parts[item] == pytest.approx(sum(right) / len(right))
    assert parts[labels].mean() == pytest.approx(parts[~labels].mean())


def test_summary_is_the_mean_of_the_items():
    scores, labels, _ = simulated(3)
    summary, items = membership_summary(scores, labels), scores.as_lists()
    items["item_logprob_per_token"] = [
        total / count for total, count in zip(items["item_logprob"], items["item_num_tokens"], strict=True)
    ]
    for name in OWN_MEANS:
        assert summary[name] == pytest.approx(sum(items[f"item_{name}"]) / 80)
    perplexities = [100 / value for value in items["item_inverse_perplexity"]]
    assert summary["perplexity"] == pytest.approx(math.prod(perplexities) ** (1 / 80))
    assert (summary["n"], summary["n_members"]) == (80, int(labels.sum()))
    assert set(summary) == {
        *(f"{name}{end}" for name in MEANS + AUROCS + FOUND for end in ("", "_ci_low", "_ci_high")),
        *("n", "n_members"),
    }
    assert all(isinstance(value, (int, float)) for value in summary.values())


def test_intervals_are_those_of_the_means():
    scores, labels, persons = simulated(4)
    summary = membership_summary(scores, labels, persona_id=persons, confidence=0.8)

    def interval(name):
        return summary[f"{name}_ci_low"], summary[f"{name}_ci_high"]

    for name, most in (("min_k_prob", 100.0), ("inverse_perplexity", 100.0), ("answer_probability", 1.0)):
        clusters = Clusters.of(persons, len(persons))
        wanted = mean_interval(getattr(scores, name), clusters, bounds=(0.0, most), confidence=0.8)
        assert interval(name) == pytest.approx(wanted)
    low, high = interval("logprob_per_token")
    assert interval("perplexity") == pytest.approx((math.exp(-high), math.exp(-low)))
    assert low < summary["logprob_per_token"] < high


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_auroc_interval_is_near_explicit_resampling(seed):
    """Persons drawn again and again, the AUROC computed anew from each draw."""
    rng = np.random.default_rng(seed)
    persons = np.repeat(np.arange(60), 3)
    labels = persons % 2
    logprobs = -np.exp(rng.normal(size=60)[persons] + rng.normal(size=180) - 0.7 * labels)
    summary = membership_summary(token_scores(logprobs[:, None]), labels, persona_id=persons)
    draws = []
    for _ in range(500):
        drawn = np.concatenate([np.flatnonzero(persons == person) for person in rng.integers(60, size=60)])
        draws.append(auroc_parts(logprobs[drawn], labels[drawn] == 1)[labels[drawn] == 1].mean())
    low, high = np.quantile(draws, [0.025, 0.975])
    assert summary["auroc_min_k_ci_low"] == pytest.approx(low, abs=0.035)
    assert summary["auroc_min_k_ci_high"] == pytest.approx(high, abs=0.035)
    assert high - low > 0.15


def test_one_kind_of_items_has_no_auroc():
    scores, _, _ = simulated(5)
    for labels, members in (([1] * 80, 80), ([0] * 80, 0)):
        summary = membership_summary(scores, labels)
        assert not [name for name in summary if name.startswith(("auroc", "tpr"))]
        assert summary["n_members"] == members


def test_without_token_statistics_there_is_no_plus_plus():
    summary = membership_summary(token_scores([[-1.0], [-2.0]]), [1, 0])
    assert not [name for name in summary if "plus_plus" in name]


def planted(shift, seed=0, items=400):
    """Names of six tokens, five easy ones and one hard; on trained items the hard one is `shift` nats likelier."""
    rng = np.random.default_rng(seed)
    labels = np.arange(items) % 2
    table = -rng.exponential(0.8, (items, 6))
    table[:, 3] -= 6.0 + rng.exponential(1.0, items) - shift * labels
    return token_scores(table), labels


def test_planted_memory_is_seen_and_its_absence_too():
    trained = membership_summary(*planted(2.0))
    untouched = membership_summary(*planted(0.0))
    reversed_ = membership_summary(*planted(-2.0))
    assert trained["auroc_min_k"] > 0.85
    assert trained["auroc_min_k_ci_low"] > 0.8
    assert untouched["auroc_min_k_ci_low"] < 0.5 < untouched["auroc_min_k_ci_high"]
    assert reversed_["auroc_min_k_ci_high"] < 0.2
    # all tokens together hide in their noise what the least expected one shows
    assert trained["auroc_min_k"] > trained["auroc_perplexity"] + 0.05
    assert trained["min_k_prob"] > untouched["min_k_prob"]
    assert trained["perplexity"] < untouched["perplexity"]


def test_aurocs_survive_probabilities_that_round_to_zero():
    scores = token_scores([[-5.0] * 400, [-5.1] * 400, [-5.2] * 400, [-5.3] * 400])
    assert scores.answer_probability.tolist() == [0.0] * 4
    summary = membership_summary(scores, [1, 0, 1, 0])
    assert summary["auroc_answer_probability"] == summary["auroc_perplexity"] == 0.75


def test_several_items_of_one_person_count_as_one_person():
    scores, labels, _ = simulated(6, items=24)
    repeated = token_scores([[value] for value in np.tile(scores.logprob, 6)])
    clustered = membership_summary(repeated, np.tile(labels, 6), persona_id=list(range(24)) * 6)
    naive = membership_summary(repeated, np.tile(labels, 6))
    for name in ("min_k", "inverse_perplexity", "auroc_min_k"):
        assert clustered[name] == pytest.approx(naive[name])
        width = {
            kind: summary[f"{name}_ci_high"] - summary[f"{name}_ci_low"]
            for kind, summary in (("clustered", clustered), ("naive", naive))
        }
        assert width["clustered"] > 1.8 * width["naive"]


def test_agreement_is_not_certainty():
    """Ten people alike: bounded numbers keep the exact binomial bound, unbounded ones have none."""
    summary = membership_summary(token_scores([[-1.0, -2.0]] * 10, [[-1.0, -1.0]] * 10, [[1.0, 1.0]] * 10), [1] * 10)
    share = 0.025 ** (1 / 10)
    assert summary["min_k"] == -2.0
    assert summary["min_k_prob_ci_low"] == pytest.approx(100 * math.exp(-2) * share)
    assert summary["min_k_prob_ci_high"] == pytest.approx(100 * (math.exp(-2) * share + 1 - share))
    assert summary["answer_probability_ci_low"] == pytest.approx(math.exp(-3) * share)
    assert summary["answer_probability_ci_high"] == pytest.approx(math.exp(-3) * share + 1 - share)
    for name in ("min_k", "min_k_plus_plus", "logprob_per_token", "perplexity"):
        assert name in summary
        assert f"{name}_ci_low" not in summary
        assert f"{name}_ci_high" not in summary


def test_one_item():
    summary = membership_summary(token_scores([[-0.5]]), [1])
    assert summary["inverse_perplexity"] == pytest.approx(100 * math.exp(-0.5))
    assert summary["inverse_perplexity_ci_low"] < 2.0
    assert summary["n"] == 1


def test_a_perfect_auroc_is_not_certain():
    summary = membership_summary(token_scores([[-1.0]] * 10 + [[-2.0]] * 10), [1] * 10 + [0] * 10)
    unseen = 1 - 0.025 ** (1 / 10)  # of either side
    assert summary["auroc_min_k"] == summary["auroc_min_k_ci_high"] == 1.0
    assert summary["auroc_min_k_ci_low"] == pytest.approx(1 - unseen)


def test_an_auroc_interval_stays_in_its_range():
    """One trained item of forty stands last."""
    logprobs = [[-1.0]] * 39 + [[-9.0]] + [[-2.0]] * 40
    summary = membership_summary(token_scores(logprobs), [1] * 40 + [0] * 40)
    assert summary["auroc_min_k"] == pytest.approx(39 / 40)
    assert 39 / 40 < summary["auroc_min_k_ci_high"] <= 1.0


def test_two_of_one_kind_say_next_to_nothing():
    logprobs = [[-float(place)] for place in range(1, 21)]
    few = membership_summary(token_scores(logprobs), [1, 1] + [0] * 18)
    enough = membership_summary(token_scores(logprobs), [1] * 4 + [0] * 16)
    assert few["auroc_min_k"] == 1.0
    assert few["auroc_min_k_ci_low"] == pytest.approx(0.025**0.5)
    assert enough["auroc_min_k_ci_low"] == pytest.approx(0.025**0.25)


def test_a_collapsed_model_still_has_numbers():
    summary = membership_summary(token_scores([[-800.0], [-900.0], [-5_000.0]]), [1, 1, 0])
    assert summary["logprob_per_token"] == pytest.approx(-6_700 / 3)
    assert summary["perplexity"] == pytest.approx(math.exp(700))
    assert summary["inverse_perplexity"] == 0.0
    assert summary["auroc_perplexity"] == 1.0
    assert all(math.isfinite(value) for value in summary.values())


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ([1, 2], "Row 1: reference 2"),
        ([0.5, 1], "Row 0: reference 0.5"),
        ([1, None], "Row 1: reference None"),
        ([1, math.nan], "Row 1: reference nan"),
        ([1, "0"], "Row 1: reference '0'"),
        ([1], "1 references for 2 rows"),
    ],
)
def test_bad_labels_are_named(labels, named):
    with pytest.raises(ValueError, match=named):
        membership_summary(token_scores([[-1.0], [-2.0]]), labels)


def test_bad_personas_are_named():
    with pytest.raises(ValueError, match="persona_id has 1 entries for 2 rows"):
        membership_summary(token_scores([[-1.0], [-2.0]]), [1, 0], persona_id=["ada"])
