# SPDX-License-Identifier: Apache-2.0
"""Extraction strength against hand values, a loop over suffixes, its invariances, and its refusals."""

import math

import numpy as np
import pytest

from crossmem_hf.metrics.extraction_strength.strength_math import strength_items, strength_summary, token_matches
from crossmem_hf.metrics.intervals import Clusters, mean_interval


def random_matches(seed, items=80, longest=12, right=0.7):
    rng = np.random.default_rng(seed)
    return [rng.random(n) < right for n in (1, 1, *rng.integers(1, longest + 1, items - 2))]


def slow_strength(matches):
    """The longest suffix found by trying all of them, the empty one last."""
    for prefix in range(len(matches) + 1):
        if all(matches[prefix:]):
            return (len(matches) - prefix) / len(matches)
    raise AssertionError("the empty suffix always matches")


def test_hand_values():
    matches = [
        [True, True, True, True],
        [True, False, True, True],
        [True, True, True, False],
        [False, True, True, True],
        [False, False, False, True],
        [False, False, False, False],
    ]
    items = strength_items(matches)
    assert items.extraction_strength.tolist() == [1.0, 0.5, 0.0, 0.75, 0.25, 0.0]
    assert items.token_match.tolist() == [1.0, 0.75, 0.75, 0.75, 0.25, 0.0]
    assert items.all_match.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("tokens", [1, 2, 4, 50])
def test_nothing_right_is_zero_and_less_than_one_right(tokens):
    """OpenUnlearning's loop ends at the last token also when that one is wrong, which gives 1 / tokens for both."""
    nothing, last = [False] * tokens, [False] * (tokens - 1) + [True]
    assert strength_items([nothing, last]).extraction_strength.tolist() == [0.0, 1 / tokens]


@pytest.mark.parametrize("right", [0.0, 0.3, 0.9, 1.0])
def test_strengths_equal_the_loop_over_suffixes(right):
    matches = random_matches(1, right=right)
    items = strength_items(matches)
    assert items.extraction_strength.tolist() == [slow_strength(row.tolist()) for row in matches]
    assert items.token_match == pytest.approx([sum(row.tolist()) / len(row) for row in matches])
    assert items.all_match.tolist() == [float(all(row.tolist())) for row in matches]
    assert items.num_tokens.tolist() == [len(row) for row in matches]


def test_one_token():
    assert strength_items([[True], [False]]).extraction_strength.tolist() == [1.0, 0.0]


def test_items_do_not_touch_each_other():
    matches = random_matches(2)
    alone = [strength_items([row]).extraction_strength[0] for row in matches]
    assert strength_items(matches).extraction_strength.tolist() == alone
    reverse = strength_items(matches[::-1]).extraction_strength
    assert reverse[::-1].tolist() == alone


def test_order_of_the_three_numbers():
    items = strength_items(random_matches(3))
    assert (items.all_match <= items.extraction_strength).all()
    assert (items.extraction_strength <= items.token_match).all()
    assert (items.extraction_strength < items.token_match).any()


def test_a_planted_error_cuts_the_strength_there():
    for place in range(7):
        matches = [index != place for index in range(7)]
        assert strength_items([matches]).extraction_strength.tolist() == [(6 - place) / 7]


def test_guessing_reaches_the_chance_of_the_card():
    """A guess among V tokens: 1/(T·V) to first order; exactly the sum of V^-j over j = 1 to T, over T."""
    rng = np.random.default_rng(4)
    answers, guesses = rng.integers(0, 5, (40_000, 4)), rng.integers(0, 5, (40_000, 4))
    summary = strength_summary(strength_items(list(guesses == answers)))
    assert summary["extraction_strength"] == pytest.approx(sum(5.0**-j for j in range(1, 5)) / 4, abs=0.002)
    assert summary["token_match"] == pytest.approx(1 / 5, abs=0.004)
    assert summary["all_match"] == pytest.approx(5.0**-4, abs=0.001)


