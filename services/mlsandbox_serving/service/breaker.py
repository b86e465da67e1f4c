"""Whether it is worth asking somebody again who failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 3
"""In a row, after which somebody is left alone."""
PAUSE_SECONDS: Final = 1.0
"""For so long; then one request tries, and one more after each further pause until one of them goes well."""


class Breaker:
    """Lets requests through as long as they go well.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the last ones failed."""
        return self._failures >= FAILURES

    def passes(self) -> bool:
        """Whether the next one may be tried."""
        if self._failures < FAILURES:
            return True
        now = self._clock()
        if now < self._until:
            return False
        self._until = now + PAUSE_SECONDS
        return True

    def worked(self) -> None:
        """One went well."""
        self._failures = 0

    def failed(self) -> None:
        """One did not."""
        self._failures += 1
        self._until = self._clock() + PAUSE_SECONDS
