# SPDX-License-Identifier: Apache-2.0
"""Token scores of single items against hand values and plain loops, their invariances, and their refusals."""

import math
from itertools import pairwise

import numpy as np
import pytest

from crossmem_hf.metrics.min_k_prob.min_k_math import token_scores


def random_items(seed, items=60, longest=30):
    """Log-probabilities with ties, token means and token standard deviations of items of 1 to `longest` tokens."""
    rng = np.random.default_rng(seed)
    lengths = [1, 2, 4, 5, *rng.integers(1, longest + 1, items - 4)]
    logprobs = [(-rng.exponential(2.0, n)).round(1).tolist() for n in lengths]
    means = [(-rng.exponential(1.0, n)).tolist() for n in lengths]
    stds = [rng.exponential(1.0, n).tolist() for n in lengths]
    return logprobs, means, stds


def slow_min_k(values, k):
    """The lowest values taken out one by one, at least one of them."""
    left, total = list(values), 0.0
    count = max(1, int(len(values) * k))
    for _ in range(count):
        lowest = min(left)
        left.remove(lowest)
        total += lowest
    return total / count


def test_hand_values():
    logprobs = [[math.log(0.5), math.log(0.125), math.log(0.25), 0.0, math.log(0.5)] * 2]
    means = [[-1.0] * 10]
    stds = [[0.5] * 5 + [0.25] * 5]
    scores = token_scores(logprobs, means, stds, k=0.3)
    # the lowest three of ten: 1/8, 1/8 and 1/4
    assert scores.min_k == pytest.approx([-(3 + 3 + 2) * math.log(2) / 3])
    assert scores.min_k_prob == pytest.approx([100 * 2 ** (-8 / 3)])
    # 1 + 3 + 2 + 0 + 1 halvings, twice
    assert scores.logprob == pytest.approx([-14 * math.log(2)])
    assert scores.inverse_perplexity == pytest.approx([100 * 2**-1.4])
    assert scores.answer_probability == pytest.approx([2.0**-14])
    # of z the lowest three: 1/8 at the smaller spread, then 1/8 at the larger, then 1/4 at the smaller
    z = [(1 - 3 * math.log(2)) / 0.25, (1 - 3 * math.log(2)) / 0.5, (1 - 2 * math.log(2)) / 0.25]
    assert scores.min_k_plus_plus == pytest.approx([sum(z) / 3])


@pytest.mark.parametrize("k", [0.01, 0.1, 0.2, 0.29, 0.5, 0.6, 1.0])
def test_scores_equal_plain_loops(k):
    logprobs, means, stds = random_items(1)
    scores = token_scores(logprobs, means, stds, k=k)
    assert scores.min_k == pytest.approx([slow_min_k(row, k) for row in logprobs])
    standard = [
        [(p - mean) / max(std, 0.001) for p, mean, std in zip(*rows, strict=True)]
        for rows in zip(logprobs, means, stds, strict=True)
    ]
    assert scores.min_k_plus_plus == pytest.approx([slow_min_k(row, k) for row in standard])
    assert scores.logprob == pytest.approx([math.fsum(row) for row in logprobs])
    perplexities = [math.prod(math.exp(-p) for p in row) ** (1 / len(row)) for row in logprobs]
    assert scores.inverse_perplexity == pytest.approx([100 / perplexity for perplexity in perplexities])
    assert scores.answer_probability == pytest.approx([math.prod(math.exp(p) for p in row) for row in logprobs])


@pytest.mark.parametrize(("tokens", "k"), [(1, 0.2), (4, 0.2), (6, 0.1), (3, 0.001)])
def test_a_short_name_counts_with_its_least_expected_token(tokens, k):
    """The original code takes no token at all here, and the score is NaN."""
    assert int(tokens * k) == 0
    logprobs = [-1.0] * (tokens - 1) + [-7.0]
    scores = token_scores([logprobs], [[-1.0] * tokens], [[2.0] * tokens], k=k)
    assert scores.min_k.tolist() == [-7.0]
    assert scores.min_k_plus_plus.tolist() == [-3.0]


