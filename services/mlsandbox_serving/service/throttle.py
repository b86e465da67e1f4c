"""How many of something are let through in a time."""

from __future__ import annotations

import time
from collections.abc import Callable


class Throttle:
    """A bucket of tokens that fills steadily.

    Args:
        rate: let through per second in the long run.
        burst: let through at once after a quiet time.
        clock: seconds, for tests.
    """

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._tokens = self._burst
        self._since = clock()

    def passes(self, cost: float = 1) -> bool:
        """Whether one more is let through now, which counts as so many."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate)
        self._since = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
