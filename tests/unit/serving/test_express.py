"""Which requests are taken from the parser, and that each of their answers is written once, in its turn, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mlsandbox_serving.record import Facts
from mlsandbox_serving.service.exchange import Answer, Request, sent_headers
from mlsandbox_serving.service.express import taking
from mlsandbox_serving.service.guard import Limits
from mlsandbox_serving.service.refusal import RequestRefused
from support.wire import LIMITS, Connection

Send = Callable[[Answer, Callable[[], None]], None]


class Stub:
    """Takes requests; the test answers them."""

    takes_express = True

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.sends: list[Send] = []
        self.refused: list[int] = []
        self.gone = 0
        self.released: list[bytes] = []
        self.at_once = False

    def began(self, headers: Mapping[str, str]) -> Request:
        return Request(Facts("POST", "/predict", f"r{len(self.bodies)}"), headers)

    def express(self, _request: Request, body: bytes, send: Send) -> None:
        self.bodies.append(body)
        self.sends.append(send)
        if self.at_once:
            self.answer(len(self.sends) - 1)

    def answer(self, number: int = 0, body: bytes = b"[]", **headers: str) -> None:
        """What the model says to a request."""
        self.sends[number](Answer(200, body, headers=headers), lambda: self.released.append(body))

    def refuse(self, _request: Request, refused: RequestRefused, send: Send) -> None:
        self.refused.append(refused.failure.status)
        send(Answer(refused.failure.status, b"late", headers=refused.headers), lambda: self.released.append(b"late"))

    def hung_up(self, _request: Request) -> None:
        self.gone += 1

    def head_of(self, request: Request, answer: Answer) -> list[tuple[bytes, bytes]]:
        return [(b"x-request-id", request.facts.request_id.encode()), *sent_headers(answer)]


def post(*headers: bytes, body: bytes = b"{}", line: bytes = b"POST /predict HTTP/1.1", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [line, b"Host: a", b"Content-Length: %d" % size, *headers]
    return b"".join(each + b"\r\n" for each in lines) + b"\r\n" + body


def begun(limits: Limits = LIMITS, **options: Any) -> tuple[Connection, Stub]:
    stub = Stub()
    return Connection(taking(stub), limits, **options), stub


def statuses(connection: Connection) -> list[bytes]:
    return re.findall(rb"HTTP/1.1 (\d+) ", connection.wire.written)


@pytest.mark.parametrize(
    "raw",
    [
        post(),
        post(b"Content-Type: text/csv"),
        post(b"Authorization: Bearer a", b"Accept: text/csv"),
        post(b"Connection: keep-alive"),
        post(b"Upgrade: h2c"),  # no offer: `Connection` does not name it
        post(b"Connection: Upgrade", b"Upgrade: h2c"),
        post(body=b""),
        post(body=b"a" * 32_768),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("at_once", [False, True])
def test_what_is_plain_is_taken(raw: bytes, *, at_once: bool) -> None:
    """A plain request must be answered without a task, in whatever pieces it comes."""
    for size in (1, 7, 50, len(raw)):
        connection, stub = begun()
        stub.at_once = at_once
        for start in range(0, len(raw), size):
            connection.receive(raw[start : start + size])
        if not at_once:
            assert connection.wire.written == b""
            stub.answer()

        assert stub.bodies == [raw.partition(b"\r\n\r\n")[2]]
        assert connection.loop.tasks == 0
        head = b"x-request-id: r0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
        assert connection.wire.written == b"HTTP/1.1 200 OK\r\n%b\r\n[]" % head
        assert (stub.released, connection.wire.ended) == ([b"[]"], "")
        assert connection.state.total_requests == 1


@pytest.mark.parametrize(
    "raw",
    [
        post(line=b"GET /predict HTTP/1.1"),
        post(line=b"PUT /predict HTTP/1.1"),
        post(line=b"POST /predict HTTP/1.0"),
        post(line=b"POST /predict?a HTTP/1.1"),
        post(line=b"POST /predict/ HTTP/1.1"),
        post(line=b"POST /pred%69ct HTTP/1.1"),
        post(line=b"POST http://a/predict HTTP/1.1"),
        post(line=b"POST /feedback HTTP/1.1"),
        post(b"Expect: 100-continue"),
        post(b"Expect: else"),
        post(body=b"a" * 32_769),
        post(*[b"X: a"] * 199)[:-2],
        b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=range(14),
)
def test_what_is_not_plain_is_not_taken(raw: bytes) -> None:
    """Whatever is unusual must go to the application as uvicorn has it, or be refused by the guard."""
    connection, stub = begun()

    connection.receive(raw)

    assert stub.bodies == []
    assert connection.loop.tasks + len(statuses(connection)) == 1


def test_without_a_model_nothing_is_taken() -> None:
    """While there is no model to ask, its application must say so."""
    connection, stub = begun()
    stub.takes_express = False

    connection.receive(post())

    assert (stub.bodies, connection.loop.tasks) == ([], 1)


def test_pipelined_requests_are_answered_in_order() -> None:
    """What is sent behind a request that is answered must wait for its answer, and be started then."""
    connection, stub = begun()

    connection.receive(post(body=b"1") + post(body=b"2") + post(body=b"3"))
    assert (stub.bodies, connection.loop.tasks) == ([b"1"], 0)
    stub.answer()
    assert (statuses(connection), connection.loop.tasks) == ([b"200"], 1)
    second = connection.protocol.running
    assert second.body == b"2"
    second.response_complete = True
    connection.protocol.on_response_complete()
    connection.answer()
    connection.receive(post(body=b"4"))

    assert (stub.bodies, connection.loop.tasks) == ([b"1", b"4"], 2)


def test_requests_that_are_answered_at_once() -> None:
    """Requests that come together and are refused at once must all be answered, and the time of an idle connection not begin between."""
    connection, stub = begun(keep_alive=5)
    stub.at_once = True
    connection.receive(post(body=b"1") + post(body=b"2") + post(body=b"3")[:-1])
    assert statuses(connection) == [b"200"] * 2
    connection.loop.advance(20)
    stub.at_once = False
    connection.receive(b"3")
    stub.answer(2)

    assert (statuses(connection), connection.wire.ended) == ([b"200"] * 3, "")
    connection.loop.advance(5)
    assert connection.wire.ended == "closed"


def test_the_end_of_a_connection_is_kept() -> None:
    """A client that asks for the end of its connection must get it behind its answer; what it sends after that is nothing."""
    for at_once in (False, True):
        connection, stub = begun()
        stub.at_once = at_once
        connection.receive(post(b"Connection: close") + post(body=b"2") + b"\x00")
        if not at_once:
            stub.answer()

        assert (stub.bodies, connection.wire.ended) == ([b"{}"], "closed")
        assert b"\r\nconnection: close\r\n" in connection.wire.written
        assert (statuses(connection), connection.loop.tasks) == ([b"200"], 0)


def test_an_answer_may_end_the_connection() -> None:
    """An answer that says that its connection ends must end it, and say so once."""
    connection, stub = begun()
    connection.receive(post())
    stub.answer(connection="close")

    assert connection.wire.written.count(b"connection: close") == 1
    assert connection.wire.ended == "closed"


def test_what_cannot_be_read_behind_a_request() -> None:
    """Behind a request something that is no HTTP must end the connection, after the answer."""
    connection, stub = begun()
    connection.receive(post() + b"\x00\x00\r\n\r\n")
    connection.receive(post(body=b"2"))
    assert connection.wire.ended == ""
    stub.answer()

    assert (statuses(connection), stub.bodies, connection.wire.ended) == ([b"200"], [b"{}"], "closed")


def test_a_body_that_cannot_be_read_behind_a_request() -> None:
    """Behind a request one whose body is no HTTP must end the connection, after the answer, and never be started."""
    connection, stub = begun()
    connection.receive(post() + b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert connection.wire.ended == ""
    stub.answer()

    assert (statuses(connection), connection.loop.tasks, connection.wire.ended) == ([b"200"], 0, "closed")
    assert b"\r\nconnection: close\r\n" in connection.wire.written


def test_a_client_that_is_gone_before_its_body() -> None:
    """A client that is gone before its body was there must be counted as that, once, and never be answered."""
    connection, stub = begun()
    connection.receive(post()[:-1])
    connection.lose()
    connection.loop.advance(100)

    assert (stub.gone, stub.bodies, stub.refused) == (1, [], [])


@pytest.mark.parametrize("behind", [b"", post(), post()[:-1], b"POST /pre"], ids=["nothing", "a request", "a body", "a head"])
def test_a_client_that_is_gone_before_its_answer(behind: bytes) -> None:
    """An answer whose client is gone must be let go of, and not be written: writing raises then."""
    connection, stub = begun()
    connection.receive(post() + behind)
    connection.lose()
    stub.answer()

    assert (stub.gone, stub.released, bytes(connection.wire.written)) == (0, [b"[]"], b"")


def test_a_client_that_is_gone_after_its_answer() -> None:
    """A client that is gone after its answer must be nothing to anybody."""
    connection, stub = begun()
    connection.receive(post())
    stub.answer()
    connection.lose()

    assert (stub.gone, stub.released) == (0, [b"[]"])


def test_an_answer_to_a_connection_that_is_being_closed() -> None:
    """An answer for a connection that is being closed must be let go of."""
    connection, stub = begun()
    connection.receive(post())
    connection.wire.close()
    stub.answer()

    assert (stub.released, bytes(connection.wire.written)) == ([b"[]"], b"")


def test_a_body_that_does_not_come() -> None:
    """A body that takes longer than a request may must be answered once with 408, and its connection closed."""
    connection, stub = begun()
    connection.receive(post()[:-1])
    connection.loop.advance(29)
    assert stub.refused == []
    connection.wire.unread = 10
    connection.loop.advance(10)

    assert (stub.refused, stub.released, statuses(connection)) == ([408], [b"late"], [b"408"])
    assert connection.wire.ended == "closed"


def test_a_model_that_takes_longer_than_a_body_may() -> None:
    """The deadline of a body must not hold for an answer."""
    connection, stub = begun()
    connection.receive(post())
    connection.loop.advance(1_000)
    stub.answer()

    assert (stub.refused, statuses(connection)) == ([], [b"200"])


@pytest.mark.parametrize("end", ["read", "lost", "closed and read", "closed and lost"])
def test_an_answer_that_is_not_read_yet_is_held(end: str) -> None:
    """What an answer takes must be let go of once it is read, or its client gone, and not before; what comes next must wait that long."""
    connection, stub = begun()
    connection.receive(post(*([b"Connection: close"] if "closed" in end else [])))
    write = connection.wire.write

    def paused(data: Any) -> None:
        write(data)
        connection.protocol.pause_writing()

    connection.wire.write = paused  # type: ignore[method-assign] # a client that does not read
    stub.answer()
    assert stub.released == []
    if "closed" not in end:
        connection.receive(post(body=b"2"))
        assert (len(stub.bodies), connection.loop.tasks) == (1, 1)
    if "lost" in end:
        connection.lose()
    else:
        connection.protocol.resume_writing()
        connection.lose()

    assert stub.released == [b"[]"]


def test_a_stop_waits_for_what_was_asked() -> None:
    """When the server stops, a request must be answered, with its connection's end, whether its body is there yet or not."""
    for came in (post(), post()[:-1]):
        connection, stub = begun()
        connection.receive(came)
        connection.protocol.shutdown()
        assert connection.wire.ended == ""
        connection.receive(post()[len(came) :])
        stub.answer()

        assert b"\r\nconnection: close\r\n" in connection.wire.written
        assert (statuses(connection), connection.wire.ended) == ([b"200"], "closed")
