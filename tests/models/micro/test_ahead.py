# SPDX-License-Identifier: Apache-2.0
"""What is made ahead comes in order, each thing once, and its errors are raised."""

import threading

import pytest

from crossmem_hf.models.micro.ahead import one_ahead


@pytest.mark.parametrize("steps", [range(3, 7), range(1), range(3, 3)])
def test_what_is_made_ahead_comes_in_order_and_each_once(steps):
    made = []

    def make(step):
        made.append(step)
        return step * 10

    assert list(one_ahead(make, steps)) == [step * 10 for step in steps]
    assert made == list(steps)


def test_the_next_is_made_while_one_is_worked_on():
    second = threading.Event()
    coming = one_ahead(lambda step: second.set() if step else None, range(2))
    next(coming)
    assert second.wait(600), "before it is asked for"


def test_an_error_in_what_is_made_ahead_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(one_ahead(lambda step: 1 // step, range(2)))
