# SPDX-License-Identifier: Apache-2.0
"""Probability of at least one success in n samples, against fifty digits; its summary and its refusals."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from crossmem_hf.metrics.extraction_strength.sampling_math import (
    ExtractionItems,
    extraction_items,
    extraction_summary,
)


def in_fifty_digits(logprob, num_samples):
    """1 - (1 - q)^n with q = e^logprob, by decimals."""
    with localcontext() as context:
        context.prec = 60 + max(0, math.ceil(-logprob))
        return float(1 - (1 - Decimal(logprob).exp()) ** num_samples)


LOGS = [-1e-17, -1e-12, -1e-3, -0.5, -math.log(2), -0.7, -5.0, -36.9, -37.1, math.log(1e-30), -400.0]


@pytest.mark.parametrize("num_samples", [1, 2, 100, 10**6])
def test_equals_decimals(num_samples):
    got = ExtractionItems(logprob=np.asarray(LOGS)).extraction_probability(num_samples)
    wanted = [in_fifty_digits(logprob, num_samples) for logprob in LOGS]
    np.testing.assert_allclose(got, wanted, rtol=1e-13)


def test_known_ends():
    items = ExtractionItems(logprob=np.asarray([0.0, -math.inf, math.log(1e-30), -800.0]))
    got = items.extraction_probability(10**6)
    assert got[:2].tolist() == [1.0, 0.0]
    assert got[2] == pytest.approx(1e-24, rel=1e-12)
    assert ExtractionItems(logprob=np.asarray([-800.0])).extraction_probability(10**60)[0] == pytest.approx(
        math.exp(60 * math.log(10) - 800.0), rel=1e-11
    ), "q itself is below the smallest float"
    assert items.extraction_probability(10**300)[2] == 1.0


def test_one_sample_is_the_probability_itself_and_more_samples_never_lower_it():
    logprobs = np.linspace(-60.0, 0.0, 200)
    items = ExtractionItems(logprob=logprobs)
    np.testing.assert_allclose(items.extraction_probability(1), np.exp(logprobs), rtol=1e-13)
    few, many = items.extraction_probability(10), items.extraction_probability(11)
    assert (few <= many).all()
    assert (np.diff(few) >= 0).all()


def test_an_answer_is_the_sum_of_its_tokens():
    items = extraction_items([[-0.5, -0.25], [0.0, 5e-4], [-math.inf, -1.0]])
    assert items.logprob.tolist() == [-0.75, 0.0, -math.inf]  # half precision may round a certainty above 0


def test_summary_is_the_mean_over_items_and_counts_persons():
    items = ExtractionItems(logprob=np.log([0.5, 0.1, 0.9, 1e-9]))
    found = extraction_summary(items, num_samples=2, probability=0.75, persona_id=["a", "a", "b", "c"])
    chances = [1 - 0.5**2, 1 - 0.9**2, 1 - 0.1**2, 2e-9]
    assert found["extraction_probability"] == pytest.approx(sum(chances) / 4)
    assert found["discoverable"] == 0.5
    naive = extraction_summary(items, num_samples=2, probability=0.75)
    assert naive["extraction_probability_ci_low"] != found["extraction_probability_ci_low"]


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([], "No items"),
        ([[-1.0], []], "Row 1: logprobs of shape"),
        ([[-1.0], [math.nan]], "Row 1: token 0 has a log-probability of nan"),
        ([[-1.0, 0.7]], "Row 0: token 1 has a log-probability of 0.7"),
        ([["a"]], "Row 0: logprobs"),
        ([-1.0], "Row 0: logprobs of shape"),
    ],
)
def test_bad_rows_are_named(rows, named):
    with pytest.raises(ValueError, match=named):
        extraction_items(rows)


def test_lengths_that_differ_from_the_answers_are_named():
    with pytest.raises(ValueError, match="Row 1: 1 logprobs for an answer of 2 tokens"):
        extraction_items([[-1.0], [-1.0]], num_tokens=[1, 2])
    with pytest.raises(ValueError, match="1 lists of logprobs for 2 answers"):
        extraction_items([[-1.0]], num_tokens=[1, 2])


@pytest.mark.parametrize("samples", [0, -3, 1.5, True, None])
def test_a_number_of_samples_that_is_none(samples):
    with pytest.raises(ValueError, match="num_samples="):
        extraction_items([[-1.0]]).extraction_probability(samples)


@pytest.mark.parametrize("probability", [0.0, 1.0, 1.1, math.nan])
def test_a_probability_that_is_none(probability):
    with pytest.raises(ValueError, match="probability="):
        extraction_summary(extraction_items([[-1.0]]), num_samples=1, probability=probability)
