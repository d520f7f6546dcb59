# SPDX-License-Identifier: Apache-2.0
"""Every number is listed once, beside the values of single seeds."""

from crossmem_hf.report.listing import listed
from tests.report.test_record import measurement, record


def test_numbers_are_listed_by_metric_with_the_value_of_each_seed():
    place = {"stage": "memorized", "target": "text"}
    seeds = [measurement(where={**place, "seed": seed}, value=0.4 + 0.1 * seed) for seed in (0, 2)]
    one, other = listed(record(measurement(where=place), *seeds, measurement("cost", ci=None, unit="seconds")))
    assert (one.metric, other.metric, other.about) == ("recall", "cost", "seconds")
    assert one.table.heads == ("stage", "target", "value", "95 % interval", "n", "by seed (0, 2)")
    assert one.table.rows == (("memorized", "text", "0.5", "0.4 to 0.6", "20", "0.4 · 0.6"),)
    assert one.table.right == {2, 3, 4}
    assert other.table.heads == ("value", "n")


def test_what_all_numbers_share_stands_in_the_title():
    same, differing = ([measurement(where={"hops": hop}, chance=chance) for hop, chance in pairs] for pairs in (
        ((1, 0.02), (2, 0.02)), ((1, 0.02), (2, 0.1)),
    ))  # fmt: skip
    (one,), (other,) = listed(record(*same)), listed(record(*differing))
    assert one.about.endswith("guessing 0.02")
    assert "guessing" not in one.table.heads
    assert "guessing" not in other.about
    assert [row[other.table.heads.index("guessing")] for row in other.table.rows] == ["0.02", "0.1"]


def test_nothing_is_listed_of_an_empty_record():
    assert listed(record()) == []
