"""Connections behind a front: versions change, and no client notices."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack

import pytest

from mlsandbox.engines.base import Outcome
from mlsandbox.errors import SwitchFailed
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Route
from support.fronted import GET, POST, SLOW, V1, V2, Fronted, ask, by
from support.guarded import Reply, read_all, read_reply
from support.steady import Steady
from support.waiting import HANG_SECONDS, wait_for

MOVES = 20
FEW_MOVES = 6
MOST_BEHIND = 40
"""Answers of the former version to a client whose connection it is to hand on."""
AWHILE = b"GET /awhile HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(("loop", "workers"), [("uvloop", "1"), ("asyncio", "1"), ("uvloop", "2"), ("asyncio", "2")])
def test_busy_connections_notice_nothing(fronted: Fronted, loop: str, workers: str) -> None:
    """While a front moves back and forth, each of many busy connections must stay open, and each request be answered."""
    both = [fronted.version(number, FRONTED_LOOP=loop, FRONTED_WORKERS=workers) for number in (1, 2)]
    fronted.up(*both, answers=V1)

    with Steady(fronted.port, POST) as clients:
        for number in range(MOVES):
            before = clients.answered_by[V2 if number % 2 == 0 else V1]
            (switched,) = fronted.up(*both, answers=V2 if number % 2 == 0 else V1).switched
            assert switched.began <= switched.ended
            clients.more(100)
            assert clients.answered_by[switched.service] > before

    assert clients.failed == {}
    assert clients.reopened == 0
    assert fronted.status.moves == MOVES


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_requests_ahead_of_their_answers(fronted: Fronted, loop: str) -> None:
    """Clients that send requests before the answers to earlier ones must get each answer, on the connection that they have."""
    both = [fronted.version(number, FRONTED_LOOP=loop) for number in (1, 2)]
    fronted.up(*both, answers=V1)

    with Steady(fronted.port, POST, connections=8, ahead=4) as clients:
        for number in range(FEW_MOVES):
            fronted.up(*both, answers=V2 if number % 2 == 0 else V1)
            clients.more(100)

    assert (clients.failed, clients.reopened) == ({}, 0)
    assert set(clients.answered_by) == {V1, V2}


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_answers_from_the_parser(fronted: Fronted, beside: Callable[[Callable[[], Outcome]], Future[Outcome]], loop: str) -> None:
    """Where requests are answered while the next one is still being read, none of those behind it may be lost."""
    both = [fronted.version(number, FRONTED_LOOP=loop, FRONTED_EXPRESS="1") for number in (1, 2)]
    fronted.up(*both, answers=V1)
    with fronted.connect() as begun, fronted.connect() as idle:
        assert by(ask(begun, POST + POST[:5])) == by(ask(idle)) == V1
        moving = beside(lambda: fronted.up(*both, answers=V2))
        wait_for(lambda: by(ask(idle)) == V2, what="the former version hands on what waits for nothing")

        begun.sendall(POST[5:] + POST * 15)

        assert [by(read_reply(begun)) for _ in range(16)] == [V1] * 16
        assert by(ask(begun)) == V2
        moving.result(HANG_SECONDS)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_new_connection_for_each_request(fronted: Fronted, loop: str) -> None:
    """Clients that connect for each request must be answered throughout: nobody who waits to be accepted may be lost."""
    both = [fronted.version(number, FRONTED_LOOP=loop) for number in (1, 2)]
    fronted.up(*both, answers=V1)

    with Steady(fronted.port, POST.replace(b"Host:", b"connection: close\r\nHost:"), connections=16) as clients:
        for number in range(FEW_MOVES):
            fronted.up(*both, answers=V2 if number % 2 == 0 else V1)
            clients.more(50)

    assert clients.failed == {}


def test_all_workers_of_a_version_get_their_part(fronted: Fronted) -> None:
    """Connections that are handed on must be spread over the workers of the version that answers."""
    both = (fronted.version(1), fronted.version(2, FRONTED_WORKERS="2"))
    fronted.up(*both, answers=V1)
    both_workers = set[str]()
    while len(both_workers) < 2:
        with fronted.connect(fronted.bench.ports[2]) as direct:
            both_workers.add(ask(direct).headers["x-worker"])
    with ExitStack() as stack:
        connections = [stack.enter_context(fronted.connect()) for _ in range(8)]
        assert {by(ask(each)) for each in connections} == {V1}

        fronted.up(*both, answers=V2)

        replies = [ask(each) for each in connections]
    assert {by(reply) for reply in replies} == {V2}
    assert len({reply.headers["x-worker"] for reply in replies}) == 2


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_request_in_flight(fronted: Fronted, beside: Callable[[Callable[[], Outcome]], Future[Outcome]], loop: str) -> None:
    """What the former version had begun it must end, while others are answered by the new one; its client's next request goes there."""
    both = [fronted.version(number, FRONTED_LOOP=loop) for number in (1, 2)]
    fronted.up(*both, answers=V1)
    with fronted.connect() as long, fronted.connect() as other:
        long.sendall(SLOW + POST)
        wait_for(lambda: fronted.asked() == 1, what="the request is there")
        moving = beside(lambda: fronted.up(*both, answers=V2))
        wait_for(lambda: by(ask(other)) == V2, what="the new version answers")
        assert not moving.done()

        fronted.open_gate()

        assert [by(read_reply(long)), by(read_reply(long))] == [V1, V1]
        assert by(ask(long)) == V2
        (switched,) = moving.result(HANG_SECONDS).switched
        assert switched.began < switched.ended


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_request_that_takes_longer_than_its_version_has(fronted: Fronted, loop: str) -> None:
    """Once a move has ended the former version must answer nothing at the front: what is past its time is cut off, as at a stop."""
    both = [fronted.version(number, grace=0.3, FRONTED_LOOP=loop) for number in (1, 2)]
    fronted.up(*both, answers=V1)
    with fronted.connect() as long, fronted.connect() as begun, fronted.connect() as other:
        long.sendall(SLOW + POST)
        begun.sendall(POST[:-1])
        assert by(ask(other)) == V1
        wait_for(lambda: fronted.asked() == 1, what="the request is there")

        fronted.up(*both, answers=V2)

        assert read_all(long) == read_all(begun) == b""
        assert by(ask(other)) == V2


