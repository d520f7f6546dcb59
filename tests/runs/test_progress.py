# SPDX-License-Identifier: Apache-2.0
"""A bar says how much of how much is done, and what is going on."""

from io import StringIO

import pytest
from rich.console import Console

from crossmem_hf.runs.progress import Bars, progress_bar


@pytest.fixture
def console():
    return Console(file=StringIO(), width=200)


def last_lines(console):
    return [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]


def test_bars_show_counts_shares_and_notes(console):
    with Bars(console) as bars:
        rows = bars.add("Writing", 8, done=2, unit="rows")
        job = bars.add("job", 1.0)
        unknown = bars.add("Looking", None, unit="rows")
        hidden = bars.add("hidden", 1.0, visible=False)
        rows.advance(3)
        rows.advance()
        job.to(0.25, "training 5/20")
        unknown.to(3)
        hidden.to(0.5, visible=False)
    shown = last_lines(console)
    assert len(shown) == 3
    assert "Writing" in shown[0]
    assert "6/8 rows" in shown[0]
    assert "rows/s" in shown[0]
    assert "25%" in shown[1]
    assert "training 5/20" in shown[1]
    assert "3 rows" in shown[2]


def test_bars_that_are_not_shown_write_nothing(console):
    with Bars(console, shown=False) as bars:
        bars.add("Writing", 8, unit="rows").to(8)
    assert console.file.getvalue() == ""


def test_progress_bar_writes_to_standard_error(capfd):
    with progress_bar("Writing", 4, unit="people") as bar:
        bar.to(4)
    captured = capfd.readouterr()
    assert "4/4 people" in captured.err
    assert captured.out == ""
    with progress_bar("Writing", 4, shown=False) as bar:
        bar.to(4)
    assert capfd.readouterr().err == ""
