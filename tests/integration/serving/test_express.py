"""Predictions over real connections: those taken from the parser are answered as those that go through ASGI, byte for byte."""

from __future__ import annotations

import gc
import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.contract import Env, Field
from support.guarded import read_all, read_reply, replies
from support.served import Laid, fitted, lay, people
from support.service import rows_of
from support.waiting import wait_for
from support.wired import Wired, wired

ROW = json.dumps(rows_of(1)[0]).encode()
JSON = b"Content-Type: application/json"
ROWS = 2_700
"""So many that their answer is larger than what is written without waiting."""
DATE = re.compile(rb"\r\ndate: [^\r]*")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """A package without guarded columns."""
    frame = people()
    return lay(tmp_path_factory.mktemp("plain"), fitted(frame), frame)


@pytest.fixture(scope="module")
def shared(plain: Laid) -> Iterator[Wired]:
    with wired(plain) as server:
        yield server


@pytest.fixture
def server(shared: Wired) -> Wired:
    """One on which nothing has been counted yet."""
    shared.watched.express_requests = 0
    shared.watched.asgi_paths.clear()
    return shared


def post(*headers: bytes, body: bytes = ROW, line: bytes = b"POST /predict HTTP/1.1", media: bytes = JSON) -> bytes:
    lines = [line, b"Host: 127.0.0.1", b"X-Request-Id: r1", media, *headers, b"Content-Length: %d" % len(body)]
    return b"".join(each + b"\r\n" for each in lines) + b"\r\n" + body


def chunked(*headers: bytes, body: bytes = ROW, media: bytes = JSON) -> bytes:
    """The same, so that it is not plain."""
    raw = post(*headers, media=media, body=b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return raw + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"


GET = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def answer_of(server: Wired, raw: bytes) -> bytes:
    """All bytes of the one answer to it, without the date and what tells the end of the connection."""
    with server.connect() as connection:
        end = raw.index(b"\r\n")
        connection.sendall(raw[: end + 2] + b"Connection: close\r\n" + raw[end + 2 :])
        return DATE.sub(b"", read_all(connection))


def counted(server: Wired) -> tuple[int, list[str]]:
    return server.watched.express_requests, server.watched.asgi_paths


ASKED = {
    "a row": ((), ROW, JSON),
    "rows": ((), json.dumps({"rows": rows_of(20)}).encode(), JSON),
    "columns": ((), json.dumps({"columns": {name: [row[name] for row in rows_of(30)] for name in rows_of(1)[0]}}).encode(), JSON),
    "csv": ((), people().head(20).to_csv(index=False).encode(), b"Content-Type: text/csv"),
    "other answers": ((b"Accept: text/csv",), ROW, JSON),
    "no JSON": ((), b"{", JSON),
    "nothing": ((), b"", JSON),
    "no row of the model": ((), b'{"age": "old"}', JSON),
    "an unknown media type": ((), ROW, b"Content-Type: text/html"),
    "compressed": ((b"Content-Encoding: gzip",), ROW, JSON),
    "a trace": ((b"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",), ROW, JSON),
    "a foreign page": ((b"Origin: http://example.org", b"Sec-Fetch-Site: cross-site"), ROW, JSON),
    "another host": ((b"Host: example.org",), ROW, JSON),
}


@pytest.mark.parametrize("what", ASKED)
def test_the_same_bytes(server: Wired, what: str) -> None:
    """What is taken from the parser must be answered with the bytes that it gets through ASGI, and leave the same event."""
    headers, body, media = ASKED[what]
    events = server.served.spool.events

    events.clear()
    taken = answer_of(server, post(*headers, body=body, media=media))
    assert counted(server) == (1, [])
    (first,) = events
    events.clear()
    through = answer_of(server, chunked(*headers, body=body, media=media))
    assert counted(server) == (1, ["/predict"])
    (second,) = events

    assert taken == through
    varying = {Field.EVENT_ID, Field.EVENT_HASH, Field.TIMESTAMP, Field.EVENT_DURATION}
    assert {name: value for name, value in first.items() if name not in varying} == {
        name: value for name, value in second.items() if name not in varying
    }


@pytest.mark.parametrize("make", [post, chunked])
def test_nothing_is_left_for_the_collector(server: Wired, make: Callable[..., bytes]) -> None:
    """What was needed for a request must be gone with its answer: the collector, when it has thousands to look at, holds up everybody."""
    asked = [make(*headers, body=body, media=media) for headers, body, media in ASKED.values()]
    with server.connect() as connection:
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for raw in asked * 3:
                connection.sendall(raw)
                read_reply(connection)
            gc.collect()
            left = Counter(type(each).__name__ for each in gc.garbage if type(each).__module__.startswith(("mlsandbox_serving", "uvicorn")))
        finally:
            gc.set_debug(0)
            gc.garbage.clear()

    assert max(left.values(), default=0) < len(ASKED)  # of a connection of another test that has just ended something may be there


def test_the_same_bytes_without_a_key(plain: Laid, tmp_path: Path) -> None:
    """Who has no key must be told so in the same bytes, and who has one be answered."""
    keys = tmp_path / "keys"
    keys.write_text("k" * 43 + "\n")
    keys.chmod(0o600)
    with wired(plain, environ={Env.API_KEYS_FILE: str(keys)}) as server:
        refused = answer_of(server, post())
        assert counted(server) == (1, [])
        assert refused == answer_of(server, chunked())
        assert refused.startswith(b"HTTP/1.1 401 ")
        assert answer_of(server, post(b"X-API-Key: " + b"k" * 43)).startswith(b"HTTP/1.1 200 ")
        assert counted(server) == (2, ["/predict"])


def test_the_same_bytes_when_there_are_too_many(plain: Laid) -> None:
    """What is one too many must be told so in the same bytes, until those before it have their answers."""
    with wired(plain, environ={Env.MAX_CONCURRENCY: "1"}) as server, server.connect() as connection:
        server.watched.holding = True
        connection.sendall(post())
        wait_for(lambda: server.watched.held, what="the first request")
        server.watched.holding = False

        refused = answer_of(server, post())
        assert refused == answer_of(server, chunked())
        assert refused.startswith(b"HTTP/1.1 503 ")
        server.let_go()
        assert read_reply(connection).status == 200
        assert answer_of(server, post()).startswith(b"HTTP/1.1 200 ")


def test_a_service_that_cannot_answer_yet(plain: Laid, tmp_path: Path) -> None:
    """Without a model no request must be taken from the parser: its application says what is the matter."""
    broken = Laid(plain.root, tmp_path)
    with wired(broken, ready=False) as server:
        wait_for(lambda: server.served.runtime.state().final, what="the failure")

        assert answer_of(server, post()).startswith(b"HTTP/1.1 503 ")
        assert counted(server) == (0, ["/predict"])


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (chunked(), 200),
        (post(line=b"POST /predict HTTP/1.0"), 200),
        (post(b"Expect: 100-continue"), 200),
        (post(line=b"POST /predict?a=b HTTP/1.1"), 200),
        (post(body=ROW.ljust(32_769)), 200),
        (post(line=b"GET /predict HTTP/1.1"), 405),
    ],
    ids=["chunked", "HTTP/1.0", "Expect", "query", "large", "GET"],
)
def test_what_is_unusual(server: Wired, raw: bytes, status: int) -> None:
    """What is not plain must be answered through ASGI."""
    with server.connect() as connection:
        connection.sendall(raw)
        assert read_reply_after_100(connection).status == status

    assert counted(server) == (0, ["/predict"])


