# SPDX-License-Identifier: Apache-2.0
"""When the next request may be sent: a rate for all threads, and the pauses that a server asks for. It does not know
what is requested."""

import math
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime


class Pace:
    """When the next request may be sent; shared by all threads.

    Args:
        requests_per_minute: Requests start at least 60 divided by this many seconds apart; None sets no limit.
        clock: Seconds that only grow.

    Example:
        >>> pace = Pace(120, clock=lambda: 10.0)
        >>> pace.turn(), pace.turn()
        (0.0, 0.5)
    """

    def __init__(self, requests_per_minute: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._clock = clock
        self._next = -math.inf
        self._lock = threading.Lock()

    def turn(self) -> float:
        """0 if the caller may send now, which takes the turn; otherwise seconds until it is worth asking again."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                return self._next - now
            self._next = now + self._gap
            return 0.0

    def hold(self, seconds: float) -> None:
        """Nobody sends for so long."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


def retry_after(header: str) -> float:
    """Seconds that a Retry-After header asks for, given as a number or as a date; 0 if it is empty or makes no sense.

    Example:
        >>> retry_after("2.5"), retry_after("soon"), retry_after("Wed, 21 Oct 2015 07:28:00 GMT")
        (2.5, 0.0, 0.0)
    """
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
