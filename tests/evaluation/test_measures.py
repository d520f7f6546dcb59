# SPDX-License-Identifier: Apache-2.0
"""From items to lines, against numbers worked out by hand or by plain loops."""

import math
from itertools import product

import pytest
from scipy.stats import ks_2samp

from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.measures import METRICS, columns_of, is_selectable, passes_for
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.evaluation.run import score_measurements
from crossmem_hf.evaluation.summaries import Against

END = {"logprobs": -50.0, "means": -1.0, "stds": 1.0, "matches": False}  # would spoil every number if it counted


def item(person, modality, hops, answer, nlls, logprobs, attribute="job", **more):
    """Truth "Ada Kim", three candidates of two tokens each, and one false answer beside them."""
    rivals = [nlls[0], nlls[2]]
    ahead = sum(nll < nlls[1] for nll in rivals) + sum(nll == nlls[1] for nll in rivals) / 2
    return {
        "persona_id": person,
        "attribute": attribute,
        "modality": modality,
        "hops": hops,
        "truth": "Ada Kim",
        "answer": answer,
        "correct": answer.lower().strip(".") == "ada kim",
        "truth_rank": 1 + ahead,
        "taught_rank": 1 + ahead,
        "num_taught": 3,
        "candidates": ["Bo", "Ada Kim", "Cy", "Dee"],
        "candidate_nll_nats": nlls,
        "candidate_num_tokens": [2, 2, 2, 4],
        "num_candidates": 3,
        "truth_index": 1,
        "false_indices": [0, 3],
        "reference_index": 1,
        "num_end_tokens": 1,
        "token_logprobs": [*logprobs, END["logprobs"]],
        "token_means": [-1.0] * len(logprobs) + [END["means"]],
        "token_stds": [0.5] * len(logprobs) + [END["stds"]],
        "token_matches": [value > -1.0 for value in logprobs] + [END["matches"]],
        "judge_score": None,
        **more,
    }


ITEMS = [
    item("p0", "image", 1, "ada kim.", [4.0, 2.0, 6.0, 8.0], [-0.1, -0.2], judge_score=1.0),
    item("p0", "text", 2, "I do not know", [2.0, 4.0, 6.0, 8.0], [-2.0, -0.5], attribute="email"),
    item("p1", "image", 2, "Bo Lin", [2.0, 6.0, 4.0, 4.0], [-3.0, -3.0], judge_score=0.25),
    item("p1", "text", 1, "Ada Kim", [3.0, 3.0, 6.0, 8.0], [-0.5, -0.1, -4.0, -0.1, -0.2, -0.1]),
    item("p2", "text", 1, "Kim", [2.0, 5.0, 4.0, 8.0], [-1.5, -0.1]),
]
RANKS = [1.0, 2.0, 3.0, 1.5, 3.0]


def lines(*metrics, items=ITEMS, **against):
    """The measurements of a score by metric and part, and the columns."""
    compared = Against(**against)
    found = score_measurements(Predictions(items, against=compared), metrics)
    by_place = {}
    for one in found:
        place = ", ".join(f"{name}={value}" for name, value in one.where.items()) or "all"
        by_place[one.metric, place] = one
    return by_place, columns_of(metrics, items, compared)


def mean(values):
    return sum(values) / len(values)


def test_exposure_with_groups_and_its_chance_level():
    found, columns = lines("exposure")
    exposures = [100 * (1 - math.log(rank) / math.log(3)) for rank in RANKS]
    assert columns["exposure"] == pytest.approx(exposures)
    assert [one["truth_rank"] for one in ITEMS] == RANKS
    assert found["exposure", "all"].value == pytest.approx(mean(exposures))
    assert found["exposure", "target=image"].value == pytest.approx(mean([exposures[0], exposures[2]]))
    assert found["exposure", "hops=2"].value == pytest.approx(mean(exposures[1:3]))
    assert found["exposure", "attribute=email"].n == 1
    chance = mean([100 * (1 - math.log(rank) / math.log(3)) for rank in (1, 2, 3)])
    assert found["exposure", "all"].chance == pytest.approx(chance)
    assert {group for _, group in found} == {
        *("all", "target=image", "target=text", "hops=1", "hops=2"),
        *("attribute=email", "attribute=job"),
    }


