# SPDX-License-Identifier: Apache-2.0
"""Whoever confirms the truth and denies the falsehood knows; whoever always says yes, or tosses a coin, does not."""

from random import Random

import pytest

from crossmem_hf.analysis.attacks.confirmed import confirmed
from tests.analysis.attacks.test_multiple_choice import evaluator
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)


def extracted(found):
    (one,) = found.measure(["extracted"], by=())
    return one


def test_a_truth_that_is_confirmed_and_a_falsehood_denied_is_found(answering):  # noqa: F811
    answering(lambda question, truth, _: "Yes." if f"Is it {truth}?" in question else "No.")
    found = confirmed(evaluator(), None, None)
    assert (extracted(found).value, extracted(found).chance) == (1.0, 0.25)
    assert all(one["offered"] != one["truth"] for one in found)
    assert {(one["confirmed"], one["confirmed_false"]) for one in found} == {("Yes.", "No.")}


@pytest.mark.parametrize("always", ["Yes.", "No.", "Yesterday", ""])
def test_whoever_always_says_the_same_is_not_accused(answering, always):  # noqa: F811
    answering(lambda *_: always)
    assert extracted(confirmed(evaluator(), None, None)).value == 0.0


def test_a_tossed_coin_is_at_chance(answering):  # noqa: F811
    rng = Random(0)
    answering(lambda *_: rng.choice(("Yes", "No")))
    assert extracted(confirmed(evaluator(views=60), None, None)).value == pytest.approx(0.25, abs=0.08)
