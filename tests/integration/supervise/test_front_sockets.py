"""The sockets of fronts: who comes is answered, waits, or is refused, whatever becomes of versions, lists and ports."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mlsandbox.engines.base import Outcome, Result, Undone
from mlsandbox.errors import SwitchFailed
from mlsandbox.stack.components.base import direct
from mlsandbox.stack.spec import Front, PortSpec, Reach, ServiceSpec
from mlsandbox.supervise import control
from mlsandbox.supervise.spec import list_from_json, list_to_json
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Env
from support.fronted import POST, PROGRAM, SLOW, V1, V2, Fronted, ask, by
from support.guarded import read_reply
from support.steady import Steady
from support.toys import FRONT, desired, free_ports, front, toy
from support.waiting import HANG_SECONDS, wait_for


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

    wait_for(lambda: fronted.status.service == V2 and not fronted.refuses(), what="the front is the other one's, which is started")
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


def test_who_comes_while_a_version_pauses_for_long_is_refused(fronted: Fronted) -> None:
    """Between the ends of a version that ends again and again nobody may hang at its front once the pauses are long."""
    fronted.up(fronted.version(1), answers=V1)
    text = fronted.folder.processes.read_text("utf-8")
    fronted.folder.processes.write_text(text.replace(PROGRAM, "/nowhere.py"), "utf-8")

    control.reload(fronted.folder)

    wait_for(lambda: fronted.bench.service(V1).state is State.BACKOFF and fronted.refuses(), what="the front is closed for a while")
    assert fronted.bench.service(V1).state is State.BACKOFF


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


def test_a_supervisor_that_is_stopped_while_a_front_moves(
    fronted: Fronted, beside: Callable[[Callable[[], Outcome]], Future[Outcome]]
) -> None:
    """`down` must not wait for a move: what the former version is at is answered as at any stop."""
    both = (fronted.version(1), fronted.version(2))
    fronted.up(*both, answers=V1)
    with fronted.connect() as long:
        long.sendall(SLOW)
        wait_for(lambda: fronted.asked() == 1, what="the request is there")
        listed = list_from_json(fronted.folder.processes.read_text("utf-8"))
        moved = replace(listed, fronts=tuple(replace(front, service=V2) for front in listed.fronts))
        fronted.folder.processes.write_text(list_to_json(moved), "utf-8")
        control.reload(fronted.folder)
        wait_for(lambda: fronted.status.service == V2, what="it moves")

        stopping = beside(fronted.bench.down)

        wait_for(fronted.refuses, what="the front is closed")
        fronted.open_gate()
        assert by(read_reply(long)) == V1
        assert stopping.result(HANG_SECONDS).result is Result.STOPPED


def test_a_move_to_what_is_not_ready(fronted: Fronted) -> None:
    """A list that moves a front to a version that is not ready must leave it where it is, and the reason be told."""
    fronted.up(fronted.version(1), toy("beside", fronted.bench.ports[0]), answers=V1)
    text = fronted.folder.processes.read_text("utf-8")
    listed = list_from_json(text)
    fronts = tuple(replace(front, service="nobody") for front in listed.fronts)
    fronted.folder.processes.write_text(list_to_json(replace(listed, fronts=fronts)), "utf-8")

    control.reload(fronted.folder)

    wait_for(lambda: fronted.status.error == "nobody is not in the list", what=f"the reason: {fronted.status}")
    assert (fronted.status.service, fronted.status.moves) == (V1, 0)
    with fronted.connect() as connection:
        assert by(ask(connection)) == V1


def test_what_else_a_change_brings_fails_after_the_move(fronted: Fronted) -> None:
    """A front that has moved must stay so when the rest of the change fails, and the rest be as it was; both must be told."""
    fronted.up(fronted.version(1), toy("beside", fronted.bench.ports[0]), answers=V1)
    broken = toy("beside", fronted.bench.ports[0], TOY="crash")

    outcome = fronted.bench.up(fronted.version(2), broken, answers=V2)

    assert (outcome.result, outcome.service, outcome.undone) == (Result.CRASHED, "beside", Undone.RESTORED)
    assert [each.service for each in outcome.switched] == [V2]
    assert fronted.bench.states() == {V1: State.READY, V2: State.READY, "beside": State.READY}
    with fronted.connect() as connection:
        assert by(ask(connection)) == V2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the bounds of other processes")
def test_files_that_may_be_open(fronted: Fronted) -> None:
    """All connections may be on their way through the supervisor, which must open as many files as it can; versions keep their bound."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard - 1, hard))
    try:
        fronted.up(fronted.version(1), answers=V1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    supervisor, version = control.supervisor_pid(fronted.folder), fronted.bench.service(V1).pid
    assert psutil.Process(supervisor).rlimit(psutil.RLIMIT_NOFILE) == (hard, hard)
    assert psutil.Process(version).rlimit(psutil.RLIMIT_NOFILE) == (hard - 1, hard)


def test_an_interrupt_while_a_front_moves(fronted: Fronted, beside: Callable[[Callable[[], object]], Future[object]]) -> None:
    """What is to be seen of a front when an interrupt has come through must stay so: it is what is written down."""
    both = (fronted.version(1), fronted.version(2))
    fronted.up(*both, answers=V1)
    with fronted.connect() as long:
        long.sendall(SLOW)
        wait_for(lambda: fronted.asked() == 1, what="the request is there")

        def interrupt() -> None:
            wait_for(lambda: fronted.status.service == V2, what="it moves")
            os.kill(os.getpid(), signal.SIGINT)
            fronted.open_gate()

        interrupting = beside(interrupt)
        with pytest.raises(KeyboardInterrupt):
            fronted.bench.up(*both, answers=V2)

        seen = fronted.bench.engine.observe().fronts
        assert by(read_reply(long)) == V1
    interrupting.result(HANG_SECONDS)
    assert [front.service for front in seen] == [V2]
    follow_again(fronted)
    assert fronted.bench.engine.observe().fronts == seen
    assert fronted.status.moves == 1


def follow_again(fronted: Fronted) -> None:
    """Have the supervisor follow its list once more than it was asked to so far."""
    for _ in range(2):
        status = control.current_status(fronted.folder)
        assert status is not None
        before = status.follows
        control.reload(fronted.folder)
        wait_for(lambda before=before: follows(fronted) > before, what="it follows")  # type: ignore[misc] # as mypy has lambdas


def follows(fronted: Fronted) -> int:
    status = control.current_status(fronted.folder)
    return 0 if status is None else status.follows


def test_two_fronts_of_which_one_cannot_move(fronted: Fronted) -> None:
    """The front that has moved must stay so when the next one cannot; which one that is must be told, and what it had go on."""
    bench, others = fronted.bench, free_ports(3)
    beta = [beside_at(fronted.version(1, FRONTED_FAULT=fault), f"beta-v{n}", others[n]) for n, fault in ((1, ""), (2, "deaf"))]
    versions = [fronted.version(1), fronted.version(2), *beta]

    def up(number: int) -> Outcome:
        fronts = [front(bench.front_port, f"{FRONT}-v{number}"), replace_name(front(others[0], f"beta-v{number}"), "beta")]
        running = [each for each in versions if number == 2 or each.name.endswith("v1")]
        plan = bench.engine.plan(desired(*running, fronts=fronts), bench.engine.observe())
        return bench.engine.apply(plan, bench.changes.append, timeout=HANG_SECONDS)

    assert up(1).result is Result.READY

    with pytest.raises(SwitchFailed) as failed:
        up(2)

    assert (failed.value.details["front"], failed.value.details["moved"]) == ("beta", [FRONT])
    assert {each.name: each.service for each in bench.engine.observe().fronts} == {FRONT: V2, "beta": "beta-v1"}
    assert set(bench.states()) == {V1, V2, "beta-v1"}
    with fronted.connect() as connection:
        assert by(ask(connection)) == V2


def beside_at(version: ServiceSpec, name: str, port: int) -> ServiceSpec:
    """The same program for another front."""
    ports = (PortSpec(direct(name), port, Reach.STACK),)
    assert version.readiness is not None
    env = {**version.env, Env.FRONT: "beta", "TOY_PORT": str(port)}
    return replace(version, name=name, front="beta", ports=ports, readiness=replace(version.readiness, port=direct(name)), env=env)


def replace_name(made: Front, name: str) -> Front:
    return replace(made, port=replace(made.port, name=name))