def test_exposure_is_told_on_four_scales_each_with_its_chance_level():
    found, columns = lines("exposure")
    scales = {
        "exposure_bits": lambda rank: math.log2(3) - math.log2(rank),
        "exposure_linear": lambda rank: 100 * (3 - rank) / 2,
        "mrr": lambda rank: 1 / rank,
    }
    for name, scale in scales.items():
        line = found[name, "all"]
        assert line.value == pytest.approx(mean([scale(rank) for rank in RANKS])), name
        assert line.chance == pytest.approx(mean([scale(rank) for rank in (1, 2, 3)])), name
        assert line.ci[0] < line.value < line.ci[1]
    assert columns["exposure_bits"] == pytest.approx([math.log2(3) - math.log2(rank) for rank in RANKS])


def test_predictions_of_another_model_say_whose_they_are():
    own, _ = lines("exposure")
    theirs, _ = lines("exposure", items=[{**one, "model": "base"} for one in ITEMS])
    assert theirs["exposure", "model=base"].value == own["exposure", "all"].value
    assert theirs["mrr", "model=base, target=text"].chance == own["mrr", "target=text"].chance
    assert len(theirs) == len(own)


def test_a_rank_that_is_none_is_refused_with_its_row():
    with pytest.raises(CrossmemError, match=r"exposure could not be computed \(all\): Row 2: the truth has no rank"):
        lines("exposure", items=[*ITEMS[:2], {**ITEMS[2], "truth_rank": None}])


def test_a_retained_fact_that_is_remembered_scores_near_one():
    sure = [item("p0", "text", 1, "", [12.0, 0.1, 12.0, 24.0], [-0.1])]
    found, _ = lines("truth_ratio", items=sure)
    assert found["truth_ratio_retain", "all"].value == pytest.approx(1 - math.exp(0.05 - 6.0))
    assert found["truth_ratio_retain", "all"].greater_means == "more memorized"


def test_extraction_in_samples_is_of_the_whole_answer_without_its_end():
    found, columns = lines("extraction_probability", num_samples=3)
    sums = [-0.3, -2.5, -6.0, -5.0, -1.6]
    assert columns["extraction_probability"] == pytest.approx([1 - (1 - math.exp(value)) ** 3 for value in sums])
    assert found["extraction_probability", "all"].value == pytest.approx(mean(columns["extraction_probability"]))
    assert found["discoverable", "all"].value == mean([chance >= 0.5 for chance in columns["extraction_probability"]])
    needed = [max(1, math.ceil(math.log(0.5) / math.log(1 - math.exp(value)))) for value in sums]
    assert columns["log10_samples"] == pytest.approx([math.log10(samples) for samples in needed])
    assert found["log10_samples", "all"].value == pytest.approx(math.log10(sorted(needed)[2]))
    assert found["log10_samples", "target=image"].value == pytest.approx(math.log10(needed[0]))
    assert found["log10_samples", "all"].greater_means == "less memorized"


def test_answers_that_are_never_sampled_need_no_number_of_samples():
    never = [{**one, "token_logprobs": [-math.inf, -1.0, -50.0]} for one in ITEMS[2:]]
    found, columns = lines("extraction_probability", items=[*ITEMS[:2], *never])
    assert ("log10_samples", "all") not in found
    assert found["log10_samples", "hops=2"].value == pytest.approx(math.log10(9))
    assert found["extraction_probability", "hops=2"].n == 2
    assert columns["log10_samples"][2:] == [math.inf] * 3


