# SPDX-License-Identifier: Apache-2.0
"""Shares and ranks over many items against counting, the rank test in known worlds, and the refusals of bad input."""

import json
import math

import numpy as np
import pytest

from crossmem_hf.metrics.forget_diagnosis.answer_rules import OUTCOMES, diagnose
from crossmem_hf.metrics.forget_diagnosis.diagnosis_math import diagnose_items, diagnosis_summary

ANSWERS = ["It is Ada Okoye", "I can't say.", "the the the", "Bo Lindqvist", "", "I do not know."]


def many(seed, items=240, candidates=20, rank=None):
    """Items with random answers and ranks; the truth is Ada Okoye."""
    rng = np.random.default_rng(seed)
    answers = [ANSWERS[place] for place in rng.integers(0, len(ANSWERS), items)]
    counts = rng.integers(2, candidates + 1, items) if rank is None else np.full(items, candidates)
    ranks = rng.integers(1, counts + 1) if rank is None else rank(rng, items)
    return answers, ranks.tolist(), counts.tolist()


def diagnosed(seed, **options):
    answers, ranks, counts = many(seed, **options)
    items = diagnose_items(answers, ["Ada Okoye"] * len(answers), truth_rank=ranks, num_candidates=counts)
    return items, answers, ranks, counts


def test_each_item_is_diagnosed_by_itself():
    items, answers, ranks, _ = diagnosed(1)
    alone = tuple(diagnose(answer, "Ada Okoye", rank=rank) for answer, rank in zip(answers, ranks, strict=True))
    assert items.reason == alone
    assert json.loads(json.dumps(items.as_lists()))["item_outcome"] == list(items.outcome)


def test_shares_are_counts_and_sum_to_one():
    items, answers, ranks, counts = diagnosed(2)
    summary = diagnosis_summary(items)
    for outcome in OUTCOMES:
        assert summary[outcome] == pytest.approx(sum(found == outcome for found in items.outcome) / 240)
        assert summary[f"{outcome}_ci_low"] < summary[outcome] < summary[f"{outcome}_ci_high"]
    assert math.fsum(summary[outcome] for outcome in OUTCOMES) == pytest.approx(1.0)
    said = sum("Ada Okoye" in answer for answer in answers) / 240
    latent = sum("Ada Okoye" not in answer and rank == 1 for answer, rank in zip(answers, ranks, strict=True)) / 240
    assert (summary["said"], summary["latent"]) == (pytest.approx(said), pytest.approx(latent))
    assert summary["still_known"] == pytest.approx(said + latent)
    assert latent > 0
    assert summary["chance_first"] == pytest.approx(sum(1 / count for count in counts) / 240)
    assert summary["n"] == 240


def test_ranks_are_means_over_all_and_over_the_forgotten():
    items, _, ranks, counts = diagnosed(3)
    summary = diagnosis_summary(items)
    normalized = [(rank - 1) / (count - 1) for rank, count in zip(ranks, counts, strict=True)]
    forgotten = [place for place, outcome in enumerate(items.outcome) if outcome == "forgotten"]
    assert summary["normalized_rank"] == pytest.approx(sum(normalized) / 240)
    assert summary["n_forgotten"] == len(forgotten)
    assert summary["normalized_rank_forgotten"] == pytest.approx(
        sum(normalized[place] for place in forgotten) / len(forgotten)
    )
    left = [sum((rank - 1) / (k - 1) for rank in range(2, k + 1)) / (k - 1) for k in counts]  # never first
    assert summary["chance_rank_forgotten"] == pytest.approx(sum(left[place] for place in forgotten) / len(forgotten))


@pytest.mark.parametrize(
    ("rank", "side"),
    [
        (lambda rng, items: rng.integers(1, 21, items), "at chance"),
        (lambda rng, items: rng.integers(1, 8, items), "still preferred"),
        (lambda rng, items: rng.integers(14, 21, items), "avoided"),
    ],
)
def test_the_ranks_of_the_forgotten_tell_three_populations_apart(rank, side):
    summary = diagnosis_summary(diagnosed(4, items=900, rank=rank)[0])
    chance = summary["chance_rank_forgotten"]
    assert chance == pytest.approx(20 / 38)
    low, high = summary["normalized_rank_forgotten_ci_low"], summary["normalized_rank_forgotten_ci_high"]
    assert side == ("still preferred" if high < chance else "avoided" if low > chance else "at chance")
    whole = (summary["normalized_rank_ci_low"], summary["normalized_rank_ci_high"])
    assert side == ("still preferred" if whole[1] < 0.5 else "avoided" if whole[0] > 0.5 else "at chance")