def read_reply_after_100(connection: socket.socket) -> Any:
    """The final answer."""
    if connection.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 100":
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    return read_reply(connection)


def test_an_offer_of_another_protocol(server: Wired) -> None:
    """A prediction that offers another protocol must be answered in this one, as if it did not."""
    assert answer_of(server, post(b"Connection: Upgrade", b"Upgrade: h2c")) == answer_of(server, chunked())


def test_pipelined_requests_of_both_kinds(server: Wired) -> None:
    """Requests of both kinds that are sent at once must be answered in their order."""
    sent = [post(), GET, chunked(), post(), post(body=b"{"), GET, post()] * 3
    expected = [200, 200, 200, 200, 400, 200, 200] * 3

    with server.connect() as connection:
        connection.sendall(b"".join(sent))
        got = [read_reply(connection) for _ in sent]

    assert [reply.status for reply in got] == expected
    assert ["live" in reply.json for reply in got] == [each == GET for each in sent]
    assert 0 < server.watched.express_requests < len(sent)


def test_a_request_behind_one_that_is_answered(server: Wired) -> None:
    """What is sent behind a request that takes long must be answered after it."""
    server.watched.holding = True
    with server.connect() as connection:
        connection.sendall(post())
        wait_for(lambda: server.watched.held, what="the first request")
        connection.sendall(GET + post())
        assert answer_of(server, GET).startswith(b"HTTP/1.1 200 ")
        assert server.watched.express_requests == 1
        server.let_go()
        got = [read_reply(connection) for _ in range(3)]

    assert [(reply.status, "live" in reply.json) for reply in got] == [(200, False), (200, True), (200, False)]


