"""Fronts of real processes under a real supervisor: versions change behind a port, and no client notices."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mlsandbox.engines.base import Outcome, Result
from mlsandbox.errors import SwitchFailed
from mlsandbox.stack.spec import ServiceSpec
from mlsandbox.supervise import control
from mlsandbox.supervise.spec import Folder, list_from_json, list_to_json
from mlsandbox.supervise.status import FrontStatus
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Env
from support.engine_bench import Bench
from support.guarded import Reply, read_all, read_reply
from support.steady import Steady
from support.toys import FRONT, toy
from support.waiting import HANG_SECONDS, wait_for

PROGRAM = str(Path(__file__).parents[2] / "support" / "fronted_service.py")
MOVES = 20
FEW_MOVES = 6
POST = b"POST /predict HTTP/1.1\r\nHost: localhost\r\ncontent-length: 10\r\n\r\n0123456789"
GET = b"GET /predict HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"
V1, V2 = f"{FRONT}-v1", f"{FRONT}-v2"


class Fronted:
    """Versions of fronted_service.py behind one front."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self.bench = Bench("embedded", root)
        self.folder = Folder(root / ".sandbox")
        self.gate = root / "gate"
        self.gate.mkdir()

    def version(self, number: int, *, grace: float = HANG_SECONDS, **env: str) -> ServiceSpec:
        toyish = toy(f"{FRONT}-v{number}", self.bench.ports[number], front=FRONT, grace=grace)
        return replace(toyish, args=(PROGRAM,), env={**toyish.env, "FRONTED_GATE": str(self.gate), **env})

    def up(self, *services: ServiceSpec, answers: str) -> Outcome:
        outcome = self.bench.up(*services, answers=answers)
        assert outcome.result is Result.READY, outcome
        return outcome

    @property
    def port(self) -> int:
        return self.bench.front_port

    @property
    def status(self) -> FrontStatus:
        status = control.current_status(self.folder)
        assert status is not None
        front = status.front(FRONT)
        assert front is not None
        return front

    def connect(self, port: int | None = None) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port or self.port), HANG_SECONDS)

    def asked(self) -> int:
        """Requests that wait at the gate."""
        return len(list(self.gate.glob("asked-*")))

    def open_gate(self) -> None:
        (self.gate / "open").touch()

    def refuses(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return True
        return False


@pytest.fixture
def fronted(tmp_path: Path) -> Iterator[Fronted]:
    """Nothing runs yet; whatever a test does, nothing may run afterwards."""
    made = Fronted(tmp_path / "größe 1")
    yield made
    made.open_gate()
    made.bench.down()
    made.bench.assert_nothing_left()


@pytest.fixture
def beside() -> Iterator[Callable[[Callable[[], Outcome]], Future[Outcome]]]:
    """Does something in a thread."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


def ask(connection: socket.socket, request: bytes = POST) -> Reply:
    connection.sendall(request)
    return read_reply(connection)


def by(reply: Reply) -> str:
    """Who answered it."""
    assert reply.status == 200
    return reply.headers["x-model-version"]


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


def test_a_request_that_takes_longer_than_its_version_has(fronted: Fronted) -> None:
    """A move must not wait for what the former version has for ever; what that had begun is still its own to answer."""
    both = (fronted.version(1, grace=0.3), fronted.version(2))
    fronted.up(*both, answers=V1)
    with fronted.connect() as long:
        long.sendall(SLOW)
        wait_for(lambda: fronted.asked() == 1, what="the request is there")

        fronted.up(*both, answers=V2)

        fronted.open_gate()
        assert by(read_reply(long)) == V1
        assert by(ask(long)) == V2


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("sent", [1, GET.index(b"Host"), len(GET) - 2, len(POST) - 3], ids=["a byte", "a line", "nearly a head", "a body"])
def test_half_a_request(fronted: Fronted, loop: str, sent: int) -> None:
    """A request of which some was read must be answered by who read it: not a byte of it may be lost."""
    both = (fronted.version(1, grace=0.3, FRONTED_LOOP=loop), fronted.version(2, FRONTED_LOOP=loop))
    fronted.up(*both, answers=V1)
    request = POST if sent > len(GET) else GET
    with fronted.connect() as slow:
        assert by(ask(slow, GET + request[:sent])) == V1  # the first is answered, the second begun
        fronted.up(*both, answers=V2)

        slow.sendall(request[sent:])

        assert by(read_reply(slow)) == V1
        assert by(ask(slow)) == V2


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


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_large_answer_that_is_not_read_yet(fronted: Fronted, loop: str) -> None:
    """A connection with an answer on its way must stay until all of it is with its client's system, and then go."""
    size = 20_000_000
    both = (fronted.version(1, grace=0.3, FRONTED_LOOP=loop), fronted.version(2, FRONTED_LOOP=loop))
    fronted.up(*both, answers=V1)
    with fronted.connect() as slow:
        slow.sendall(f"GET /bytes/{size} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert slow.recv(1) == b"H"
        fronted.up(*both, answers=V2)

        reply = read_reply_after(slow, b"H")

        assert (by(reply), len(reply.body)) == (V1, size)
        assert by(ask(slow)) == V2


def read_reply_after(connection: socket.socket, first: bytes) -> Reply:
    """A reply of which these bytes were read."""
    received = bytearray(first)
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    lines = [line.split(": ") for line in head.decode().split("\r\n")[1:]]
    headers = {name.lower(): value for name, value in lines}
    content = bytearray(body)
    while len(content) < int(headers["content-length"]):
        content += connection.recv(1_048_576)
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


def test_a_version_that_dies_is_answered_for_by_its_next_process(fronted: Fronted) -> None:
    """After a crash the same version must answer again; who comes meanwhile must wait for it, and not be refused."""
    fronted.up(fronted.version(1), answers=V1)
    first = fronted.bench.service(V1).pid
    assert first is not None

    os.kill(first, signal.SIGKILL)

    with fronted.connect() as waiting:
        reply = ask(waiting)
    assert by(reply) == V1
    assert int(reply.headers["x-worker"]) != first


def test_one_list_that_moves_a_front_and_drops_the_former(fronted: Fronted) -> None:
    """When the former leaves the list that moves its front, the front must move first: nobody may notice."""
    fronted.up(fronted.version(1), fronted.version(2), answers=V1)
    listed = list_from_json(fronted.folder.processes.read_text("utf-8"))
    moved = replace(listed, processes=listed.processes[1:], fronts=tuple(replace(front, service=V2) for front in listed.fronts))
    with Steady(fronted.port, POST) as clients:
        fronted.folder.processes.write_text(list_to_json(moved), "utf-8")
        control.reload(fronted.folder)
        wait_for(lambda: fronted.bench.states() == {V2: State.READY}, what="the former is gone")
        clients.more(100)

    assert (clients.failed, clients.reopened) == ({}, 0)
    assert clients.answered_by[V2]


def test_one_list_that_replaces_the_former(fronted: Fronted) -> None:
    """When the new one only begins as the former goes, who comes meanwhile must wait for it."""
    fronted.up(fronted.version(1), answers=V1)
    port = fronted.bench.ports[1]
    text = fronted.folder.processes.read_text("utf-8").replace(V1, V2).replace(str(port), str(fronted.bench.ports[2]))
    fronted.folder.processes.write_text(text, "utf-8")

    control.reload(fronted.folder)

    wait_for(lambda: fronted.status.service == V2, what="the front is the other one's")
    with fronted.connect() as waiting:
        assert by(ask(waiting)) == V2


def test_a_front_that_another_process_has(fronted: Fronted) -> None:
    """A service must not start when its front's port is taken; the reason names the port."""
    with socket.create_server(("127.0.0.1", fronted.port)):
        outcome = fronted.bench.up(fronted.version(1), answers=V1)

    assert outcome.result is Result.CRASHED
    assert outcome.reason == f"port {fronted.port} ({FRONT}) is taken by another process"


def test_a_front_that_goes_to_a_port_of_another_process(fronted: Fronted) -> None:
    """Of a running front that is to have another port, the old one must go on when the new one is taken."""
    fronted.up(fronted.version(1), answers=V1)
    old = fronted.port
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        fronted.bench.front_port = stranger.getsockname()[1]
        outcome = fronted.bench.up(fronted.version(1), fronted.version(2), answers=V1)

    assert outcome.result is Result.CRASHED
    assert outcome.reason == f"port {fronted.port} ({FRONT}) is taken by another process"
    with fronted.connect(old) as connection:
        assert by(ask(connection)) == V1


def test_a_front_with_another_port(fronted: Fronted) -> None:
    """A front whose port changes must be answered at the new one, and no more at the old one, while its version runs on."""
    fronted.up(fronted.version(1), answers=V1)
    old, pid = fronted.port, fronted.bench.service(V1).pid
    fronted.bench.front_port = fronted.bench.ports[0]

    fronted.up(fronted.version(1), fronted.version(2), answers=V1)

    with fronted.connect() as connection:
        assert by(ask(connection)) == V1
    fronted.bench.front_port = old
    wait_for(fronted.refuses, what="the old port is free")
    assert fronted.bench.service(V1).pid == pid


def test_who_comes_to_a_version_that_was_given_up_is_refused(fronted: Fronted) -> None:
    """While a version is down for good nobody may hang at its front; once it is started again it must be answered."""
    fronted.up(fronted.version(1), answers=V1)
    text = fronted.folder.processes.read_text("utf-8")
    fronted.folder.processes.write_text(text.replace(PROGRAM, "/nowhere.py"), "utf-8")

    control.reload(fronted.folder)

    wait_for(lambda: fronted.bench.states() == {V1: State.FAILED}, what="it is given up")
    wait_for(fronted.refuses, what="the front is closed")
    fronted.up(fronted.version(1), answers=V1)
    with fronted.connect() as connection:
        assert by(ask(connection)) == V1


def test_who_comes_to_a_version_that_is_stopping_is_refused(
    fronted: Fronted, beside: Callable[[Callable[[], Outcome]], Future[Outcome]]
) -> None:
    """From the moment that a version is told to stop nobody may hang at its front, however long its last answers take."""
    fronted.up(fronted.version(1), toy("beside", fronted.bench.ports[0]), answers=V1)
    with fronted.connect() as long:
        long.sendall(SLOW)
        wait_for(lambda: fronted.asked() == 1, what="the request is there")
        stopping = beside(lambda: fronted.bench.down(V1))

        wait_for(fronted.refuses, what="the front is closed")

        assert not stopping.done()
        fronted.open_gate()
        assert by(read_reply(long)) == V1
        stopping.result(HANG_SECONDS)


def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    """However deep a project lies, its fronts must work; what is made elsewhere for that must be gone with the stack."""
    fronted = Fronted(tmp_path / ("deep" * 20) / ("deeper" * 10))
    try:
        fronted.up(fronted.version(1), answers=V1)
        pid = fronted.bench.service(V1).pid
        assert pid is not None
        path = Path(psutil.Process(pid).environ()[Env.FRONT_SOCKET])
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        with fronted.connect() as connection:
            assert by(ask(connection)) == V1
    finally:
        fronted.bench.down()
    assert not path.parent.exists()


def test_nonsense_at_the_socket_of_fronts(fronted: Fronted) -> None:
    """What is no message must harm nobody else."""
    fronted.up(fronted.version(1), answers=V1)
    pid = fronted.bench.service(V1).pid
    assert pid is not None
    path = psutil.Process(pid).environ()[Env.FRONT_SOCKET]
    for nonsense in (b"{}\n", b"\xff\n", b"[]\n", b'{"do":"hello"}\n', b'{"do":"connection"}\n', b"x" * 100_000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(nonsense)

    with fronted.connect() as connection:
        assert by(ask(connection)) == V1
