"""The Forward protocol over real connections: our client, our server, and Fluentd's own client library."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest
from fluent.sender import FluentSender

from mlsandbox_serving.forward.client import ForwardClient
from mlsandbox_serving.forward.messages import Event, ProtocolError, encode_packed
from mlsandbox_serving.forward.server import EventsRefused, ForwardServer
from mlsandbox_serving.spool.entry import encode
from support.event_processes import free_port
from support.waiting import HANG_SECONDS, wait_for

LIMIT = 100_000


class Receiver:
    """A server in a thread that keeps what it took."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Event]] = []
        self.refuse: Exception | None = None
        self.release = asyncio.Event()
        self.release.set()
        self.handling = threading.Event()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._server = ForwardServer(self._take, max_message_bytes=LIMIT, max_connections=3)
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._server.start("127.0.0.1", 0), self._loop).result(5)

    async def _take(self, tag: str, events: list[Event]) -> None:
        self.handling.set()
        await self.release.wait()
        if self.refuse is not None:
            raise self.refuse
        self.taken += [(tag, event) for event in events]

    def close(self) -> None:
        """Close the server, then end its thread."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def call(self, function: Callable[[], object]) -> None:
        """Call something in the server's thread."""
        self._loop.call_soon_threadsafe(function)

    def records(self) -> list[dict[str, Any]]:
        """The records taken so far."""
        return [event.record for _, event in self.taken]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A listening receiver."""
    made = Receiver()
    yield made
    made.close()


def _entries(*numbers: int) -> list[bytes]:
    return [encode({"n": number}, 1.5) for number in numbers]


def test_send_returns_when_the_events_are_taken(receiver: Receiver) -> None:
    """After `send` the handler must be done with every event, in order, with its tag and nanoseconds."""
    with ForwardClient("127.0.0.1", receiver.port) as client:
        client.send("sandbox.churn", _entries(1, 2))
        assert receiver.taken == [("sandbox.churn", Event(1_500_000_000, {"n": n})) for n in (1, 2)]
        client.send("sandbox.churn", _entries(3))
        assert receiver.records()[2:] == [{"n": 3}]


@pytest.mark.parametrize("nanoseconds", [True, False])
def test_the_fluent_logger_library_is_understood(receiver: Receiver, nanoseconds: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Events of Fluentd's own Python client must arrive, in either form of time."""
    sender = FluentSender("app", host="127.0.0.1", port=receiver.port, nanosecond_precision=nanoseconds)
    for number in range(5):
        assert sender.emit("follow", {"n": number, "text": "ü"})
    sender.close()
    wait_for(lambda: len(receiver.taken) == 5, what="five events")
    assert receiver.records() == [{"n": number, "text": "ü"} for number in range(5)]
    assert {tag for tag, _ in receiver.taken} == {"app.follow"}
    assert all(event.time > 10**18 for _, event in receiver.taken)