@pytest.mark.parametrize("size", [1, 10, 100])
def test_a_request_in_many_packets(server: Wired, size: int) -> None:
    """A request that comes in small pieces must be answered as one that comes at once."""
    raw = post(b"Connection: close")
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(raw), size):
            connection.sendall(raw[start : start + size])
        (reply,) = replies(read_all(connection))

    assert (reply.status, counted(server)) == (200, (1, []))


def test_a_connection_that_is_idle(plain: Laid) -> None:
    """A connection must be kept after an answer, and be closed once it has been idle for as long as it may."""
    with wired(plain, keep_alive=1) as server, server.connect() as connection:
        for _ in range(3):
            connection.sendall(post())
            assert read_reply(connection).status == 200
        assert read_all(connection) == b""
        assert server.watched.express_requests == 3


def test_a_slow_body(plain: Laid) -> None:
    """A body that does not come in time must be answered with 408, and its connection closed, as through ASGI."""
    with wired(plain, timeout=0.3, environ={Env.TIMEOUT_SECONDS: "0.3"}) as server:
        got = []
        for raw in (post()[:-1], chunked()[:-10]):
            with server.connect() as connection:
                connection.sendall(raw)
                got.append(DATE.sub(b"", read_all(connection)))
        assert got[0].startswith(b"HTTP/1.1 408 ")
        assert got[0] == got[1]
        assert counted(server) == (1, ["/predict"])


@pytest.mark.parametrize("when", ["before its body", "before its answer", "after its answer"])
def test_a_client_that_is_gone(server: Wired, when: str) -> None:
    """Whenever a client goes, the next one must be answered, nothing be held any more, and nothing fail."""
    released = server.watched.released
    faults = server.served.runtime.measures.in_flight
    server.watched.holding = when == "before its answer"
    with server.connect() as connection:
        connection.sendall(post()[:-1] if when == "before its body" else post())
        wait_for(lambda: server.watched.express_requests, what="the request")
        if when == "before its answer":
            wait_for(lambda: server.watched.held, what="the answer")
        elif when == "after its answer":
            assert read_reply(connection).status == 200
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_for(lambda: not server.open, what="the end of its connection")
    server.let_go()

    assert answer_of(server, post()).startswith(b"HTTP/1.1 200 ")
    wait_for(lambda: server.watched.released == released + (1 if when == "before its body" else 2), what="what was held")
    assert server.served.runtime.measures.in_flight == faults == 0


@pytest.mark.parametrize("end", ["read", "lost"])
def test_an_answer_that_is_not_read(plain: Laid, end: str) -> None:
    """While a large answer is not read its place must be taken; it is free again once that is read, or its client gone."""
    large = b"age,sex,hours,email\n" + b"30,male,1,a\n" * ROWS
    assert len(large) <= 32_768
    environ = {Env.MAX_CONCURRENCY: "1"}
    with (
        wired(plain, send_buffer=4_096, environ=environ) as server,
        server.connect() as other,
        server.connect(receives=4_096) as connection,
    ):
        connection.sendall(post(body=large, media=b"Content-Type: text/csv") + post())
        wait_for(lambda: server.watched.express_requests, what="the request")
        wait_for(lambda: server.served.spool.events, what="its answer")
        other.sendall(chunked())
        assert read_reply(other).status == 503
        assert server.watched.released == 0
        if end == "read":
            first = read_reply(connection)
            assert (first.status, len(first.json["predictions"])) == (200, ROWS)
            wait_for(lambda: server.watched.released, what="what was held")
            assert read_reply(connection).status in {200, 503}  # whether its place is free yet
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
            wait_for(lambda: server.watched.released, what="what was held")
        wait_for(lambda: answer_of(server, post()).startswith(b"HTTP/1.1 200 "), what="a free place")


def test_a_stop_answers_what_was_asked(plain: Laid) -> None:
    """When the server stops, what was asked must be answered, and connections end behind that."""
    with wired(plain) as server, server.connect() as busy, server.connect() as coming, server.connect() as idle:
        idle.sendall(post())
        assert read_reply(idle).status == 200
        server.watched.holding = True
        busy.sendall(post())
        coming.sendall(post()[:-1])
        wait_for(lambda: server.watched.held and server.watched.express_requests == 3, what="both requests")
        server.server.should_exit = True
        assert read_all(idle) == b""
        server.let_go()
        coming.sendall(post()[-1:])
        got = [replies(read_all(connection)) for connection in (busy, coming)]

    assert [[(reply.status, reply.headers["connection"]) for reply in each] for each in got] == [[(200, "close")]] * 2