def test_a_former_version_that_does_not_hear(fronted: Fronted) -> None:
    """A worker that cannot even be told that its time is up must not answer later: it is ended."""
    both = (fronted.version(1, grace=0.3), fronted.version(2))
    fronted.up(*both, answers=V1)
    with fronted.connect() as long:
        long.sendall(SLOW)
        wait_for(lambda: fronted.asked() == 1, what="the request is there")
        pid = fronted.bench.service(V1).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)

        fronted.up(*both, answers=V2)

        assert read_all(long) == b""
    assert fronted.bench.service(V1).pid != pid
    with fronted.connect() as fresh:
        assert by(ask(fresh)) == V2


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_client_that_is_always_ahead(fronted: Fronted, beside: Callable[[Callable[[], Outcome]], Future[Outcome]], loop: str) -> None:
    """A client that has always sent its next request must get each answer, and soon those of the new version."""
    both = [fronted.version(number, FRONTED_LOOP=loop) for number in (1, 2)]
    fronted.up(*both, answers=V1)
    answered = []
    with fronted.connect() as ahead:
        ahead.sendall(AWHILE + AWHILE)
        answered.append(by(ask(ahead, AWHILE)))
        moving = beside(lambda: fronted.up(*both, answers=V2))
        wait_for(lambda: fronted.status.service == V2, what="it moves")
        while answered[-1] == V1 and len(answered) < MOST_BEHIND:
            answered.append(by(ask(ahead, AWHILE)))

        assert answered[-1] == V2, "the former version has it for good"
        assert [by(read_reply(ahead)) for _ in range(2)] == [V2, V2]
        moving.result(HANG_SECONDS)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("sent", [1, GET.index(b"Host"), len(GET) - 2, len(POST) - 3], ids=["a byte", "a line", "nearly a head", "a body"])
