"""Clients that go on asking over many connections while something happens to what they ask, and remember what became of each request."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from support.many import Got, Sent, ask_all
from support.waiting import HANG_SECONDS, wait_for

LIMIT: Final = 200_000
"""Requests of one crowd; it ends with them, whoever forgets to end it."""


class Crowd:
    """Posts one body again and again, each time under a request id of its own, in a thread, until left.

    Args:
        port: of the service, on 127.0.0.1.
        body: JSON.
        connections: kept open; each asks again as soon as it is answered.
        path: that is asked.
        name: begins each request id.
    """

    def __init__(self, port: int, body: bytes, *, connections: int, path: str = "/predict", name: str = "r") -> None:
        self.statuses: Counter[int] = Counter()
        """How many requests got which status; 0 for those whose connection ended first."""
        self.answered: list[str] = []
        """Ids of the requests that were answered with 200."""
        self.odd: list[Got] = []
        """The first answers that are no 200."""
        self._port = port
        self._body = body
        self._connections = connections
        self._path = path
        self._name = name
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(HANG_SECONDS)
        if error is None:
            assert not self._thread.is_alive(), "requests hang"
            if self._error is not None:
                raise self._error

    def more(self, count: int) -> None:
        """Wait until so many more requests were answered with 200."""
        wanted = len(self.answered) + count
        wait_for(lambda: len(self.answered) >= wanted or not self._thread.is_alive(), what=f"{count} answers; so far {self.statuses}")
        assert len(self.answered) >= wanted, f"the load ended: {self._error!r} {self.statuses}"

    def go_on(self, seconds: float) -> None:
        """Return after so long, or when the load has ended."""
        self._thread.join(seconds)

    def _requests(self) -> Iterator[Sent]:
        for number in range(LIMIT):
            if self._ended.is_set():
                return
            yield Sent(self._body, self._path, {"content-type": "application/json", "x-request-id": f"{self._name}-{number}"}, number)

    def _run(self) -> None:
        try:
            asyncio.run(self._ask())
        except BaseException as error:  # noqa: BLE001 - told where the block ends
            self._error = error

    async def _ask(self) -> None:
        async for got in ask_all(self._port, self._requests(), connections=self._connections):
            self.statuses[got.status] += 1
            if got.status == 200:
                self.answered.append(f"{self._name}-{got.sent.key}")
            elif len(self.odd) < 20:
                self.odd.append(got)