def test_messages_in_pieces_and_in_one_piece_are_understood(receiver: Receiver) -> None:
    """Messages must be found however the bytes arrive, heartbeats be ignored, and each chunk be acknowledged."""
    stream = msgpack.packb(None) + encode_packed("a", _entries(1), chunk="one") + encode_packed("a", _entries(2), chunk="two")
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=HANG_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for position in range(len(stream)):
            connection.sendall(stream[position : position + 1])
        connection.sendall(stream)
        answers = msgpack.Unpacker()
        found: list[object] = []
        while len(found) < 4:
            answers.feed(connection.recv(1000))
            found += list(answers)
    assert found == [{"ack": "one"}, {"ack": "two"}] * 2
    assert receiver.records() == [{"n": 1}, {"n": 2}] * 2


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xc1",
        msgpack.packb(["a", "b", "c", "d"]),
        msgpack.packb({"a": 1}),
        b"\xdd\xff\xff\xff\xff",  # an array of four billion
        b"\xc6\xff\xff\xff\xff" + bytes(2 * LIMIT),  # the beginning of four gigabytes of binary
        b"\x91" * 5000,
        msgpack.packb(["a", [[1, {"text": "x" * LIMIT}]]]),
    ],
    ids=["http", "no-type", "strings", "map", "array-bomb", "binary-bomb", "nesting-bomb", "too-big"],
)
def test_what_is_not_the_protocol_ends_its_connection_alone(
    receiver: Receiver, bytes_sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Malformed or oversized input must close the connection with one log line; others go on."""
    with ForwardClient("127.0.0.1", receiver.port) as client, caplog.at_level(logging.WARNING):
        client.send("a", _entries(1))
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=HANG_SECONDS) as connection:
            connection.sendall(bytes_sent)
            assert _is_closed(connection)
        client.send("a", _entries(2))
    assert receiver.records() == [{"n": 1}, {"n": 2}]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "closed the connection of 127.0.0.1:" in caplog.text


def test_refused_events_are_not_acknowledged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """When the handler cannot take events the sender must be told by a closed connection, and succeed later."""
    with ForwardClient("127.0.0.1", receiver.port) as client:
        receiver.refuse = EventsRefused("the disk is full")
        with pytest.raises(OSError, match="closed"):
            client.send("a", _entries(1))
        assert "the disk is full" in caplog.text
        receiver.refuse = RuntimeError("a mistake")
        with pytest.raises(OSError, match="closed"):
            client.send("a", _entries(1))
        receiver.refuse = None
        client.send("a", _entries(1))
    assert receiver.records() == [{"n": 1}]


def test_connections_are_bounded(receiver: Receiver) -> None:
    """A connection past the bound must be closed at once, and be possible again when another ends."""
    clients = [ForwardClient("127.0.0.1", receiver.port) for _ in range(4)]
    for number, client in enumerate(clients[:3]):
        client.send("a", _entries(number))
    with pytest.raises(OSError, match=r"closed|reset|Broken"):
        clients[3].send("a", _entries(3))
    clients[0].close()
    wait_for(lambda: _succeeds(lambda: clients[3].send("a", _entries(3))), what="a place is free")
    for client in clients:
        client.close()


def test_closing_finishes_the_message_in_hand(receiver: Receiver) -> None:
    """A message that is being handled when the server closes must be acknowledged; idle connections must not delay it."""
    idle = socket.create_connection(("127.0.0.1", receiver.port))
    receiver.release.clear()
    outcome: list[str] = []

    def send() -> None:
        with ForwardClient("127.0.0.1", receiver.port) as client:
            client.send("a", _entries(1))
            outcome.append("acknowledged")

    sending = threading.Thread(target=send)
    sending.start()
    assert receiver.handling.wait(HANG_SECONDS)
    closing = threading.Thread(target=receiver.close)
    closing.start()
    receiver.call(receiver.release.set)
    sending.join(5)
    closing.join(5)
    assert outcome == ["acknowledged"]
    assert receiver.records() == [{"n": 1}]
    idle.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (msgpack.packb(["HELO", {"nonce": "x", "auth": ""}]), "shared key"),
        (msgpack.packb({"ack": "another"}), "no acknowledgement of this message"),
        (msgpack.packb(1), "no acknowledgement"),
        (b"\xc1", "not MessagePack"),
    ],
    ids=["handshake", "other-chunk", "number", "garbage"],
)
def test_any_other_answer_is_a_failure(answer: bytes, expected: str) -> None:
    """The client must not take anything but the acknowledgement of its chunk for one."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ForwardClient(*listener.getsockname()) as client,
        _answering(listener, answer),
        pytest.raises(ProtocolError, match=expected),
    ):
        client.send("a", _entries(1))


def test_a_silent_server_is_given_up() -> None:
    """Without an acknowledgement in time the client must raise instead of waiting for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = ForwardClient(*listener.getsockname(), ack_timeout=0.05)
        with pytest.raises(TimeoutError):
            client.send("a", _entries(1))


def test_an_absent_server_is_an_error() -> None:
    """Nobody listening must be an OSError."""
    with pytest.raises(ConnectionRefusedError):
        ForwardClient("127.0.0.1", free_port()).send("a", _entries(1))


class _answering:  # noqa: N801 - used like a function
    """Accepts one connection and sends an answer on it."""

    def __init__(self, listener: socket.socket, answer: bytes) -> None:
        self._listener = listener
        self._answer = answer
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.sendall(self._answer)
            while connection.recv(1000):
                pass

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def _succeeds(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True
