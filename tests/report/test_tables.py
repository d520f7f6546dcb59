# SPDX-License-Identifier: Apache-2.0
"""One table for every reader."""

import csv
import io

import pytest
from rich.console import Console

from crossmem_hf.report.record import Verdict
from crossmem_hf.report.tables import (
    Table,
    csv_text,
    grouped_tables,
    headline_tables,
    measurement_table,
    over_seeds,
    score_table,
    verdict_table,
)
from tests.report.test_record import measurement, record

NASTY = "a|b\n[/bold] <i>"


def test_table_is_escaped_for_each_reader():
    table = Table(("one", "two\nlines"), ((NASTY, "1"),), right=frozenset({1}))
    assert table.markdown() == "| one | two lines |\n| --- | ---: |\n| a\\|b [/bold] <i> | 1 |\n"
    assert "<td>a|b\n[/bold] &lt;i&gt;</td>" in table._repr_html_()
    assert [*csv.reader(io.StringIO(table.csv()))][1] == [NASTY, "1"]
    console = Console(file=io.StringIO(), width=80)
    console.print(Table(("x",), (("[/bold]",),), styles=("dim",)).terminal())
    assert "[/bold]" in console.file.getvalue()


def shown(table, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(table.terminal())
    return console.file.getvalue().splitlines()


def test_table_wider_than_the_console_is_in_parts_and_uncut():
    heads = ("method", "through", *(f"number\n{place}" for place in range(9)), "why")
    rows = tuple((name, "both", *(str(100 + place) for place in range(9)), "words " * 9) for name in ("npo", "rmu"))
    table = Table(heads, rows, right=frozenset(range(2, 11)), wrapped=frozenset({11}))
    for width in (30, 44, 80, 300):
        lines = shown(table, width)
        assert max(map(len, map(str.rstrip, lines))) <= width
        words = " ".join(lines).split()
        assert all(words.count(str(100 + place)) == 2 for place in range(9)), lines
        assert words.count("words") == 18
        assert words.count("npo") == words.count("method") == words.count("rmu")
        assert sum("npo" in line for line in lines) == {30: 6, 44: 4, 80: 2, 300: 1}[width]
        assert "…" not in "".join(lines)


def test_table_as_text_is_aligned():
    table = Table(("name", "first\nsecond"), (("a", "1"), ("bcdefg", "22")), right=frozenset({1}))
    assert str(table).splitlines() == ["name     first", "        second", "a            1", "bcdefg      22"]


def test_over_seeds_keeps_what_is_pooled_and_averages_what_is_not():
    seeds = [measurement(where={"layer": 1, "seed": seed}, value=0.4 + 0.2 * seed, ci=None) for seed in (0, 1)]
    only = measurement("gap", where={"seed": 0})
    (mean, single) = over_seeds([*seeds, only])
    assert (mean.value, mean.n, mean.ci, mean.place, mean.note) == (0.5, 2, None, "layer 1", "mean over seeds")
    assert single == only
    pooled = measurement(where={"layer": 1}, value=0.55)
    assert over_seeds([*seeds, pooled]) == (pooled,)


def test_measurement_table_leaves_out_columns_without_content():
    table = measurement_table([measurement(where={"target": "text"}, chance=0.02), measurement("gap", ci=None)])
    assert table.heads == ("metric", "target", "value", "95 % interval", "n", "chance", "unit")
    assert table.rows[0] == ("recall", "text", "0.5", "0.4 to 0.6", "20", "0.02", "proportion")
    assert table.rows[1] == ("gap", "all", "0.5", "", "20", "", "proportion")
    assert table.right == {2, 3, 4, 5}


def test_grouped_tables_are_one_a_set_of_keys():
    places = [{"target": "text"}, {"target": "image", "seed": 0}, {"layer": 1, "target": "text"}, {}]
    titles = dict(grouped_tables([measurement(where=where) for where in places]))
    assert list(titles) == ["by target", "by target, layer", "of everything"]
    assert len(titles["by target"].rows) == 2


def test_verdict_table_says_what_was_found():
    claim = Verdict(
        sentence="It crosses", paper="arXiv 1", effect=None, ci=None, n=1, threshold=0.1, unit="bits",
        verdict="inconclusive", reason="No seed.",
    )  # fmt: skip
    table = verdict_table([claim])
    assert table.rows == (("It crosses", "arXiv 1", "inconclusive", "–", "–", "0.1", "bits", "1", "No seed."),)


def test_headline_tables_hold_what_was_wanted_and_nothing_where_it_is_missing():
    found = [measurement(where={"stage": stage, "target": "text"}, chance=0.02) for stage in ("base", "memorized")]
    seeds = [measurement(where={"stage": "base", "target": "text", "seed": seed}) for seed in (0, 1)]
    wanted = [("recall", {"stage": "base", "group": None}), ("exposure", {})]
    ((title, table),) = headline_tables(record(*found, *seeds), wanted)
    assert title == "recall (0-1), stage base"
    assert table.heads == ("target", "value", "95 % interval", "n", "chance")
    assert table.rows == (("text", "0.5", "0.4 to 0.6", "20", "0.02"),)
    assert table.right == {1, 2, 3, 4}


def test_score_table_fits_80_columns_with_groups_and_baselines_under_a_metric():
    numbers = {"value": 40.0, "ci": (30.0, 50.0), "chance": 24.09, "unit": "0-100", "greater_means": "more memorized"}
    places = [
        *({}, {"target": "image"}, {"attribute": "name"}, {"model": "base"}, {"model": "memorized"}),
        {"model": "base", "target": "image"},
    ]
    found = [measurement("exposure", where=where, **numbers) for where in places]
    table = score_table(record(*found, measurement("forget_quality", ci=None, value=3e-7, unit="p-value")))
    assert [row[0] for row in table.rows] == [
        *("exposure", "  base", "  memorized", "  target=image", "    base", "forget_quality")
    ]
    assert table.rows[0][1:] == ("40", "30 to 50", "0-100", "20", "24.1", "memorized")
    assert table.rows[-1][1:3] == ("3e-07", "")
    assert max(map(len, str(table).splitlines())) <= 80


def test_csv_holds_every_measurement_in_full():
    third = measurement(where={"target": "text", "seed": 1}, value=1 / 3, ci=(0.1, 1 / 2), greater_is_better=False)
    rows = [*csv.DictReader(io.StringIO(csv_text(record(third, measurement(ci=None)))))]
    assert float(rows[0]["value"]) == 1 / 3
    assert (rows[0]["seed"], rows[0]["ci_high"], rows[0]["greater_is_better"]) == ("1", "0.5", "False")
    assert (rows[1]["target"], rows[1]["ci_low"], rows[1]["chance"]) == ("", "", "")


@pytest.mark.parametrize("method", ["markdown", "csv", "html", "__str__", "terminal"])
def test_table_without_rows_is_heads_alone(method):
    assert getattr(Table(("a", "b"), ()), method)()
