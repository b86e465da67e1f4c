"""Deadlines of many requests with one timer: looked at a few times a second, so that none of them costs a timer of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

_SHORTEST: Final = 0.01
_LONGEST: Final = 0.25


class Deadlines:
    """What is to be given up at some time, unless it is done before.

    Args:
        timeout: seconds that are usually given; how often is looked follows from it.
    """

    def __init__(self, timeout: float) -> None:
        self._period = min(max(timeout / 10, _SHORTEST), _LONGEST)
        self._waiting: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: Hashable, at: float, expire: Callable[[], None]) -> None:
        """Call `expire` soon after the loop's time is `at`, unless `key` is discarded before."""
        self._waiting[key] = (at, expire)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._look)

    def discard(self, key: Hashable) -> None:
        """Done in time."""
        self._waiting.pop(key, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        for key, (at, expire) in list(self._waiting.items()):
            if at <= now:
                del self._waiting[key]
                expire()
        if self._waiting:
            self._timer = loop.call_later(self._period, self._look)
