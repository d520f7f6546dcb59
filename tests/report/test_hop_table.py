# SPDX-License-Identifier: Apache-2.0
"""The table of two links: each number in its place, and nothing of other bases."""

from crossmem_hf.report.hop_table import hop_table
from tests.report.test_record import measurement


def placed(value, asked="fact", metric="recall", **more):
    where = {"base": "micro-m", "mix": "atomic", "source": "image", "target": "text", "asked": asked, "views": "test"}
    unit = "proportion" if metric == "recall" else "nats a token"
    return measurement(metric, where=where | more, value=value, ci=None, chance=None, unit=unit)


def test_links_stand_beside_both_at_once():
    found = [
        placed(0.04),
        placed(3.2, metric="answer_loss"),
        placed(0.03, views="far"),
        placed(0.97, "fact of name"),
        placed(0.6, mix="chained"),
        placed(0.5, base="micro-s"),
    ]
    table = hop_table(found, "micro-m")
    assert table.heads == ("names learned from", "asked in", "views", "asked for", "atomic", "chained")
    assert table.rows[:3] == (
        ("image", "text", "test", "fact", "4", "60"),
        ("image", "text", "test", "fact of name", "97", "–"),
        ("image", "text", "far", "fact", "3", "–"),
    )


def test_without_such_measurements_there_is_no_table():
    assert hop_table([measurement("recall", where={"base": "micro-m"})], "micro-m") is None
    assert hop_table([placed(0.5, base="micro-s")], "micro-m") is None