def test_a_model_that_hides_what_it_knows_is_found_only_by_ranks():
    """The planted fault of judging by answers alone: refusals that all know."""
    answers = ["I cannot say."] * 30
    by_answer = diagnosis_summary(diagnose_items(answers, ["Ada Okoye"] * 30))
    assert (by_answer["refused"], by_answer["still_known"]) == (1.0, 0.0)
    items = diagnose_items(answers, ["Ada Okoye"] * 30, truth_rank=[1] * 30, num_candidates=20)
    by_rank = diagnosis_summary(items)
    assert (by_rank["refused"], by_rank["still_known"], by_rank["latent"]) == (0.0, 1.0, 1.0)
    assert by_rank["chance_first"] == pytest.approx(0.05)


def test_without_ranks_nothing_is_said_about_ranks():
    summary = diagnosis_summary(diagnose_items(ANSWERS, ["Ada Okoye"] * 6))
    assert set(summary) == {
        *(f"{name}{end}" for name in (*OUTCOMES, "said") for end in ("", "_ci_low", "_ci_high")),
        "n",
    }


def test_where_nothing_is_forgotten_the_ranks_of_the_forgotten_are_left_out():
    items = diagnose_items(["Ada Okoye", ""], ["Ada Okoye"] * 2, truth_rank=[1, 2], num_candidates=2)
    summary = diagnosis_summary(items)
    assert not [key for key in summary if key.endswith("_forgotten")]
    assert summary["normalized_rank"] == 0.5
    assert not any(math.isnan(value) for value in summary.values())


def test_middle_ranks_of_ties_are_neither_first_nor_rounded():
    items = diagnose_items(["Bo"] * 2, ["Ada"] * 2, truth_rank=[1.5, 2.5], num_candidates=[4, 4])
    assert items.reason == ("other_answer", "other_answer")
    assert items.normalized_rank.tolist() == pytest.approx([0.5 / 3, 1.5 / 3])


def test_all_alike_is_not_certain():
    summary = diagnosis_summary(diagnose_items(["Bo"] * 10, ["Ada"] * 10))
    assert summary["forgotten"] == summary["forgotten_ci_high"] == 1.0
    assert summary["forgotten_ci_low"] == pytest.approx(0.025 ** (1 / 10))
    assert (summary["refused_ci_low"], summary["refused_ci_high"]) == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))


def test_several_items_of_one_person_count_as_one_person():
    rng = np.random.default_rng(5)
    persons = [f"p{place}" for place in range(12)] * 6
    answers = [ANSWERS[place] for place in rng.integers(0, 6, 12)] * 6
    ranks = rng.integers(2, 21, 12).tolist() * 6
    items = diagnose_items(answers, ["Ada Okoye"] * 72, truth_rank=ranks, num_candidates=20)
    clustered, naive = diagnosis_summary(items, persona_id=persons), diagnosis_summary(items)
    for name in ("refused", "forgotten", "normalized_rank", "normalized_rank_forgotten"):
        assert clustered[name] == naive[name]
        widths = [summary[f"{name}_ci_high"] - summary[f"{name}_ci_low"] for summary in (clustered, naive)]
        assert widths[0] > 1.5 * widths[1] > 0


def test_rows_keep_their_place():
    answers, ranks, counts = many(6)
    order = np.random.default_rng(6).permutation(240)
    plain = diagnosed(6)[0]
    moved = diagnose_items(
        [answers[row] for row in order],
        ["Ada Okoye"] * 240,
        truth_rank=np.asarray(ranks)[order],
        num_candidates=np.asarray(counts)[order],
    )
    assert moved.outcome == tuple(plain.outcome[row] for row in order)


