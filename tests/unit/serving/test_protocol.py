"""When a connection is past its deadlines, and what happens when uvicorn has no protocols to choose from."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import uvicorn.config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlsandbox_serving.service import guard, protocol
from mlsandbox_serving.service.express import Express
from mlsandbox_serving.service.guard import Guard
from mlsandbox_serving.service.protocol import HttptoolsGuard, install
from mlsandbox_serving.service.rehearsal import missing
from support.wire import Connection

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def ended(connection: Connection, seconds: int) -> str:
    """How it ended, after so much time."""
    connection.loop.advance(seconds)
    return connection.wire.ended


def test_the_deadline_of_a_head() -> None:
    """A connection that waits for a head must be closed once that takes as long as it may, and not before."""
    connection = Connection()

    assert ended(connection, 10) == ""
    assert ended(connection, 1) == "closed"


def test_no_head_is_waited_for_while_a_request_is_answered() -> None:
    """A connection must not be closed for its head while a request is answered on it."""
    connection = Connection()
    connection.receive(GET)

    assert ended(connection, 1_000) == ""


def test_no_head_is_waited_for_while_uvicorn_does() -> None:
    """A connection must not be closed for its head while uvicorn itself times it."""
    connection = Connection(keep_alive=900)
    connection.receive(GET)
    connection.answer()

    assert ended(connection, 899) == ""
    assert ended(connection, 1) == "closed"


def test_each_head_has_its_own_deadline() -> None:
    """A connection that is always seen between two requests, in the middle of a head, must not be closed."""
    connection = Connection()
    for _ in range(100):
        connection.receive(GET)
        connection.answer()
        connection.receive(GET[:5])
        assert ended(connection, 1) == ""
        connection.receive(GET[5:])
        connection.answer()


def test_an_answer_that_is_not_read() -> None:
    """A connection whose client takes nothing, or hardly anything, of its answer must be given up at the timeout."""
    for taken in (0, 2_000):
        connection = Connection()
        connection.receive(GET)
        connection.wire.unread = 1_000_000
        for _ in range(30):
            assert ended(connection, 1) == ""
            connection.wire.unread -= taken

        assert ended(connection, 1) == "aborted"


def test_the_end_of_an_answer_that_is_not_read() -> None:
    """Also the few bytes that the system does not take must not hold a connection, though nothing waits for them."""
    connection = Connection(keep_alive=900)
    connection.receive(GET)
    connection.answer()
    connection.wire.unread = 10

    assert ended(connection, 31) == "aborted"


def test_an_answer_that_is_read_slowly() -> None:
    """A client that takes 64 KiB within each timeout must get all of its answer."""
    connection = Connection()
    connection.receive(GET)
    connection.wire.unread = 1_000_000
    for _ in range(400):
        connection.loop.advance(1)
        connection.wire.unread = max(0, connection.wire.unread - 2_500)

    assert connection.wire.ended == ""


def test_a_fault_at_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    """A connection whose deadlines cannot be looked at must be cut off, with one line; all others must keep theirs."""
    connection = Connection()
    others = [connection.another() for _ in range(3)]
    for _, wire in others[:2]:
        wire.get_write_buffer_size = lambda: 1 // 0  # type: ignore[method-assign] # what nobody has thought of

    connection.loop.advance(5)
    assert [wire.ended for _, wire in others] == ["aborted", "aborted", ""]
    connection.loop.advance(6)

    assert (connection.wire.ended, others[2][1].ended) == ("closed", "closed")
    assert [record.levelname for record in caplog.records if record.name == guard.__name__] == ["ERROR"]


def test_those_who_wait_are_told_that_their_client_is_gone() -> None:
    """When a connection is lost, the request that is worked on must know it, also with others behind it: writing raises then."""
    connection = Connection()
    connection.receive(GET)
    first = connection.protocol.cycle
    connection.receive(GET + GET)
    connection.lose()

    assert first.disconnected
    assert first.message_event.is_set()


def test_a_head_without_an_end_behind_a_request_that_was_answered_early() -> None:
    """Also behind a body that nobody waited for a head must be bounded."""
    connection = Connection()
    connection.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
    connection.answer()
    connection.receive(b"{}GET / HTTP/1.1\r\nHost: a\r\n")
    for _ in range(100):
        if not connection.wire.ended:
            connection.receive(b"X: a\r\n" * 250)

    assert connection.wire.written.startswith(b"HTTP/1.1 431 ")
    assert connection.wire.ended == "closed"


def test_nothing_is_written_behind_the_end() -> None:
    """What cannot be read on a connection that is being closed must be left alone."""
    connection = Connection()
    connection.wire.close()

    connection.receive(GET + b"\x00\x00\r\n\r\n")

    assert (bytes(connection.wire.written), connection.loop.tasks) == (b"", 0)


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


def test_what_is_relied_upon_is_there() -> None:
    """The uvicorn that is installed must have all that is relied upon."""
    assert missing(HttpToolsProtocol, Express.needs) is None
    assert missing(H11Protocol, Guard.needs) is None


class Needy(HttptoolsGuard):
    """Needs what no uvicorn has."""

    needs = (*HttptoolsGuard.needs, "cycle.soul")


def test_a_uvicorn_that_lacks_what_one_guard_needs(table: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """What goes before the guard must be left out when uvicorn lacks what it needs, and a warning must say what that is."""
    with caplog.at_level(logging.WARNING, logger=protocol.__name__):
        assert install(30.0, over_httptools=Needy)

    assert issubclass(table["auto"], HttptoolsGuard)
    assert not issubclass(table["auto"], Needy)
    assert "cycle.soul" in caplog.text


@pytest.mark.parametrize("broken", ["on_response_complete", "_unset_keepalive_if_required", "on_headers_complete"])
def test_a_uvicorn_that_lacks_what_is_needed(
    table: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A uvicorn without what is relied upon, or that fails when it is asked, must keep its own protocol, and a warning must say why."""
    before = table["auto"]
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, logger=protocol.__name__):
        if broken == "on_headers_complete":
            patch.setattr(HttpToolsProtocol, broken, lambda _: 1 // 0)
        else:
            patch.delattr(HttpToolsProtocol, broken)
        assert not install(30.0)

    assert table["auto"] is before
    assert "connections go without" in caplog.text