def test_standardizing_agrees_with_the_whole_vocabulary():
    """Token statistics from a full softmax, and the z of the least expected token by the definition."""
    rng = np.random.default_rng(2)
    logits = rng.normal(0.0, 3.0, (5, 50))
    tokens = rng.integers(0, 50, 5)
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    standard, means, stds = [], [], []
    for place, token in enumerate(tokens):
        mean = sum(math.exp(value) * value for value in logp[place])
        variance = sum(math.exp(value) * (value - mean) ** 2 for value in logp[place])
        means.append(mean)
        stds.append(math.sqrt(variance))
        standard.append((logp[place, token] - mean) / math.sqrt(variance))
    scores = token_scores([logp[np.arange(5), tokens]], [means], [stds], k=0.4)
    assert scores.min_k_plus_plus == pytest.approx([sum(sorted(standard)[:2]) / 2])


def test_no_spread_is_a_small_spread():
    """Even odds, a certain model that is right, one that is wrong: 0, 0 and far below, never infinite."""
    even, right, wrong = -math.log(50), 0.0, -30.0
    scores = token_scores([[even], [right], [wrong]], [[even], [0.0], [0.0]], [[0.0], [0.0], [0.0]])
    assert scores.min_k_plus_plus.tolist() == [0.0, 0.0, -30_000.0]


def test_order_of_tokens_and_other_items_do_not_matter():
    rows = random_items(3)
    whole = token_scores(*rows)
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(row)) for row in rows[0]]
    shuffled = [[np.asarray(values)[order] for values, order in zip(column, orders, strict=True)] for column in rows]
    moved = token_scores(*shuffled)
    np.testing.assert_allclose(moved.min_k, whole.min_k)
    np.testing.assert_allclose(moved.min_k_plus_plus, whole.min_k_plus_plus)
    np.testing.assert_allclose(moved.logprob, whole.logprob)
    alone = [token_scores(*([column[item]] for column in rows)).min_k_plus_plus[0] for item in range(60)]
    np.testing.assert_allclose(whole.min_k_plus_plus, alone)


def test_scores_rise_with_every_token_and_with_k():
    logprobs, _, _ = random_items(4)
    before = token_scores(logprobs)
    after = token_scores([[value / 2 for value in row] for row in logprobs])
    assert (after.min_k >= before.min_k).all()
    assert (after.min_k > before.min_k).any()
    ladder = [token_scores(logprobs, k=k).min_k for k in (0.1, 0.3, 0.7, 1.0)]
    for lower, higher in pairwise(ladder):
        assert (lower <= higher + 1e-12).all()
    np.testing.assert_allclose(ladder[-1], before.logprob_per_token)
    assert (before.min_k_prob <= before.inverse_perplexity + 1e-9).all()


def test_guessing_among_v_tokens():
    even = math.log(40)
    scores = token_scores([[-even] * 7], [[-even] * 7], [[0.0] * 7])
    assert scores.min_k_prob == pytest.approx([100 / 40])
    assert scores.inverse_perplexity == pytest.approx([100 / 40])
    assert scores.answer_probability == pytest.approx([40.0**-7])
    assert scores.min_k_plus_plus.tolist() == [0.0]


def test_rounding_above_zero_counts_as_zero():
    scores = token_scores([[3e-5, -1.0], [3e-5]])
    assert scores.logprob.tolist() == [-1.0, 0.0]
    assert scores.answer_probability.max() == 1.0


def test_arrays_and_lists_agree():
    table = -np.random.default_rng(5).random((7, 12))
    np.testing.assert_array_equal(token_scores(table).min_k, token_scores(table.tolist()).min_k)


def test_as_lists():
    logprobs, means, stds = random_items(6)
    scores = token_scores(logprobs, means, stds)
    lists = scores.as_lists()
    assert lists["item_num_tokens"] == [len(row) for row in logprobs]
    assert lists["item_logprob"] == pytest.approx([sum(row) for row in logprobs])
    assert lists["item_min_k"] == pytest.approx(
        [min(row) if len(row) < 10 else slow_min_k(row, 0.2) for row in logprobs]
    )
    assert lists["item_min_k_plus_plus"] == scores.min_k_plus_plus.tolist()
    assert "item_min_k_plus_plus" not in token_scores(logprobs).as_lists()


