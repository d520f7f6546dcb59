# SPDX-License-Identifier: Apache-2.0
"""Names against faces, on planted vectors: who is accused, and who must not be."""

import math

import numpy as np
import pytest

from crossmem_hf.rendering.faces.agreement import disagreements
from tests.rendering.planted_faces import at

TWENTY = math.cos(math.radians(20))


def found(**personas):
    names = [name for name, directions in personas.items() for _ in directions]
    vectors = [at(degrees) for directions in personas.values() for degrees in directions]
    shared, torn = disagreements(names, vectors, TWENTY)
    return [(one.personas, one.pictures) for one in shared], [(one.person, one.faces) for one in torn]


def test_nobody_is_accused_where_names_and_faces_agree():
    assert found(ann=[0, 5, 10], bob=[90, 80, 85], cid=[180]) == ([], [])
    assert disagreements([], [], TWENTY) == ([], [])


def test_a_chain_of_poses_is_one_face():
    """Its ends are 54 degrees apart, and every picture is near another."""
    assert found(ann=[0, 18, 36, 54], bob=[120]) == ([], [])


def test_two_names_with_one_face():
    assert found(ann=[0, 5], bob=[90], cid=[3, 7, 1]) == ([(("ann", "cid"), ((0, 1), (3, 4, 5)))], [])


def test_the_cosine_told_is_the_mean_of_all_pairs():
    vectors = [at(degrees) for degrees in (0, 8, 4, 13)]
    (one,), _ = disagreements(["ann", "ann", "bob", "bob"], vectors, TWENTY)
    pairs = [float(np.dot(left, right)) for left in vectors[:2] for right in vectors[2:]]
    assert one.cosine == pytest.approx(sum(pairs) / 4)


def test_people_who_are_alike_in_one_picture_only_are_not_one():
    """The nearest pictures are 16 degrees apart; on the whole they are not."""
    assert found(ann=[0, 10, 20], bob=[36, 46, 56]) == ([], [])


def test_one_name_with_two_faces_the_larger_first():
    assert found(ann=[90, 0, 5, 85, 2], bob=[170]) == ([], [("ann", ((1, 2, 4), (0, 3)))])


def test_a_picture_under_the_wrong_name_is_reported_with_the_right_one():
    shared, torn = found(ann=[0, 3, 90], bob=[91, 88])
    assert torn == [("ann", ((0, 1), (2,)))]
    assert shared == [(("ann", "bob"), ((2,), (3, 4)))]
