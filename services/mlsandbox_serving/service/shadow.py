"""Copies of requests that the champion has answered, for a challenger: bounded in number, bytes and time, and dropped past that.

Nothing here is waited for by a request. A copy is kept only while there is room, sent by a few tasks, and compared where it holds up
nobody: small answers in the event loop, larger ones in a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Final

from mlsandbox_serving.contract import Header
from mlsandbox_serving.service.breaker import Breaker
from mlsandbox_serving.service.challenger_measures import ChallengerMeasures, Mode, Result
from mlsandbox_serving.service.exchange import SMALL_BODY
from mlsandbox_serving.service.link import Belongs, Link, Reply, Trouble
from mlsandbox_serving.service.shadow_rows import Tolerance, Unreadable, Written, compared
from mlsandbox_serving.service.throttle import Throttle

_log = logging.getLogger(__name__)
_BYTES_A_TOKEN: Final = 16_384
_HEAD: Final = 65_536
"""Bytes that an answer may have beyond twice the champion's."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What copies may take of a worker."""

    waiting: int = 64
    """Copies that wait."""
    waiting_bytes: int = 8 * 1024 * 1024
    """Of these, with the champion's answers."""
    copy_bytes: int = 1024 * 1024
    """Of one copy, with the champion's answer."""
    at_once: int = 4
    """Copies that are asked."""
    seconds: float = 5.0
    """That a challenger has for one."""
    per_second: float = 500.0
    """Copies; one counts once more for each 16 KiB. What they take of the event loop's time is bounded by that."""
    burst: int = 100
    """Copies that may come at once."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A request and what the champion answered."""

    head: bytes
    body: bytes
    answer: Written
    belongs: Belongs
    """Whether an answer is the challenger's to this request."""

    @property
    def size(self) -> int:
        """Bytes that are kept of it."""
        return len(self.head) + len(self.body) + len(self.answer.body)


class Shadow:
    """Sends copies to one challenger.

    Args:
        link: the way to it.
        version: that answers there, as its answers say.
        measures: count what becomes of copies.
        tolerance: how far numbers may be from the champion's; None for classes.
        bounds: of all copies.
    """

    def __init__(self, link: Link, version: str, measures: ChallengerMeasures, tolerance: Tolerance | None, bounds: Bounds) -> None:
        self._link = link
        self._version = version
        self._measures = measures
        self._tolerance = tolerance
        self._bounds = bounds
        self._breaker = Breaker()
        self._throttle = Throttle(bounds.per_second, bounds.burst)
        self._waiting: deque[Copy] = deque()
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._told = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """Copies that no task has taken yet."""
        return len(self._waiting)

    def has_room(self, size: int) -> bool:
        """Whether a copy of so many bytes may be offered; one that may not is counted as dropped."""
        if (
            self._closed
            or size > self._bounds.copy_bytes
            or self._is_full(size)
            or not self._throttle.passes(1 + size // _BYTES_A_TOKEN)
            or not self._breaker.passes()
        ):
            self._measures.count(Mode.SHADOW, Result.DROPPED)
            return False
        return True

    def offer(self, copy: Copy) -> None:
        """Send it, now or later, if there is room still: others may have come since `has_room`."""
        if self._closed or self._is_full(copy.size):
            self._measures.count(Mode.SHADOW, Result.DROPPED)
            return
        self._waiting.append(copy)
        self._bytes += copy.size
        if len(self._tasks) < self._bounds.at_once:
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_full(self, size: int) -> bool:
        return len(self._waiting) >= self._bounds.waiting or self._bytes + size > self._bounds.waiting_bytes

    async def close(self) -> None:
        """Drop what waits, and give up what is asked."""
        self._closed = True
        self._drop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            copy = self._waiting.popleft()
            self._bytes -= copy.size
            try:
                result = await self._sent(copy)
            except Exception as error:  # noqa: BLE001 - the next one may go well
                self._tell_once(type(error).__name__)
                result = Result.FAILED
            self._measures.count(Mode.SHADOW, result)
            if result in {Result.FAILED, Result.TIMEOUT}:
                self._breaker.failed()
                if self._breaker.is_open:
                    self._drop()
            else:
                self._breaker.worked()

    async def _sent(self, copy: Copy) -> Result:
        """What became of a copy."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        most = 2 * len(copy.answer.body) + _HEAD
        reply = await self._link.ask(copy.head, copy.body, seconds=self._bounds.seconds, most=most, belongs=copy.belongs)
        if isinstance(reply, Trouble):
            return Result(reply.value)
        if 400 <= reply.status < 500:
            return Result.REFUSED
        if not is_answer_of(reply, self._version):
            return Result.FAILED
        self._measures.took(Mode.SHADOW, loop.time() - began)
        theirs = Written(reply.headers.get("content-type", ""), reply.body, reply.headers)
        try:
            if len(copy.answer.body) + len(reply.body) <= SMALL_BODY:
                same, different = compared(copy.answer, theirs, self._tolerance)
            else:
                same, different = await asyncio.to_thread(compared, copy.answer, theirs, self._tolerance)
        except Unreadable as error:
            self._tell_once(str(error))
            return Result.FAILED
        self._measures.compared(same, different)
        return Result.ANSWERED

    def _tell_once(self, why: str) -> None:
        if not self._told:
            self._told = True
            _log.warning("an answer of the challenger %s cannot be compared: %s", self._version, why)

    def _drop(self) -> None:
        for _ in self._waiting:
            self._measures.count(Mode.SHADOW, Result.DROPPED)
        self._waiting.clear()
        self._bytes = 0


def is_answer_of(reply: Reply, version: str) -> bool:
    """Whether it is an answer, of this version: another program may have its port by now."""
    return reply.status == 200 and reply.headers.get(Header.MODEL_VERSION) == version
