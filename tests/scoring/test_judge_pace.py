# SPDX-License-Identifier: Apache-2.0
"""Pace and pauses of the judge, without any server."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from crossmem_hf.scoring.judge_pace import Pace, retry_after


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def starts(pace, clock, number):
    """When each of `number` requests starts if everybody asks for a turn as soon as it makes sense."""
    found = []
    while len(found) < number:
        wait = pace.turn()
        if wait == 0:
            found.append(clock.now)
        clock.now += wait
    return found


def test_turns_are_evenly_spaced():
    clock = Clock()
    assert starts(Pace(120, clock), clock, 5) == pytest.approx([100.0, 100.5, 101.0, 101.5, 102.0])


def test_time_that_passes_unused_is_not_saved_up():
    clock = Clock()
    pace = Pace(60, clock)
    assert pace.turn() == 0
    clock.now += 30
    assert starts(pace, clock, 3) == pytest.approx([130.0, 131.0, 132.0])


def test_without_a_limit_nobody_waits_except_on_hold():
    clock = Clock()
    pace = Pace(None, clock)
    assert starts(pace, clock, 3) == [100.0] * 3
    pace.hold(7.0)
    pace.hold(2.0)
    assert pace.turn() == 7.0
    assert starts(pace, clock, 2) == [107.0] * 2


def test_a_hold_reaches_those_who_wait_already():
    clock = Clock()
    pace = Pace(60, clock)
    assert pace.turn() == 0
    assert pace.turn() == 1.0
    pace.hold(5.0)
    clock.now += 1.0
    assert pace.turn() == 4.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), (" 0.25 ", 0.25), ("", 0.0), ("-4", 0.0), ("nan", 0.0), ("inf", 0.0), ("later", 0.0),
     ("Fri, 99 Foo 2026 99:99:99 GMT", 0.0), ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after(header, seconds):
    assert retry_after(header) == seconds


def test_retry_after_a_date():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 60 < retry_after(soon) <= 90
