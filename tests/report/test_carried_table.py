# SPDX-License-Identifier: Apache-2.0
"""The tables of what bases carry: a column a base, names apart from facts, of several records at once."""

from crossmem_hf.report.carried_table import carried_tables
from crossmem_hf.report.record import NEAREST
from tests.report.test_record import measurement, record


def names(base, value, views="test"):
    where = {"base": base, "learned": "names", "source": "text", "target": "image", "views": views}
    return measurement("recall", where=where, value=value, ci=None, chance=None)


def facts(base, value):
    where = {"base": base, "learned": "facts", "source": "image", "target": "text", "hops": 2, "views": "train"}
    return measurement("recall", where=where, value=value, ci=None, chance=None)


def test_bases_of_two_records_stand_side_by_side():
    long = record(measurements=(names("micro-m", 0.8, "far"), names("micro-m", 0.9), names(NEAREST, 0.1)))
    short = record(measurements=(names("micro-l", 0.95),))
    ((title, table),) = carried_tables([long, short], ("micro-m", "micro-l", "micro-s"))
    assert title == "Names"
    assert table.heads == ("learned from", "asked in", "views", NEAREST, "micro-m", "micro-l")
    assert table.rows[:2] == (("text", "image", "test", "10", "90", "95"), ("text", "image", "far", "–", "80", "–"))


def test_facts_have_a_table_of_their_own():
    found = dict(carried_tables([record(measurements=(names("a", 0.9), facts("a", 0.5)))], ("a",)))
    assert found["Private facts, learned from portraits"].rows[0] == ("text", "2", "train", "50")
