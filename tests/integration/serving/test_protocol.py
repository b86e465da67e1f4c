"""The guarded protocol on real connections: what is cut off, what is refused, and what is not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.guarded import HOST, Guarded, guarded, read_all, read_reply, replies
from support.waiting import HANG_SECONDS, wait_for

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module")
def patient() -> Iterator[Guarded]:
    """One that cuts nobody off while these tests run."""
    with guarded(head_seconds=30.0) as server:
        yield server


@pytest.fixture(scope="module")
def hasty() -> Iterator[Guarded]:
    """One whose clients must send their heads at once."""
    with guarded() as server:
        yield server


def post(*headers: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def drip(connection: socket.socket, what: bytes) -> bytes:
    """Send it byte by byte, over and over, until the other end closes; what was received."""
    connection.settimeout(0.01)
    received = b""
    while True:
        for byte in what:
            try:
                connection.send(bytes([byte]))
                part = connection.recv(65_536)
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                return received
            if not part:
                return received
            received += part


def test_a_silent_connection_is_closed(hasty: Guarded) -> None:
    """A connection on which nothing is asked must be closed, without an answer."""
    with hasty.connect() as connection:
        assert read_all(connection) == b""


@pytest.mark.parametrize("what", [b"GET / HTTP/1.1\r\nX-Slow: ", b"\r\n", b"GET /"], ids=["header", "empty lines", "path"])
@pytest.mark.parametrize("asked_before", [False, True], ids=["first", "kept alive"])
def test_a_slow_head_is_cut_off(hasty: Guarded, what: bytes, *, asked_before: bool) -> None:
    """A head that comes byte by byte must not hold a connection, whether or not something was answered on it before."""
    with hasty.connect() as connection:
        if asked_before:
            connection.sendall(GET)
            assert read_reply(connection).status == 200
        connection.sendall(what)

        assert drip(connection, what if what == b"\r\n" else b"a") == b""


def test_a_slow_body_is_the_applications(hasty: Guarded) -> None:
    """The deadline of heads must not hold for a body."""
    with hasty.connect() as connection, hasty.connect() as silent:
        connection.sendall(post(b"Content-Length: 2", body=b"{"))
        assert read_all(silent) == b""
        connection.sendall(b"}")

        assert read_reply(connection).status == 200


def test_a_slow_answer_is_the_applications() -> None:
    """The deadline of heads must not hold for an answer that takes long, nor for the request that was sent behind it."""
    with guarded() as server, server.connect() as connection, server.connect() as silent:
        connection.sendall(b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n" + GET)
        assert read_all(silent) == b""
        server.release.set()

        assert [read_reply(connection).status, read_reply(connection).status] == [200, 200]


def test_a_client_that_does_not_read_is_cut_off() -> None:
    """A connection whose client takes nothing of its answer must be given up, with the memory that the answer holds."""
    with guarded(timeout=0.2) as server, server.connect() as connection:
        connection.sendall(b"GET /bytes/30000000 HTTP/1.1\r\n" + HOST + b"\r\n")

        wait_for(lambda: server.seen and not server.open, what="the connection's end")
        assert len(read_all(connection)) < 30_000_000


def test_a_large_answer_is_read_whole(patient: Guarded) -> None:
    """A client that reads must get all of a large answer."""
    (reply,) = patient.ask(b"GET /bytes/30000000 HTTP/1.1\r\n" + HOST + b"\r\n")

    assert len(reply.body) == 30_000_000


def test_more_connections_than_there_may_be() -> None:
    """On a connection past the bound what is asked must get a 503 as JSON, and the connection be closed; those within it, probes, and
    later connections must be served.
    """
    with guarded(connections=2, head_seconds=30.0) as server:
        with server.connect() as first, server.connect() as second:
            for connection in (first, second):
                connection.sendall(GET)
                assert read_reply(connection).status == 200
            with server.connect() as third:
                third.sendall(GET)
                reply = read_reply(third)
                assert read_all(third) == b""
            assert (reply.status, reply.json["error"]["code"], reply.headers["retry-after"]) == (503, "OVERLOADED", "1")
            assert [reply.status for reply in server.ask(b"GET /livez?a=b HTTP/1.1\r\n" + HOST + b"\r\n")] == [200]
            first.sendall(GET)
            assert read_reply(first).status == 200
        wait_for(lambda: not server.open, what="the connections' end")

        assert [reply.status for reply in server.ask(GET)] == [200]
        assert [refusal.failure.status for refusal in server.refused] == [503]


def test_far_more_connections_than_there_may_be() -> None:
    """Past twice the bound a connection must be refused before it says anything; one that was too many is not any more once others end."""
    with guarded(connections=2, head_seconds=30.0) as server, server.connect() as first, server.connect() as second:
        with server.connect() as third, server.connect() as fourth:
            wait_for(lambda: server.open == 4, what="all connections")
            with server.connect() as fifth:
                assert read_reply(fifth).status == 503
                assert read_all(fifth) == b""
            fourth.close()
            first.close()
            wait_for(lambda: server.open == 2, what="the connections' end")
            third.sendall(GET)
            assert read_reply(third).status == 200
        second.sendall(GET)
        assert read_reply(second).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"a" * 65_536 + b"\r\n\r\n",
        b"X: " + b"a" * 66_000,
        b"a: b\r\n" * 201 + b"\r\n",
        b"a:\r\n" * 15_000 + b"\r\n",
    ],
    ids=["one header", "no end", "many headers", "very many headers"],
)
@pytest.mark.parametrize("asked_before", [False, True], ids=["first", "kept alive"])
def test_a_large_head_is_refused(patient: Guarded, headers: bytes, *, asked_before: bool) -> None:
    """A head past 64 KiB or 200 headers must be refused with 431 as JSON, and its connection closed."""
    with patient.connect() as connection:
        if asked_before:
            connection.sendall(GET)
            assert read_reply(connection).status == 200
        connection.sendall(b"GET /?" + b"a" * 500 + b" HTTP/1.1\r\n" + HOST + headers)
        reply = read_reply(connection)

        assert (reply.status, reply.json["error"]["code"], reply.headers["connection"]) == (431, "HEADERS_TOO_LARGE", "close")
        assert reply.json["error"]["request_id"] == reply.headers["x-request-id"]
        assert read_all(connection) == b""


def test_a_head_without_an_end(patient: Guarded) -> None:
    """Of a head that does not end no more must be taken than it may have."""
    patient.refused.clear()
    endless = b"GET / HTTP/1.1\r\n" + HOST + b"X: aaaaaaaaaaaaaaaa\r\n" * 5_000_000

    with patient.connect() as connection, pytest.raises(ConnectionError):
        connection.sendall(endless)

    assert [refusal.failure.status for refusal in patient.refused] == [431]


def test_requests_ahead_of_their_answers() -> None:
    """Requests that are sent before their answers are read must be answered in order, up to a bound, and then the connection end."""
    with guarded(head_seconds=30.0) as server, server.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n")
        assert server.entered.acquire(timeout=60)
        connection.sendall(GET * 200)
        server.ask(GET)  # what was sent has been read meanwhile, as far as it is
        server.release.set()
        answers = replies(read_all(connection))

    assert [reply.status for reply in answers] == [200] * 129
    assert [reply.headers.get("connection") for reply in answers] == [None] * 128 + ["close"]
    assert [path for _, path, _ in server.seen].count("/") == 129


def test_a_head_that_is_not_too_large(patient: Guarded) -> None:
    """A head within the bounds must be taken, in one piece or in many, and with a large body behind it."""
    head = b"POST / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 60_000 + b"\r\n" + b"b: c\r\n" * 150 + b"Content-Length: 300000\r\n\r\n"
    with patient.connect() as connection:
        connection.sendall(head + b"x" * 300_000)
        assert read_reply(connection).status == 200
        for start in range(0, len(head), 1_000):
            connection.sendall(head[start : start + 1_000])
        connection.sendall(b"x" * 300_000)
        assert read_reply(connection).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Content-Length: 0", b"Content-Length: 40", body=SMUGGLED),
        post(b"Content-Length: 0, 40", body=SMUGGLED),
        post(b"Content-Length: +0", body=SMUGGLED),
        post(b"Content-Length: 0x10", body=SMUGGLED),
        post(b"Content-Length: -1", body=SMUGGLED),
        post(b"Content-Length: 99999999999999999999999", body=SMUGGLED),
        post(b"Content-Length : 0", body=SMUGGLED),
        post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", body=b"5 \r\nhello\r\n0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", body=b"5\nhello\n0\n\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", body=b"-1\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", body=b"ffffffffffffffffff\r\n" + SMUGGLED),
        post(b"X: a\r\n Content-Length: 40", body=SMUGGLED),
        post(b"X: a\nContent-Length: 0", body=SMUGGLED),
        post(b"X: a\rContent-Length: 0", body=SMUGGLED),
        post(b"X: a\x00b", body=SMUGGLED),
        post(b"X\xff: a", body=SMUGGLED),
        post(b"X y: a", body=SMUGGLED),
        post(b": a", body=SMUGGLED),
        b"POST / HTTP/1.1\n" + HOST + b"\n" + SMUGGLED,
        b"CONNECT other:80 HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
        b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
        b"FETCH / HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
        b"GET / HTTP/9.9\r\n" + HOST + b"\r\n" + SMUGGLED,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SMUGGLED,
    ],
)
def test_what_is_no_http_is_refused(patient: Guarded, raw: bytes) -> None:
    """What two servers could read in two ways must be answered with one 400 as JSON, and nothing of it be taken for a request."""
    patient.seen.clear()
    patient.refused.clear()

    (reply,) = patient.send(raw)

    assert (reply.status, reply.headers["content-type"], reply.headers["connection"]) == (400, "application/json", "close")
    assert (reply.json["error"]["code"], reply.json["error"]["details"]) == ("BAD_REQUEST", {})
    assert reply.json["error"]["request_id"] == reply.headers["x-request-id"]
    assert "/smuggled" not in [path for _, path, _ in patient.seen]
    assert [refusal.failure.status for refusal in patient.refused] == [400]


UPGRADES = {
    "h2c": (b"Connection: keep-alive, Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
    "websocket": (
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ),
}


def test_what_is_no_http_behind_requests() -> None:
    """What was asked before something that is no HTTP must be answered, each request once, and then the connection end."""
    slow = b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n"
    broken = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    for bad in (b"\x00\x01 no request\r\n\r\n", broken):
        with guarded() as server, server.connect() as connection:
            connection.sendall(slow + GET + bad + SMUGGLED)
            assert server.entered.acquire(timeout=HANG_SECONDS)
            server.release.set()

            got = replies(read_all(connection))
            assert [(reply.status, reply.headers.get("connection")) for reply in got] == [(200, None), (200, "close")]
            assert [path for _, path, _ in server.seen] == ["/slow", "/"]


@pytest.mark.parametrize("cut", [None, "head", "body"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("upgrade", UPGRADES)
def test_an_upgrade_is_ignored(patient: Guarded, upgrade: str, framing: str, cut: str | None) -> None:
    """A request that offers another protocol must be answered in this one, with its whole body, which must never be read as a request."""
    header, body = (b"Content-Length: %d" % len(SMUGGLED), SMUGGLED)
    if framing == "chunked":
        header, body = b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    head = post(header, *UPGRADES[upgrade])
    at = {None: len(head + body), "head": len(head), "body": len(head) + 7}[cut]
    patient.seen.clear()

    with patient.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall((head + body)[:at])
        patient.ask(GET)  # the first piece has been read meanwhile
        connection.sendall((head + body)[at:] + GET)

        assert [read_reply(connection).status, read_reply(connection).status] == [200, 200]
    assert [each for each in patient.seen if each[0] == "POST"] == [("POST", "/", SMUGGLED)]
    assert {path for _, path, _ in patient.seen} == {"/"}


def test_an_upgrade_without_a_body(patient: Guarded) -> None:
    """An offer of another protocol without a body must be answered in this one, and what is sent behind it too."""
    raw = b"GET / HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in UPGRADES["websocket"]) + b"\r\n"

    assert [reply.status for reply in patient.ask(raw + GET, 2)] == [200, 200]


def test_many_upgrades_at_once(patient: Guarded) -> None:
    """Offers of another protocol that come together must be answered as requests that do: in order, with their bodies, up to the bound."""
    one = post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED)
    patient.seen.clear()

    with patient.connect() as connection:
        connection.sendall(one * 1_000)
        connection.shutdown(socket.SHUT_WR)
        got = replies(read_all(connection))

    assert {reply.status for reply in got} <= {200}
    assert set(patient.seen) <= {("POST", "/", SMUGGLED)}


@pytest.mark.parametrize("bad", [b"\x00\x01 no request\r\n\r\n", GET], ids=["no HTTP", "a request"])
def test_what_follows_the_end(patient: Guarded, bad: bytes) -> None:
    """Behind a request that ends its connection nothing must be answered."""
    got = patient.send(b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n" + bad)

    assert len(got) <= 1
    with patient.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n" + bad)
        assert [reply.status for reply in replies(read_all(connection))] == [200]


PIECES = st.sampled_from(
    [
        *(b"GET", b"POST", b" ", b"/", b"*", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\x00", b"\xff", b":", b", "),
        *(b"Host: a\r\n", b"Content-Length: 3\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n"),
        *(b"Connection: close\r\n", b"Connection: Upgrade\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"abc", GET, SMUGGLED),
    ]
)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES | st.binary(max_size=8), max_size=25), begin=st.sampled_from([b"", b"POST / HTTP/1.1\r\nHost: a\r\n"]))
def test_whatever_is_sent(hasty: Guarded, pieces: list[bytes], begin: bytes) -> None:
    """Whatever bytes are sent, answers must be whole, 200 or 400 or 431, and the server must serve the next client."""
    answers = hasty.send(begin + b"".join(pieces))

    assert {reply.status for reply in answers} <= {200, 400, 431}
    assert all(reply.json is not None for reply in answers)
    assert [reply.status for reply in hasty.ask(GET)] == [200]


def test_the_other_parser_is_guarded_too() -> None:
    """Without httptools the deadline of heads, the bound on connections and errors as JSON must hold as well."""
    with guarded(http="h11") as server:
        with server.connect() as connection:
            assert read_all(connection) == b""
        (reply,) = server.ask(post(b"X: a\x00b"))
        assert (reply.status, reply.json["error"]["code"]) == (400, "BAD_REQUEST")
        assert [reply.status for reply in server.ask(post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 2", body=b"{}"))] == [
            200
        ]


def test_a_stop_answers_what_was_asked() -> None:
    """When the server stops, each request that was sent before must be answered: those that are worked on, and those just arriving."""
    with guarded(head_seconds=30.0) as server:
        busy, kept, idle = server.connect(), server.connect(), server.connect()
        with busy, kept, idle:
            for connection in (kept, idle):
                connection.sendall(GET)
                assert read_reply(connection).status == 200
            busy.sendall(b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n")
            assert server.entered.acquire(timeout=60)
            kept.sendall(GET)
            server.server.should_exit = True
            assert read_all(idle) == b""
            assert read_reply(kept).status == 200
            server.release.set()
            reply = read_reply(busy)
            assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert (read_all(busy), read_all(kept)) == (b"", b"")
