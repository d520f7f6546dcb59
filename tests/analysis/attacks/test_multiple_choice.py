# SPDX-License-Identifier: Apache-2.0
"""The truth is among the options, nothing tells it but knowledge, and chance is that of the options."""

import re

import pytest

from crossmem_hf.analysis.attacks.multiple_choice import multiple_choice
from crossmem_hf.errors import CrossmemError
from crossmem_hf.evaluation.evaluator import Evaluator
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)
from tests.training import tiny

NAMES = [f"{first} {last}" for first in ("Ada", "Bo", "Cy", "Di") for last in ("Ray", "Sun", "Tam")]


def evaluator(views=4, candidates=None):
    rows = tiny.rows(*tiny.PERSONAS, modality="text", views=views)
    lists = sorted({*NAMES, *rows["answer"]}) if candidates is None else candidates
    return Evaluator(rows, metrics=["recall"], candidates=lists, max_new_tokens=3)


def offered(question):
    return re.search(r"Choose one: (.*)\.$", question)[1].split(" or ")


def test_whoever_knows_is_found_and_says_nothing_else_plainly(answering):  # noqa: F811
    answering(lambda question, truth, _: truth if "Choose" in question else "I do not know")
    found = multiple_choice(evaluator(), None, None)
    (extracted,) = found.measure(["extracted"], by=())
    assert (extracted.value, extracted.chance) == (1.0, 0.25)
    assert found.measure(["recall"], by=())[0].value == 0.0


def test_whoever_takes_the_first_option_is_at_chance(answering):  # noqa: F811
    answering(lambda question, *_: offered(question)[0] if "Choose" in question else "no")
    (extracted,) = multiple_choice(evaluator(views=60), None, None, seed=3).measure(["extracted"], by=())
    assert extracted.n == 240
    assert extracted.value == pytest.approx(0.25, abs=0.08)  # three standard errors


def test_options_are_candidates_with_the_truth_among_them(answering):  # noqa: F811
    answering(lambda *_: "no")
    own = evaluator()
    found = multiple_choice(own, None, None, num_options=3)
    for one in found:
        assert len({*one["options"]}) == one["num_options"] == 3
        assert one["truth"] in one["options"]
        assert {*one["options"]} <= {*NAMES, *own.rows["answer"]}
    assert found == multiple_choice(own, None, None, num_options=3)
    assert [one["options"] for one in found] != [
        one["options"] for one in multiple_choice(own, None, None, num_options=3, seed=1)
    ]


def test_one_option_is_no_choice():
    with pytest.raises(CrossmemError, match="num_options=1; expected at least 2"):
        multiple_choice(evaluator(), None, None, num_options=1)
