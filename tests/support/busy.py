"""Clients that keep their connections and ask again and again, and remember who answered when."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Self

from support.waiting import HANG_SECONDS, wait_for


@dataclass(frozen=True)
class Reply:
    """One answer: the text of its body, and when it was asked for and there, in epoch seconds."""

    text: str
    asked: float
    answered: float


@dataclass
class Busy:
    """They ask GET / of a port of this machine, each over one connection, until left."""

    port: int
    clients: int
    replies: list[Reply] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Requests without an answer, answers that are no 200, and connections that were closed."""
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(self.clients)]
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        for each in self._threads:
            each.join(HANG_SECONDS)
        assert not any(each.is_alive() for each in self._threads), "requests hang"

    def more(self, count: int) -> None:
        """Wait until so many more were answered."""
        wanted = len(self.replies) + count
        wait_for(lambda: len(self.replies) >= wanted, what=f"{count} answers; failures so far: {self.failures}")

    def _ask(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=HANG_SECONDS)
        connection.connect()
        while not self._ended.is_set():
            asked = time.time()
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                text = answer.read().decode()
            except (OSError, HTTPException) as error:
                self.failures.append(repr(error))
                return
            if answer.status != HTTPStatus.OK or connection.sock is None:
                self.failures.append(f"{answer.status} {text} {'closed' if connection.sock is None else ''}")
                return
            self.replies.append(Reply(text, asked, time.time()))
            self._ended.wait(0.005)
        connection.close()