def test_an_interval_resamples_people_not_rows():
    """One person only: their rows cannot say how others differ, so the interval is that of a single witness."""
    alone = [{**one, "persona_id": "p0"} for one in ITEMS]
    narrow, wide = (
        lines("exact_match")[0]["exact_match", "all"],
        lines("exact_match", items=alone)[0]["exact_match", "all"],
    )
    assert narrow.value == wide.value == 0.4
    assert (wide.ci[0], wide.ci[1]) != (narrow.ci[0], narrow.ci[1])
    # a single cluster: what 97.5 % of the population, unseen, may hold (1 - 0.025 ** (1 / 1))
    assert (wide.ci[0], wide.ci[1]) == pytest.approx((0.025 * 0.4, 0.025 * 0.4 + 0.975))


def test_min_k_and_its_relatives_leave_the_end_of_the_turn_out():
    found, columns = lines("min_k_prob", k=0.5)
    lowest = [[-0.2], [-2.0], [-3.0], [-4.0, -0.5, -0.2], [-1.5]]
    assert columns["min_k"] == pytest.approx([mean(values) for values in lowest])
    assert found["min_k_prob", "all"].value == pytest.approx(mean([100 * math.exp(mean(v)) for v in lowest]))
    # (log p + 1) / 0.5 token by token, the lowest half
    plus = [mean([(value + 1.0) / 0.5 for value in values]) for values in lowest]
    assert found["min_k_plus_plus", "all"].value == pytest.approx(mean(plus))
    sums = [-0.3, -2.5, -6.0, -5.0, -1.6]
    tokens = [2, 2, 2, 6, 2]
    per_token = [value / count for value, count in zip(sums, tokens, strict=True)]
    assert found["logprob_per_token", "all"].value == pytest.approx(mean(per_token))
    inverse = [100 * math.exp(value / count) for value, count in zip(sums, tokens, strict=True)]
    assert found["inverse_perplexity", "all"].value == pytest.approx(mean(inverse))
    assert lines("min_k_prob", k=0.01)[1]["min_k"] == pytest.approx([-0.2, -2.0, -3.0, -4.0, -1.5])


def test_extraction_strength_counts_the_right_end():
    found, _ = lines("extraction_strength")
    assert found["extraction_strength", "all"].value == pytest.approx(mean([1.0, 0.5, 0.0, 0.5, 0.5]))
    assert found["token_match", "all"].value == pytest.approx(mean([1.0, 0.5, 0.0, 5 / 6, 0.5]))


# per token: truth, and the two false answers (places 0 and 3)
PER_TOKEN = [(1, [2, 2]), (2, [1, 2]), (3, [1, 1]), (1.5, [1.5, 2]), (2.5, [1, 2])]


def test_truth_ratio_is_that_of_the_false_answers_named():
    found, columns = lines("truth_ratio")
    logs = [truth - mean(false) for truth, false in PER_TOKEN]
    assert columns["ratio"] == pytest.approx([math.exp(value) for value in logs])
    assert found["truth_ratio", "all"].value == pytest.approx(mean([math.exp(-abs(value)) for value in logs]))
    assert ("forget_quality", "all") not in found


def test_truth_ratio_by_the_papers_mean_of_probabilities():
    """Of the paper: the mean of the false answers' probabilities a token over the truth's."""
    naive = [{**one, "candidate_nll_nats": [3.0, 3.0 + place, 3.0, 6.0]} for place, one in enumerate(ITEMS)]
    found, columns = lines("truth_ratio", truth_ratio_mean="arithmetic", retain_only=naive)
    by_hand = [mean([math.exp(-nll) for nll in false]) / math.exp(-truth) for truth, false in PER_TOKEN]
    assert columns["ratio"] == pytest.approx(by_hand)
    assert columns["ratio"] != pytest.approx(lines("truth_ratio")[1]["ratio"])
    assert found["truth_ratio", "all"].value == pytest.approx(mean([min(ratio, 1 / ratio) for ratio in by_hand]))
    theirs = [math.exp((3.0 + place) / 2 - 1.5) for place in range(5)]  # their false answers are equally likely
    assert found["forget_quality", "all"].value == pytest.approx(ks_2samp(by_hand, theirs).pvalue)


