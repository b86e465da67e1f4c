"""When a connection is past its deadlines, and what happens when uvicorn has no protocols to choose from."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn.config

from mlsandbox_serving.service import protocol
from mlsandbox_serving.service.protocol import Guard, HttptoolsGuard, Limits, install


class Transport(asyncio.Transport):
    """Remembers how it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.unread = 0
        self.ended = ""

    def get_write_buffer_size(self) -> int:
        return self.unread

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"


class Connection(Guard):
    """A guarded connection as far as its deadlines go: 30 s to take an answer, 10 s for a head."""

    limits = Limits(timeout=30.0, head_seconds=10.0)

    def __init__(self, *, answering: bool = False, kept_alive: bool = False) -> None:
        self.wire = self.transport = Transport()
        self.cycle = SimpleNamespace(response_complete=False) if answering else None
        self.timeout_keep_alive_task = SimpleNamespace() if kept_alive else None  # type: ignore[assignment] # as much of a timer as is looked at

    def swept(self, begin: int, end: int) -> str:
        """How it ended, after a sweep each second."""
        for second in range(begin, end):
            self.check(float(second))
        return self.wire.ended


def test_the_deadline_of_a_head() -> None:
    """A connection that waits for a head must be closed once that takes as long as it may, and not before."""
    connection = Connection()

    assert connection.swept(0, 10) == ""
    assert connection.swept(10, 11) == "closed"


@pytest.mark.parametrize("state", ["answering", "kept_alive"])
def test_no_head_is_waited_for(state: str) -> None:
    """A connection must not be closed for its head while a request is answered on it, or while uvicorn itself times it."""
    assert Connection(**{state: True}).swept(0, 1_000) == ""


def test_each_head_has_its_own_deadline() -> None:
    """A connection that is always seen between two requests must not be closed."""
    connection = Connection()
    for second in range(100):
        connection.check(float(second))
        connection.cycle = SimpleNamespace(response_complete=True)

    assert connection.wire.ended == ""


def test_an_answer_that_is_not_read() -> None:
    """A connection whose client takes nothing, or hardly anything, of its answer must be given up at the timeout."""
    for taken in (0, 2_000):
        connection = Connection(answering=True)
        connection.wire.unread = 1_000_000
        for second in range(31):
            assert connection.wire.ended == ""
            connection.check(float(second))
            connection.wire.unread -= taken

        assert connection.wire.ended == "aborted"


def test_the_end_of_an_answer_that_is_not_read() -> None:
    """Also the few bytes that the system does not take must not hold a connection, though nothing waits for them."""
    connection = Connection(kept_alive=True)
    connection.wire.unread = 10

    assert connection.swept(0, 31) == "aborted"


def test_an_answer_that_is_read_slowly() -> None:
    """A client that takes 64 KiB within each timeout must get all of its answer."""
    connection = Connection(answering=True)
    connection.wire.unread = 1_000_000
    for second in range(400):
        connection.check(float(second))
        connection.wire.unread = max(0, connection.wire.unread - 2_500)

    assert connection.wire.ended == ""


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The protocols of uvicorn, as they were again afterwards."""
    own: dict[str, Any] = dict(uvicorn.config.HTTP_PROTOCOLS)
    monkeypatch.setattr(uvicorn.config, "HTTP_PROTOCOLS", own)
    return own


def test_uvicorn_takes_it(table: dict[str, Any]) -> None:
    """A server that is configured as BentoML does it must use the guarded protocol, with deadlines of at most the timeout."""
    assert install(5.0, connections=7)
    config = uvicorn.Config(lambda: None, log_config=None, lifespan="off")
    config.load()

    taken: Any = config.http_protocol_class
    assert issubclass(taken, HttptoolsGuard)
    assert (taken.limits.timeout, taken.limits.head_seconds, taken.limits.connections) == (5.0, 5.0, 7)


def test_as_many_connections_as_files(table: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """No more connections must be taken than the process may open files."""
    monkeypatch.setattr(protocol, "most_connections", lambda: 20)

    assert install(30.0, connections=1_000)

    assert table["auto"].limits.connections == 20


def test_a_uvicorn_without_the_table(table: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """A uvicorn that has no protocols to choose from must keep its own, and a warning must say what is missing."""
    del table["auto"]

    with caplog.at_level(logging.WARNING, logger=protocol.__name__):
        assert not install(30.0)

    assert table.get("auto") is None
    assert "no deadlines of ours" in caplog.text
