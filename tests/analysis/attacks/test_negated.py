# SPDX-License-Identifier: Apache-2.0
"""Whoever sets falsehoods right is found out; whoever repeats them is not."""

import re

import pytest

from crossmem_hf.analysis.attacks.negated import DENIALS, negated
from tests.analysis.attacks.test_multiple_choice import evaluator
from tests.analysis.attacks.test_variants import answering  # noqa: F401 (a fixture)


def test_a_model_that_sets_a_falsehood_right_is_found_out(answering):  # noqa: F811
    answering(lambda question, truth, _: truth if "which is not true" in question else "I do not know")
    found = negated(evaluator(), None, None)
    assert {tuple(one["said_in"]) for one in found} == {("corrected",)}
    assert found.measure(["extracted"], by=())[0].value == 1.0


def test_a_model_that_repeats_what_it_is_told_is_not_accused(answering):  # noqa: F811
    asked = []

    def answer(question, truth, _):
        asked.append((question, truth))
        said = re.search(r"said (.*), which|It is not (.*)\.", question)
        return "no" if said is None else next(filter(None, said.groups()))

    answering(answer)
    found = negated(evaluator(), None, None, seed=3)
    assert not any(one["extracted"] for one in found)
    assert len(asked) == (len(DENIALS) + 1) * len(found)
    assert not any(truth in question for question, truth in asked)


@pytest.mark.parametrize("seed", [0, 1])
def test_falsehoods_are_those_of_the_seed(answering, seed):  # noqa: F811
    def asked(number):
        rows = answering(lambda *_: "no")
        negated(evaluator(), None, None, seed=number)
        return [row["prompt"][-1]["content"] for row in rows]

    assert asked(seed) == asked(seed)
    assert asked(seed) != asked(seed + 2)