@pytest.mark.parametrize(
    ("logprobs", "named"),
    [
        ([], "No items"),
        ([[-1.0], []], "Row 1: 0 values of token log-probability"),
        ([[-1.0, -2.0], [-1.0, math.nan]], "Row 1: token log-probability of token 1 is nan"),
        ([[-1.0], [None]], "Row 1: token log-probability of token 0 is nan"),
        ([[-1.0], [-2.0, -math.inf, -1.0]], "Row 1: token log-probability of token 1 is -inf"),
        ([[0.7, 1.2]], r"Row 0: token log-probability of token 0 is 0.7; expected .* \(log p, not -log p\)"),
        ([[-1.0], ["a"]], "Row 1: token log-probability"),
        ([[-1.0], -2.0], r"Row 1: token log-probability of shape \(\)"),
        ([[-1.0], [[-2.0]]], r"Row 1: token log-probability of shape \(1, 1\)"),
        ([[-1.0], [[-2.0], [-1.0, -2.0]]], "Row 1: token log-probability"),
    ],
)
def test_bad_items_are_named(logprobs, named):
    with pytest.raises(ValueError, match=named):
        token_scores(logprobs)


@pytest.mark.parametrize(
    ("means", "stds", "named"),
    [
        ([[-1.0, -1.0], [-1.0]], None, "token_means without token_stds"),
        (None, [[1.0, 1.0], [1.0]], "token_stds without token_means"),
        ([[-1.0, -1.0]], [[1.0, 1.0], [1.0]], "token_means of 1 items for 2 items"),
        ([[-1.0, -1.0], [-1.0, -1.0]], [[1.0, 1.0], [1.0]], "Row 1: 2 values of token_means; expected 1"),
        ([[-1.0, -1.0], [-1.0]], [[1.0], [1.0]], "Row 0: 1 values of token_stds; expected 2"),
        ([[-1.0, -1.0], [math.nan]], [[1.0, 1.0], [1.0]], "Row 1: token_means of token 0 is nan"),
        ([[-1.0, 2.0], [-1.0]], [[1.0, 1.0], [1.0]], "Row 0: token_means of token 1 is 2.0"),
        ([[-1.0, -1.0], [-1.0]], [[1.0, -0.5], [1.0]], "Row 0: token_stds of token 1 is -0.5; .* at least 0"),
        ([[-1.0, -1.0], [-1.0]], [[1.0, math.inf], [1.0]], "Row 0: token_stds of token 1 is inf"),
    ],
)
def test_bad_token_statistics_are_named(means, stds, named):
    with pytest.raises(ValueError, match=named):
        token_scores([[-1.0, -2.0], [-3.0]], means, stds)


@pytest.mark.parametrize("k", [0.0, -0.1, 1.5, 20, math.nan])
def test_bad_k_is_named(k):
    with pytest.raises(ValueError, match=f"k={k!r}"):
        token_scores([[-1.0]], k=k)


@pytest.mark.parametrize("seed", [0, 1])
def test_entropies_and_ratios_are_what_plain_loops_give(seed):
    logprobs, means, stds = random_items(seed)
    reference, _, _ = random_items(seed)
    reference = [[value - 0.25 for value in row] for row in reference]
    scores = token_scores(logprobs, means, stds, reference=reference, k=0.4)
    for item, (own, row) in enumerate(zip(means, logprobs, strict=True)):
        assert scores.max_renyi[item] == pytest.approx(-slow_min_k(own, 0.4))
        assert scores.reference_ratio[item] == pytest.approx(
            sum(one - other for one, other in zip(row, reference[item], strict=True)) / len(row)
        )
    assert scores.reference_ratio == pytest.approx(0.25)


def test_without_statistics_or_a_reference_there_is_nothing_of_them():
    scores = token_scores([[-1.0]])
    assert (scores.max_renyi, scores.reference_ratio) == (None, None)
    with pytest.raises(ValueError, match=r"gradient_norms of the shape \(2,\) for 1 items"):
        token_scores([[-1.0]], gradient_norms=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"Row 0: 2 values of reference_logprobs; expected 1"):
        token_scores([[-1.0]], reference=[[-1.0, -2.0]])