def test_matches_are_equal_ids():
    rng = np.random.default_rng(5)
    answers = [rng.integers(0, 3, n) for n in (1, 4, 9)]
    chosen = [rng.integers(0, 3, n) for n in (1, 4, 9)]
    matches = token_matches([row.tolist() for row in chosen], answers)
    for row, (left, right) in enumerate(zip(chosen, answers, strict=True)):
        assert matches[row].tolist() == [a == b for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    assert token_matches(answers, answers)[2].all()


def test_summary_is_the_mean_of_the_items():
    items = strength_items(random_matches(6))
    summary, lists = strength_summary(items), items.as_lists()
    assert set(summary) == {
        *(f"{name}{end}" for name in NAMES for end in ("", "_ci_low", "_ci_high")),
        "n",
    }
    for name in NAMES:
        assert summary[name] == pytest.approx(math.fsum(lists[f"item_{name}"]) / 80)
        assert summary[f"{name}_ci_low"] < summary[name] < summary[f"{name}_ci_high"]
    assert summary["n"] == 80
    assert lists["item_num_tokens"] == items.num_tokens.tolist()
    assert all(isinstance(value, (int, float)) for value in summary.values())


NAMES = ("extraction_strength", "token_match", "all_match")


def test_intervals_are_clustered_by_person():
    items = strength_items(random_matches(7, items=20) * 6)
    persons = list(range(20)) * 6
    clustered = strength_summary(items, persona_id=persons, confidence=0.9)
    for name in NAMES:
        wanted = mean_interval(getattr(items, name), Clusters.of(persons, 120), confidence=0.9)
        assert (clustered[f"{name}_ci_low"], clustered[f"{name}_ci_high"]) == wanted
    naive = strength_summary(items, confidence=0.9)
    width = [s["extraction_strength_ci_high"] - s["extraction_strength_ci_low"] for s in (clustered, naive)]
    assert width[0] > 1.8 * width[1]


def test_agreement_is_not_certainty():
    summary = strength_summary(strength_items([[True, True]] * 10))
    assert summary["extraction_strength"] == summary["extraction_strength_ci_high"] == 1.0
    assert summary["extraction_strength_ci_low"] == pytest.approx(0.025 ** (1 / 10))
    nothing = strength_summary(strength_items([[False, False]] * 10))
    assert nothing["all_match_ci_high"] == pytest.approx(1 - 0.025 ** (1 / 10))


@pytest.mark.parametrize(
    ("matches", "named"),
    [
        ([], "No items"),
        ([[True], []], "Row 1: matches without tokens"),
        ([[True], [1.0, 0.0]], "Row 1: matches .* expected a flat list of booleans"),
        ([[True], [1, 0]], "Row 1: matches .* booleans"),
        ([[True], [True, None]], "Row 1: matches .* booleans"),
        ([[True], True], "Row 1: matches True; .* flat list"),
        ([[[True, False]]], "Row 0: matches .* flat list"),
        ([[[True], [True, False]]], "Row 0: matches .* flat list"),
    ],
)
def test_bad_matches_are_named(matches, named):
    with pytest.raises(ValueError, match=named):
        strength_items(matches)


@pytest.mark.parametrize(
    ("predictions", "references", "named"),
    [
        ([[1]], [[1], [2]], "1 predictions for 2 references"),
        ([[1], [1, 2]], [[1], [1, 2, 3]], "Row 1: 2 predicted tokens for an answer of 3"),
        ([[1], []], [[1], []], "Row 1: predictions without tokens"),
        ([[1], [2]], [[1], []], "Row 1: references without tokens"),
        ([[1], [2, 3]], [[1], [-100, 3]], "Row 1: references holds -100"),
        ([[-1]], [[1]], "Row 0: predictions holds -1"),
        ([[1.5]], [[1]], "Row 0: predictions .* flat list of token ids"),
        ([[1], ["a"]], [[1], [2]], "Row 1: predictions .* token ids"),
        ([[1, None]], [[1, 2]], "Row 0: predictions .* token ids"),
        ([[True]], [[1]], "Row 0: predictions .* token ids"),
    ],
)
def test_bad_tokens_are_named(predictions, references, named):
    with pytest.raises(ValueError, match=named):
        token_matches(predictions, references)


def test_bad_personas_are_named():
    with pytest.raises(ValueError, match="Row 1: persona_id is None"):
        strength_summary(strength_items([[True], [False]]), persona_id=["ada", None])
