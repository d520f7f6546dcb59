# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from crossmem_hf.data.noisy_labels import noisy_labels
from crossmem_hf.errors import CrossmemError

LABELS = [row % 6 for row in range(1600)]


@pytest.mark.parametrize(
    ("rows", "share", "count"), [(16000, 0.01, 160), (4280, 0.01, 42), (1600, 0.29, 464), (100, 0.29, 29), (10, 1, 10)]
)
def test_number_of_noisy_labels_is_exact(rows, share, count):
    """0.29 of 100 rows are 29, although 100 * 0.29 is a little less as floating-point numbers."""
    labels = [row % 6 for row in range(rows)]
    noisy, places = noisy_labels(labels, share, 6, seed=3)
    assert len(places) == len(set(places)) == count
    assert [row for row in range(rows) if noisy[row] != labels[row]] == places == sorted(places)


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
def test_noise_of_one_class_is_a_share_of_all_rows(share):
    noisy, places = noisy_labels(LABELS, share, 6, seed=0, only_class=5)
    assert len(places) == round(share * len(LABELS))
    assert {LABELS[row] for row in places} == {5}
    assert 5 not in {noisy[row] for row in places}


def test_noise_is_even_over_rows_and_over_other_classes():
    labels = [row % 6 for row in range(12000)]
    noisy, places = noisy_labels(labels, 0.5, 6, seed=1)
    pairs = Counter((labels[row], noisy[row]) for row in places)
    assert len(pairs) == 30
    assert all(120 < count < 280 for count in pairs.values()), "200 each, plus or minus six standard deviations"


def test_larger_shares_hold_the_smaller_ones():
    drawn = [noisy_labels(LABELS, share, 6, seed=2) for share in (0.0, 0.01, 0.02, 0.05, 1.0)]
    for (fewer, few), (more, many) in pairwise(drawn):
        assert set(few) < set(many)
        assert all(fewer[row] == more[row] for row in few)
    assert drawn[0] == (LABELS, [])


def test_seed_decides_and_arrays_are_taken_too():
    first = noisy_labels(LABELS, 0.05, 6, seed=0)
    assert first == noisy_labels(np.asarray(LABELS), 0.05, 6, seed=0) == noisy_labels(tuple(LABELS), 0.05, 6, seed=0)
    assert first[1] != noisy_labels(LABELS, 0.05, 6, seed=1)[1]
    assert first[1][:5] == [1, 16, 19, 23, 64], "the same on every machine"


@pytest.mark.parametrize(
    ("labels", "share", "classes", "only", "message"),
    [
        (LABELS, 0.2, 6, 5, "is 320 noisy labels; expected 1 to 266, the rows of class 5"),
        ([0, 1], 0.1, 2, None, "is 0 noisy labels"),
        ([], 0.1, 2, None, "is 0 noisy labels"),
        ([0, 2], 0.5, 2, None, "Row 1: label 2"),
        ([0, -1], 0.5, 2, None, "Row 1: label -1"),
        ([0, 1.0], 0.5, 2, None, r"Row 1: label 1\.0"),
        (LABELS, 1.01, 6, None, r"share=1\.01"),
        (LABELS, True, 6, None, "share=True"),
        (LABELS, float("nan"), 6, None, "share=nan"),
        ([0, 0], 0.5, 1, None, "num_classes=1"),
        (LABELS, 0.01, 6, 6, "only_class=6"),
    ],
)
def test_noise_that_cannot_be(labels, share, classes, only, message):
    with pytest.raises(CrossmemError, match=message):
        noisy_labels(labels, share, classes, 0, only)