def test_half_a_request(fronted: Fronted, beside: Callable[[Callable[[], Outcome]], Future[Outcome]], loop: str, sent: int) -> None:
    """A request of which some was read must be answered by who read it: not a byte of it may be lost."""
    both = [fronted.version(number, FRONTED_LOOP=loop) for number in (1, 2)]
    fronted.up(*both, answers=V1)
    request = POST if sent > len(GET) else GET
    with fronted.connect() as slow, fronted.connect() as other:
        assert by(ask(slow, GET + request[:sent])) == V1  # the first is answered, the second begun
        moving = beside(lambda: fronted.up(*both, answers=V2))
        wait_for(lambda: by(ask(other)) == V2, what="the former version hands on what waits for nothing")

        slow.sendall(request[sent:])

        assert by(read_reply(slow)) == V1
        assert by(ask(slow)) == V2
        moving.result(HANG_SECONDS)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_silent_clients(fronted: Fronted, loop: str) -> None:
    """Connections on which nothing was asked, ever or since an answer, must be answered by the new version."""
    both = [fronted.version(number, FRONTED_LOOP=loop) for number in (1, 2)]
    fronted.up(*both, answers=V1)
    with fronted.connect() as fresh, fronted.connect() as idle:
        ask(idle)

        fronted.up(*both, answers=V2)

        assert by(ask(fresh)) == by(ask(idle)) == V2


def test_deadlines_of_connections_that_were_handed_on(fronted: Fronted) -> None:
    """A client that goes on to say nothing must be cut off by the version that has its connection now."""
    both = (fronted.version(1), fronted.version(2, FRONTED_HEAD="0.2"))
    fronted.up(*both, answers=V1)
    with fronted.connect() as silent:
        fronted.up(*both, answers=V2)

        assert read_all(silent) == b""