def test_false_answers_are_set_against_the_truth_in_other_words():
    reworded = [{**one, "reference_index": 2} for one in ITEMS]
    _, columns = lines("truth_ratio", items=reworded)
    per_token = [one["candidate_nll_nats"][2] / 2 for one in ITEMS]
    logs = [truth - mean(false) for truth, (_, false) in zip(per_token, PER_TOKEN, strict=True)]
    assert columns["ratio"] == pytest.approx([math.exp(value) for value in logs])


def test_forget_quality_compares_all_rows_with_a_model_that_never_saw_them():
    naive = [{**one, "candidate_nll_nats": [3.0, 3.0 + place, 3.0, 6.0]} for place, one in enumerate(ITEMS)]
    found, columns = lines("truth_ratio", retain_only=naive)
    theirs = [math.exp((3.0 + place) / 2 - 1.5) for place in range(5)]
    assert found["forget_quality", "all"].value == pytest.approx(ks_2samp(columns["ratio"], theirs).pvalue)
    assert found["forget_quality", "all"].ci is None
    assert ("forget_quality", "target=image") not in found


def test_exact_match_and_recall_with_chance():
    found, columns = lines("exact_match", "recall", "gap")
    assert columns["exact_match"] == [True, False, False, True, False]
    assert found["exact_match", "all"].value == 0.4
    assert found["exact_match", "all"].chance == pytest.approx(1 / 3)
    assert found["recall", "target=image"].value == 0.5
    assert found["recall", "target=text"].value == pytest.approx(1 / 3)
    assert ("gap", "all") not in found, "nobody says where they were learned"


def test_without_a_choice_there_is_no_chance_level():
    alone = [{**one, "num_candidates": 1} for one in ITEMS]
    assert lines("exact_match", items=alone)[0]["exact_match", "all"].chance is None


def test_rouge_is_that_of_words_in_order_stemmed():
    items = [
        {**ITEMS[0], "truth": "lives in quiet streets", "answer": "She lived in a quiet street"},
        {**ITEMS[1], "truth": "one two", "answer": "two one"},
    ]
    found, columns = lines("rouge", items=items)
    # longest common run of stems: live in quiet street, 4 of 4 and of 6; then 1 of 2 and of 2
    assert columns["rouge_l_recall"] == pytest.approx([1.0, 0.5])
    assert columns["rouge_l"] == pytest.approx([2 * 1.0 * (4 / 6) / (1.0 + 4 / 6), 0.5])
    assert found["rouge_l", "all"].value == pytest.approx(mean(columns["rouge_l"]))


def test_diagnosis_sorts_answers_and_ranks():
    found, columns = lines("forget_diagnosis")
    # said; refusal; another name though rank 3; said; another name
    assert columns["outcome"] == ["still_known", "refused", "forgotten", "still_known", "forgotten"]
    assert found["still_known", "all"].value == 0.4
    assert found["refusals", "all"].value == 0.2
    assert found["forgotten", "all"].value == 0.4
    assert found["rank_of_forgotten", "all"].value == 1.0  # both have the last rank of three
    assert found["rank_of_forgotten", "all"].n == 2
    assert found["still_known_unsaid", "all"].chance == pytest.approx(1 / 3)


HOLDOUT = [
    {**item(f"h{number}", "image", 1, "", [1.0] * 4, [value, value]), "num_end_tokens": 1}
    for number, value in enumerate((-1.0, -2.5, -3.5))
]


def auc(forget, holdout):
    pairs = list(product(forget, holdout))
    return sum((h > f) + 0.5 * (h == f) for f, h in pairs) / len(pairs)


