# SPDX-License-Identifier: Apache-2.0
"""Who is kept, on planted vectors."""

import math

import pytest

from crossmem_hf.errors import CrossmemError
from crossmem_hf.rendering.faces.identity import Anchors, apart, check_threshold


def at(degrees):
    """A unit vector in the plane."""
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


ANCHORS = Anchors({"ann": at(0), "bob": at(90), "cid": at(180)})
HALF = math.cos(math.radians(60))


@pytest.mark.parametrize(
    ("degrees", "verdict", "nearest"),
    [
        (10, "kept", "bob"),
        (-10, "kept", "bob"),
        (59, "lookalike", "bob"),  # 31 degrees from bob, too
        (61, "unlike", "bob"),
        (90, "unlike", "bob"),
        (-61, "unlike", "cid"),
        (180, "unlike", "cid"),
    ],
)
def test_a_view_is_like_its_anchor_and_like_nobody_else(degrees, verdict, nearest):
    like = ANCHORS.compare("ann", at(degrees), HALF)
    assert (like.verdict, like.own) == (verdict, pytest.approx(math.cos(math.radians(degrees))))
    if abs(degrees) != 10 or degrees > 0:
        assert like.nearest == nearest


def test_the_threshold_itself_is_neither_like_nor_unlike_enough():
    """A view must be above it for its own anchor and below it for others."""
    anchors = Anchors({"ann": [1.0, 0.0], "bob": [0.0, 1.0]})
    view = [0.8, 0.6]
    assert anchors.compare("ann", view, 0.8).verdict == "unlike"
    assert anchors.compare("ann", view, 0.6).verdict == "lookalike"
    assert anchors.compare("ann", view, 0.7).verdict == "kept"


def test_scores_are_those_of_the_nearest_other():
    like = ANCHORS.compare("bob", at(100), 0.9)
    assert (like.verdict, like.nearest) == ("kept", "cid")
    assert like.others == pytest.approx(math.cos(math.radians(80)))
    assert ANCHORS.compare("bob", at(100), 0.9) == like  # comparing changes nothing


def test_somebody_alone_is_compared_with_the_own_anchor_only():
    like = Anchors({"ann": at(0)}).compare("ann", at(10), 0.5)
    assert (like.verdict, like.others, like.nearest) == ("kept", None, None)


def test_anchors_are_decided_in_order_against_all_that_stay():
    found = apart({"old": at(0)}, {"a": at(50), "b": at(60), "c": at(100), "d": at(-80), "e": at(-70)}, 0.5)
    # a is 50 degrees from old; so b is compared with old (60 degrees: 0.5, not below) and dropped, too
    assert found == {"a": "old", "b": "old", "c": None, "d": None, "e": "d"}


def test_a_dropped_candidate_bars_nobody():
    assert apart({}, {"a": at(0), "b": at(30), "c": at(65)}, 0.5) == {"a": None, "b": "a", "c": None}
    assert apart({"a": at(0)}, {}, 0.5) == {}


def test_vectors_must_be_unit_and_of_one_length():
    with pytest.raises(CrossmemError, match="has length 2; expected 1"):
        Anchors({"a": [2.0, 0.0]})
    with pytest.raises(CrossmemError, match=r"\[2, 3\] numbers"):
        Anchors({"a": [1.0, 0.0], "b": [1.0, 0.0, 0.0]})
    with pytest.raises(CrossmemError, match=r"\[\] numbers"):
        Anchors({})


@pytest.mark.parametrize("threshold", [1, -1, 1.5, True, "0.5", math.nan])
def test_a_threshold_is_a_cosine(threshold):
    with pytest.raises(CrossmemError, match="expected a cosine"):
        check_threshold(threshold)