def test_perplexities_reach_their_rows():
    items = diagnose_items(
        ["Bo", "Bo", "Bo", ""], ["Ada"] * 4, perplexity=[3.0, 300.0, None, None], perplexity_limit=100.0
    )
    assert items.reason == ("other_answer", "perplexity", "other_answer", "empty")
    table = diagnose_items(["Bo"] * 2, ["Ada"] * 2, perplexity=np.asarray([0.9999, math.inf]), perplexity_limit=100.0)
    assert table.reason == ("other_answer", "perplexity")


TWO = (["Bo", "Bo"], ["Ada", "Ada"])


@pytest.mark.parametrize(
    ("rows", "options", "named"),
    [
        (([], []), {}, "No rows"),
        ((["Bo"], ["Ada", "Ada"]), {}, "2 references for 1 predictions"),
        ((["Bo", None], ["Ada", "Ada"]), {}, "Row 1: prediction None"),
        ((["Bo", 3], ["Ada", "Ada"]), {}, "Row 1: prediction 3"),
        ((["Bo", "Bo"], ["Ada", None]), {}, "Row 1: reference None"),
        ((["Bo", "Bo"], ["Ada", []]), {}, "Row 1: no accepted name"),
        ((["Bo", "Bo"], ["Ada", "?!"]), {}, r"Row 1: reference '\?!'"),
        (TWO, {"truth_rank": [1, 2]}, "truth_rank and num_candidates go together"),
        (TWO, {"num_candidates": 5}, "truth_rank and num_candidates go together"),
        (TWO, {"truth_rank": [1], "num_candidates": 5}, "truth_rank has 1 entries for 2 rows"),
        (TWO, {"truth_rank": [1, 2], "num_candidates": [5]}, "num_candidates has 1 entries for 2 rows"),
        (TWO, {"truth_rank": [1, 6], "num_candidates": 5}, "Row 1: truth_rank 6; expected a number from 1 to 5"),
        (TWO, {"truth_rank": [1, 0], "num_candidates": 5}, "Row 1: truth_rank 0"),
        (TWO, {"truth_rank": [1, math.nan], "num_candidates": 5}, "Row 1: truth_rank nan"),
        (TWO, {"truth_rank": [1, None], "num_candidates": 5}, "Row 1: truth_rank None"),
        (TWO, {"truth_rank": [1, 1], "num_candidates": [5, 1]}, "Row 1: num_candidates 1; expected at least 2"),
        (TWO, {"truth_rank": [1, 1], "num_candidates": [5, 2.5]}, "num_candidates 5.0"),
        (TWO, {"perplexity": [2.0, 3.0]}, "perplexity and perplexity_limit go together"),
        (TWO, {"perplexity_limit": 3.0}, "perplexity and perplexity_limit go together"),
        (TWO, {"perplexity": [2.0], "perplexity_limit": 3.0}, "perplexity has 1 entries for 2 rows"),
        (TWO, {"perplexity": [2.0, 0.5], "perplexity_limit": 3.0}, "Row 1: perplexity 0.5; expected 1 or more"),
        (TWO, {"perplexity": [2.0, math.nan], "perplexity_limit": 3.0}, "Row 1: perplexity nan"),
        (TWO, {"perplexity": [2.0, "3"], "perplexity_limit": 3.0}, "Row 1: perplexity 3"),
        (TWO, {"perplexity": [2.0, 3.0], "perplexity_limit": 0.5}, "perplexity_limit=0.5; expected a number above 1"),
        (TWO, {"perplexity": [2.0, 3.0], "perplexity_limit": math.nan}, "perplexity_limit=nan"),
        (TWO, {"refusals": "I will not"}, "refusals='I will not'; expected a list"),
        (TWO, {"refusals": ["no", "?"]}, "refusals=.*; expected a list of phrases with letters"),
    ],
)
def test_bad_input_is_named(rows, options, named):
    with pytest.raises(ValueError, match=named):
        diagnose_items(*rows, **options)


def test_personas_must_fit():
    with pytest.raises(ValueError, match="persona_id has 1 entries for 2 rows"):
        diagnosis_summary(diagnose_items(*TWO), persona_id=["a"])
