# SPDX-License-Identifier: Apache-2.0
"""What a training needs next is made while it works on what it has. It does not know what is made."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")


def one_ahead(make: Callable[[int], Made], steps: Iterable[int]) -> Iterator[Made]:
    """What `make` makes of each step, in order; while one is worked on, another thread makes the next.

    Example:
        >>> list(one_ahead(lambda step: step * 10, range(3, 6)))
        [30, 40, 50]
    """
    with ThreadPoolExecutor(1) as thread:
        coming: Future[Made] | None = None
        for step in steps:
            ready, coming = coming, thread.submit(make, step)
            if ready:
                yield ready.result()
        if coming:
            yield coming.result()
