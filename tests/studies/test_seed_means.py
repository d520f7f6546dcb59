# SPDX-License-Identifier: Apache-2.0
"""Means over seeds, and what is no number of a seed."""

import pytest

from crossmem_hf.studies.seed_means import pooled_seeds, seed_mean
from tests.report.test_record import measurement


def of_seed(value, seed, metric="gain"):
    return measurement(metric, where={"rate": 0.5, "seed": seed}, value=value, ci=None, chance=None, unit="proportion")


def test_equal_seeds_set_no_interval_and_others_are_cut_at_bounds():
    assert seed_mean("share", {}, {0: 0.2, 1: 0.2}, unit="proportion").ci is None
    assert seed_mean("share", {}, {0: 0.1, 1: 0.3}, bounds=(0.0, 1.0), unit="proportion").ci == (0.0, 1.0)


def test_seeds_are_pooled_where_they_are_of_one_place():
    whole = measurement("recall", where={"rate": 0.5}, value=0.5, ci=None, chance=None)
    found = list(pooled_seeds([of_seed(0.2, 0), whole, of_seed(0.4, 1), of_seed(0.9, 0, "other")]))
    assert [(one.metric, one.value, one.n, one.where) for one in found[1:]] == [
        ("gain", pytest.approx(0.3), 2, {"rate": 0.5}),
        ("other", 0.9, 1, {"rate": 0.5}),
    ]
    assert found[0] == whole
    assert found[1].by_seed == {0: 0.2, 1: 0.4}


def test_differences_below_zero_keep_their_interval():
    (one,) = pooled_seeds([of_seed(-0.03, 0), of_seed(-0.05, 1)])
    assert one.ci[0] < one.value < one.ci[1]
    (cut,) = pooled_seeds([of_seed(0.03, 0), of_seed(0.05, 1)], {"gain": (0.0, 1.0)})
    assert cut.ci[0] == 0.0