def test_more_connections_than_the_new_version_takes(fronted: Fronted, beside: Callable[[Callable[[], Outcome]], Future[Outcome]]) -> None:
    """Connections that are handed on must be let in, however many there are: only what they ask next may be refused."""
    both = (fronted.version(1), fronted.version(2, FRONTED_MOST="2"))
    fronted.up(*both, answers=V1)
    with ExitStack() as stack:
        connections = [stack.enter_context(fronted.connect()) for _ in range(8)]
        assert {by(ask(each)) for each in connections} == {V1}
        moving = beside(lambda: fronted.bench.up(*both, answers=V2))
        wait_for(lambda: fronted.status.service == V2 and fronted.status.began > 0, what="it moves")
        alive = GET.replace(b"/predict", Route.LIVE.encode())
        for each in connections:
            wait_for(lambda each=each: by(ask(each, alive)) == V2, what="it is handed on")  # type: ignore[misc] # as mypy has lambdas

        assert sorted(ask(each).status for each in connections) == [200] * 2 + [503] * 6
    moving.result(HANG_SECONDS)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_large_answer_that_is_not_read_yet(
    fronted: Fronted, beside: Callable[[Callable[[], Outcome]], Future[Outcome]], loop: str
) -> None:
    """A connection with an answer on its way must stay until all of it is with its client's system, and then go."""
    size = 20_000_000
    both = [fronted.version(number, FRONTED_LOOP=loop) for number in (1, 2)]
    fronted.up(*both, answers=V1)
    with fronted.connect() as slow, fronted.connect() as other:
        slow.sendall(f"GET /bytes/{size} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert slow.recv(1) == b"H"
        moving = beside(lambda: fronted.up(*both, answers=V2))
        wait_for(lambda: by(ask(other)) == V2, what="the former version hands on what waits for nothing")

        reply = read_reply_after(slow, b"H")

        assert (by(reply), len(reply.body)) == (V1, size)
        assert by(ask(slow)) == V2
        moving.result(HANG_SECONDS)


def read_reply_after(connection: socket.socket, first: bytes) -> Reply:
    """A reply of which these bytes were read."""
    received = bytearray(first)
    while b"\r\n\r\n" not in received:
        part = connection.recv(65_536)
        assert part, "cut off"
        received += part
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    lines = [line.split(": ") for line in head.decode().split("\r\n")[1:]]
    headers = {name.lower(): value for name, value in lines}
    content = bytearray(body)
    while len(content) < int(headers["content-length"]):
        part = connection.recv(1_048_576)
        assert part, f"cut off after {len(content)} bytes"
        content += part
    return Reply(int(head.split(b" ")[1]), headers, bytes(content))


def test_the_own_port_of_a_version_stays_its_own(fronted: Fronted) -> None:
    """Connections to a version's own port must never be handed on."""
    both = (fronted.version(1), fronted.version(2))
    fronted.up(*both, answers=V1)
    with fronted.connect(fronted.bench.ports[1]) as direct:
        assert by(ask(direct)) == V1

        fronted.up(*both, answers=V2)

        assert by(ask(direct)) == V1


def test_a_version_that_does_not_take_over(fronted: Fronted) -> None:
    """Of a version that is ready and does not accept, the former must go on without a word, and the reason be told."""
    fronted.up(fronted.version(1), answers=V1)
    with Steady(fronted.port, POST, connections=8) as clients:
        with pytest.raises(SwitchFailed) as failed:
            fronted.bench.up(fronted.version(1), fronted.version(2, FRONTED_FAULT="deaf"), answers=V2)
        clients.more(100)

    assert "does not accept connections" in str(failed.value.why)
    assert (clients.failed, clients.reopened) == ({}, 0)
    assert set(clients.answered_by) == {V1}
    assert fronted.bench.states() == {V1: State.READY}


def test_a_version_of_which_one_worker_does_not_hear(fronted: Fronted) -> None:
    """When one of the new workers does not take over no other may answer either: a move that is withdrawn was none."""
    fronted.up(fronted.version(1), answers=V1)
    with Steady(fronted.port, POST.replace(b"Host:", b"connection: close\r\nHost:"), connections=8) as clients:
        with pytest.raises(SwitchFailed) as failed:
            fronted.bench.up(fronted.version(1), fronted.version(2, FRONTED_FAULT="one-deaf", FRONTED_WORKERS="2"), answers=V2)
        clients.more(100)

    assert "does not accept connections" in str(failed.value.why)
    assert clients.failed == {}
    assert set(clients.answered_by) == {V1}


def test_a_worker_that_was_not_understood(fronted: Fronted) -> None:
    """A worker whose channel is lost must come again, so that it can be told of the next move."""
    both = (fronted.version(1), fronted.version(2))
    fronted.up(*both, answers=V1)
    with fronted.connect() as connection:
        worker = int(ask(connection).headers["x-worker"])
        before = fronted.heard()
        os.kill(worker, signal.SIGUSR1)
        wait_for(lambda: fronted.heard() != before, what="it is heard anew")

        fronted.up(*both, answers=V2)

        assert by(ask(connection)) == V2
    for _ in range(20):
        with fronted.connect() as fresh:
            assert by(ask(fresh)) == V2


def test_connections_of_another_protocol_end_with_an_answer(fronted: Fronted) -> None:
    """Where connections cannot be handed on they must end as HTTP has it, behind an answer, and new ones go to the new version."""
    both = (fronted.version(1, FRONTED_FAULT="own-protocol"), fronted.version(2))
    fronted.up(*both, answers=V1)
    with fronted.connect() as idle:
        assert by(ask(idle)) == V1

        fronted.up(*both, answers=V2)

        assert read_all(idle) == b""
        with fronted.connect() as fresh:
            assert by(ask(fresh)) == V2


def test_a_former_worker_that_dies_while_it_hands_on(fronted: Fronted, beside: Callable[[Callable[[], Outcome]], Future[Outcome]]) -> None:
    """A worker that is killed in mid-move must take only its own connections along, and the move must be made."""
    both = (fronted.version(1, FRONTED_WORKERS="2"), fronted.version(2))
    fronted.up(*both, answers=V1)
    with ExitStack() as stack:
        connections: list[tuple[socket.socket, int]] = []
        while len({worker for _, worker in connections}) < 2:
            connection = stack.enter_context(fronted.connect())
            connections.append((connection, int(ask(connection).headers["x-worker"])))
        for connection, _ in connections:
            connection.sendall(SLOW)
        wait_for(lambda: fronted.asked() == len(connections), what="all requests are there")
        moving = beside(lambda: fronted.up(*both, answers=V2))
        wait_for(lambda: fronted.status.service == V2, what="it moves")

        victim = connections[0][1]
        os.kill(victim, signal.SIGKILL)
        fronted.open_gate()

        assert moving.result(HANG_SECONDS).switched
        for connection, worker in connections:
            if worker == victim:
                assert read_all(connection) == b""
            else:
                assert by(read_reply(connection)) == V1
                assert by(ask(connection)) == V2