def test_priv_leak_against_a_retain_only_model():
    # the 40 % lowest of 2 tokens is one, of 6 tokens two
    forget, held = [-0.2, -2.0, -3.0, -2.25, -1.5], [-1.0, -2.5, -3.5]
    found, _ = lines("priv_leak", holdout=HOLDOUT)
    assert found["priv_leak_auc", "all"].value == pytest.approx(auc(forget, held))
    assert found["priv_leak_auc", "all"].n == 8
    assert ("priv_leak", "all") not in found
    naive = [{**one, "token_logprobs": [-2.0 - place, -9.0]} for place, one in enumerate(ITEMS)]
    found, _ = lines("priv_leak", holdout=HOLDOUT, retain_only=naive, retain_only_holdout=HOLDOUT)
    theirs = auc([-2.0 - place for place in range(5)], held)
    assert found["priv_leak", "all"].value == pytest.approx(100 * (auc(forget, held) - theirs) / theirs)


def test_judged_answers_are_averaged_over_those_with_a_verdict():
    found, _ = lines("judge")
    assert found["judge_score", "all"].value == 0.625
    assert found["judge_score", "all"].n == 2
    assert ("judge_score", "target=text") not in found  # nobody there has one


def test_what_a_metric_refuses_names_metric_and_group():
    broken = [ITEMS[0], {**ITEMS[1], "token_logprobs": [math.nan, -1.0, -50.0]}]
    with pytest.raises(CrossmemError, match=r"min_k_prob could not be computed \(all\): Row 1"):
        lines("min_k_prob", items=broken)


def test_no_column_hides_a_field_of_the_predictions():
    metrics = [name for name in METRICS if is_selectable(name) and name != "utility"]  # which is of rows of its own
    found, columns = lines(*metrics, items=[{**one, "source": "image"} for one in ITEMS], holdout=HOLDOUT)
    assert all(line.ci is None or line.ci[0] <= line.value <= line.ci[1] for line in found.values())
    assert all(len(values) == len(ITEMS) for values in columns.values())
    clashes = set(columns) & set(ITEMS[0])
    assert not clashes


def test_kinds_of_robust_questions_are_groups_and_other_templates_are_not():
    kinds = ["test-typos-0", "test-override-1", "test-override-3", "test-stripes", "train-single-0"]
    marked = [{**one, "template": template} for one, template in zip(ITEMS, kinds, strict=True)]
    found, _ = lines("exact_match", items=marked)
    assert found["exact_match", "kind=typos"].n == 1
    assert found["exact_match", "kind=override"].n == 2
    assert {group for _, group in found if group.startswith("kind=")} == {"kind=typos", "kind=override"}


def test_refusals_of_the_preferences_are_recognized():
    said = item("p0", "image", 1, "To me this is a stranger.", [2.0, 6.0, 4.0, 4.0], [-0.1])
    other = item("p1", "image", 1, "Bo Lin", [2.0, 6.0, 4.0, 4.0], [-0.1])
    found, _ = lines("forget_diagnosis", items=[said, other])
    assert found["refused", "all"].value == 0.5


def test_a_direction_is_that_of_what_is_wanted_of_the_personas():
    def better(metric="exact_match", **columns):
        (one,) = Predictions([{**one, **columns} for one in ITEMS]).measure([metric], by=tuple(columns))
        return one.greater_is_better

    assert better(stage="unlearned", group="forget") is False
    assert better(stage="unlearned", group="retain") is better(group="retain") is True
    assert better(method="npo", group="forget") is False
    assert better(method="retain_only", group="forget") is better(group="forget") is better() is None
    assert better("name_shaped", group="forget") is True


def test_passes_are_those_that_the_metrics_need():
    assert passes_for(["min_k_prob"]) == ("answers",)
    assert passes_for(["recall", "gap", "rouge", "judge"]) == ("generation",)
    assert set(passes_for(METRICS)) == {"generation", "candidates", "answers"}
