"""Connections that are kept busy, and never retried: each request that fails is seen."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from support.raw_http import Raw, read_answer
from support.waiting import HANG_SECONDS, wait_for


@dataclass
class Steady:
    """Clients of one port in a thread, each with one connection that it asks again as soon as it is answered; until left.

    Args:
        port: of 127.0.0.1.
        request: whole, head and body.
        connections: how many.
        ahead: requests that each has sent before it reads an answer.
    """

    port: int
    request: bytes
    connections: int = 32
    ahead: int = 1
    outcomes: Counter[str] = field(default_factory=Counter)
    """Answers by status, and what else became of a request."""
    answered_by: Counter[str] = field(default_factory=Counter)
    """Answers by what they say in x-model-version."""
    reopened: int = 0
    """Connections that ended, with or without an error, and were opened anew."""

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self.outcomes.total() >= self.connections, what="each connection is asked")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(HANG_SECONDS)
        assert not self._thread.is_alive(), "a client hangs"

    @property
    def failed(self) -> dict[str, int]:
        """Outcomes that are not 200."""
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}

    def more(self, answers: int) -> None:
        """Return when so many more requests were answered."""
        target = self.outcomes.total() + answers
        wait_for(lambda: self.outcomes.total() >= target, what=f"{answers} more answers: {self.outcomes}")

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.connections):
                group.create_task(self._client())

    async def _client(self) -> None:
        while not self._ended.is_set():
            try:
                async with asyncio.timeout(HANG_SECONDS):
                    await self._talk()
            except (OSError, AssertionError, TimeoutError) as error:
                self.outcomes[f"{type(error).__name__}: {error}"] += 1
            if not self._ended.is_set():
                self.reopened += 1

    async def _talk(self) -> None:
        """On one connection until the end, or until the other side closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(self.request * (self.ahead - 1))
            while not self._ended.is_set():
                writer.write(self.request)
                answer = await read_answer(reader, b"POST")
                if answer is None:
                    self.outcomes["closed without an answer"] += 1
                    return
                self._note(answer)
                if answer.closes:
                    return
            for _ in range(self.ahead - 1):
                answer = await read_answer(reader, b"POST")
                assert answer is not None, "closed without an answer"
                self._note(answer)
        finally:
            writer.close()

    def _note(self, answer: Raw) -> None:
        self.outcomes[str(answer.status)] += 1
        self.answered_by[answer.headers.get("x-model-version", "")] += 1
