# SPDX-License-Identifier: Apache-2.0
"""Verbatim measures against plain definitions."""

import random
from functools import cache

import pytest

from crossmem_hf.evaluation.verbatim import edit_distance, matching_length
from tests.evaluation.test_measures import ITEMS, lines


def slow_distance(one, other):
    """Levenshtein's recursion."""

    @cache
    def between(i, j):
        if not i or not j:
            return i + j
        return min(between(i - 1, j) + 1, between(i, j - 1) + 1, between(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    return between(len(one), len(other)) / max(len(one), len(other), 1)


def test_edit_distance_is_the_recursion_and_symmetric():
    rng = random.Random(0)
    for _ in range(150):
        one, other = ("".join(rng.choices("abé 😀", k=rng.randrange(12))) for _ in range(2))
        assert edit_distance(one, other) == pytest.approx(slow_distance(one, other))
        assert edit_distance(one, other) == edit_distance(other, one)
        length = matching_length(one, other)
        assert one[:length] == other[:length]
        assert length == min(len(one), len(other)) or one[length] != other[length]


def test_verbatim_by_hand():
    found, columns = lines("verbatim")
    answers = [one["answer"] for one in ITEMS]
    assert answers == ["ada kim.", "I do not know", "Bo Lin", "Ada Kim", "Kim"]
    assert columns["matching_length"] == [0, 0, 0, 7, 0]
    assert columns["verbatim_match"] == [False, False, False, True, False]
    assert columns["edit_distance"] == pytest.approx([slow_distance("Ada Kim", answer) for answer in answers])
    assert found["matching_length", "all"].value == pytest.approx(7 / 5)
    assert found["matching_length", "all"].unit == "characters"
    assert found["verbatim_match", "all"].value == 0.2
    low, high = found["matching_length", "all"].ci
    assert 0 <= low < 7 / 5 < high <= 7


def test_an_answer_that_goes_on_after_the_truth_holds_it_verbatim():
    (item,) = [{**ITEMS[0], "answer": "Ada Kim is the name."}]
    assert lines("verbatim", items=[item])[0]["verbatim_match", "all"].value == 1.0
