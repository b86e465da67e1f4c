"""Moves that are interrupted, fail in the middle, or have a gateway that ends meanwhile: what answers must be what is told."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection

import psutil
import pytest
from docker.errors import APIError

from mlsandbox.engines import docker_gateway
from mlsandbox.engines.base import Desired, Result
from mlsandbox.engines.docker_daemon import Daemon
from mlsandbox.engines.docker_exec import written
from mlsandbox.engines.docker_gateway import Gateway
from mlsandbox.engines.docker_observe import Container
from mlsandbox.errors import SwitchFailed
from mlsandbox.stack.components.base import direct
from mlsandbox.stack.components.gateway import NAME
from mlsandbox.stack.spec import Front, PortSpec, Reach, ServiceSpec
from mlsandbox.supervise.transition import State
from support.engine_bench import Bench
from support.toys import FRONT, desired, free_ports, front, gateway, toy
from support.waiting import HANG_SECONDS, wait_for

CHURN = "api-churn"
ASK = "state ready"
"""In what the gateway is told when it is to ask another version."""


class Said:
    """What the gateway is told; something may happen behind the first of certain words."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, words: str, then: Callable[[], None]) -> None:
        self.told: list[str] = []
        real = Daemon.execute

        def execute(daemon: Daemon, container: Container, argv: Sequence[str]) -> str:
            first = words in argv[-1] and not any(words in each for each in self.told)
            self.told.append(argv[-1])
            said = real(daemon, container, argv)
            if first:
                then()
            return said

        monkeypatch.setattr(Daemon, "execute", execute)


def _raises(error: BaseException) -> Callable[[], None]:
    def then() -> None:
        raise error

    return then


def _version(bench: Bench, number: int) -> ServiceSpec:
    return toy(f"{FRONT}-v{number}", bench.ports[number], front=FRONT)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SwitchFailed("the gateway went away", fix="sandbox up")], ids=["interrupt", "failure"]
)
def test_a_move_that_is_interrupted_is_taken_back(bench: Bench, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Whatever ends a move just when the gateway was told, the former version alone must be asked, and the other be gone."""
    bench.up(_version(bench, 1), answers="api-v1")
    said = Said(monkeypatch, ASK, _raises(error))

    with pytest.raises(type(error)):
        bench.up(_version(bench, 2), answers="api-v2")

    assert "state drain" in next(each for each in said.told if ASK in each), "both must be told at once"
    assert bench.states() == {"api-v1": State.READY}
    assert {_answer(bench.front_port) for _ in range(8)} == {"api-v1"}
    assert bench.answering() == "api-v1"
    assert not bench.plan(_version(bench, 1), answers="api-v1").changes


def test_who_is_asked_is_told_although_it_was_never_written_down(bench: Bench) -> None:
    """A command that was killed behind a move must not leave a stack that says that the former version answers."""
    both = (_version(bench, 1), _version(bench, 2))
    bench.up(*both, answers="api-v1")
    saved = {path: path.read_bytes() for path in (bench.root / ".sandbox/stack").rglob("*") if path.is_file()}
    bench.up(*both, answers="api-v2")
    for path, content in saved.items():  # as if the program had been killed before it wrote the move down
        path.write_bytes(content)

    assert bench.answering() == "api-v2"
    assert not bench.plan(*both, answers="api-v2").moves
    assert bench.up(*both, answers="api-v2").result is Result.READY
    assert bench.answering() == "api-v2"


def test_a_gateway_that_ends_behind_a_move_asks_the_new_version(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a gateway asks that was started again before the move was written down must be put right before the former goes."""
    bench.up(_version(bench, 1), answers="api-v1")

    def end() -> None:
        former = bench.service(NAME).pid
        os.kill(former or 0, signal.SIGKILL)
        wait_for(lambda: bench.service(NAME).pid not in {None, former}, what="another gateway")
        wait_for(lambda: _answer(bench.front_port) == "api-v1", what="the gateway is back, and asks v1")

    Said(monkeypatch, ASK, end)
    outcome = bench.up(_version(bench, 2), answers="api-v2")

    assert (outcome.result, [each.service for each in outcome.switched]) == (Result.READY, ["api-v2"])
    assert bench.states() == {"api-v2": State.READY}
    assert bench.answering() == "api-v2"


def test_a_gateway_that_was_just_killed_is_asked_again(bench: Bench) -> None:
    """Who asks a gateway in the moment of its death must get the answer of the one that comes back."""
    bench.up(_version(bench, 1), answers="api-v1")
    daemon = Daemon(str(bench.root.resolve()))
    (container,) = (each for each in daemon.containers({}) if each.service.name == NAME)

    os.kill(container.service.pid or 0, signal.SIGKILL)

    assert Gateway(daemon, container).asked([FRONT]) == {FRONT: ("api-v1",)}


def test_a_gateway_that_hangs_is_asked_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that takes what it is told and says nothing must not hold up anybody for ever, and be heard once it speaks again."""
    bench.up(_version(bench, 1), answers="api-v1")
    daemon = Daemon(str(bench.root.resolve()))
    (container,) = (each for each in daemon.containers({}) if each.service.name == NAME)
    monkeypatch.setattr("mlsandbox.engines.docker_exec.written.__kwdefaults__", {"seconds": 1.0, "stderr": True})
    first = psutil.Process(container.service.pid or 0)
    hanging = [first, *first.children(recursive=True)]

    def go_on() -> None:
        for each in hanging:
            each.resume()

    try:
        for each in hanging:
            each.suspend()
        with pytest.raises(SwitchFailed, match="cannot be told"):
            Gateway(daemon, container).asked([FRONT])
        assert [each.service for each in bench.engine.observe().fronts] == ["api-v1"], "as it was written down"

        Said(monkeypatch, FRONT, go_on)
        assert Gateway(daemon, container).asked([FRONT]) == {FRONT: ("api-v1",)}
    finally:
        go_on()


def test_a_program_that_says_nothing_is_given_up(bench: Bench) -> None:
    """An output that the engine never ends must not be waited for; one that ends must be whole, with or without the other stream."""
    bench.up(_version(bench, 1), answers="api-v1")
    daemon = Daemon(str(bench.root.resolve()))
    container = next(iter(daemon.containers({})))

    assert not written(daemon.api, container.id, ("sh", "-c", "echo before; exec sleep 60"), seconds=1.0)
    both = ("sh", "-c", "seq 20000; echo aside >&2")
    assert written(daemon.api, container.id, both, stderr=False) == "".join(f"{number}\n" for number in range(1, 20_001))
    assert "aside\n" in written(daemon.api, container.id, both)
    with pytest.raises(APIError):
        written(daemon.api, "nobody", both)


def test_what_is_not_known_of_the_former_does_not_undo_a_move(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the new version is asked, a gateway that does not say what the former has left must not be told as a failed move."""
    both = (_version(bench, 1), _version(bench, 2))
    bench.up(*both, answers="api-v1")
    said = Said(monkeypatch, "never", _raises(AssertionError()))
    real = Daemon.execute

    def execute(daemon: Daemon, container: Container, argv: Sequence[str]) -> str:
        moved = [number for number, each in enumerate(said.told) if ASK in each]
        answer = real(daemon, container, argv)
        return "" if moved and len(said.told) - moved[0] in {2, 3} else answer  # it is asked once more

    monkeypatch.setattr(Daemon, "execute", execute)
    monkeypatch.setattr(docker_gateway, "_BACK_SECONDS", 0.0)
    outcome = bench.up(*both, answers="api-v2")

    assert (outcome.result, [each.service for each in outcome.switched]) == (Result.READY, ["api-v2"])
    assert bench.answering() == "api-v2"


def test_a_way_back_is_short(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between versions that run, and that the gateway knows, it must be told and asked no more than it has to be."""
    both = (_version(bench, 1), _version(bench, 2))
    for answers in ("api-v1", "api-v2"):
        bench.up(*both, answers=answers)
    plan = bench.plan(*both, answers="api-v1")
    said = Said(monkeypatch, "never", _raises(AssertionError()))

    bench.engine.apply(plan, bench.changes.append, timeout=HANG_SECONDS)

    assert len(said.told) == 3, "whom it knows, the move, and that the former has nothing left"
    assert bench.answering() == "api-v1"


def test_fronts_that_moved_stay_when_a_later_one_cannot(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several fronts each must be where it is told to be, whatever became of the others; the next `up` must make the rest."""
    ports = free_ports(3)
    bench.engine.apply(bench.engine.plan(_both(bench, ports, 1), bench.engine.observe()), bench.changes.append, timeout=HANG_SECONDS)
    Said(monkeypatch, f"{CHURN}/slot2 {ASK}", _raises(SwitchFailed("the gateway went away", fix="sandbox up")))

    with pytest.raises(SwitchFailed) as failed:
        bench.engine.apply(bench.engine.plan(_both(bench, ports, 2), bench.engine.observe()), bench.changes.append, timeout=HANG_SECONDS)

    assert failed.value.details["moved"] == [FRONT]
    assert "api to api-v2" in failed.value.why
    assert {each.name: each.service for each in bench.engine.observe().fronts} == {FRONT: "api-v2", CHURN: "api-churn-v1"}
    assert bench.states() == dict.fromkeys(("api-churn-v1", "api-v1", "api-v2"), State.READY)
    assert (_answer(bench.front_port), _answer(ports[0])) == ("api-v2", "api-churn-v1")

    plan = bench.engine.plan(_both(bench, ports, 2), bench.engine.observe())
    assert [move.front for move in plan.moves] == [CHURN]
    assert bench.engine.apply(plan, bench.changes.append, timeout=HANG_SECONDS).result is Result.READY
    assert (_answer(bench.front_port), _answer(ports[0])) == ("api-v2", "api-churn-v2")
    assert bench.states() == dict.fromkeys(("api-churn-v2", "api-v2"), State.READY)


def _both(bench: Bench, ports: Sequence[int], number: int) -> Desired:
    """Two models, each with this version."""
    churn = f"{CHURN}-v{number}"
    fronts = (front(bench.front_port, f"{FRONT}-v{number}"), Front(PortSpec(CHURN, ports[0], Reach.PUBLIC), churn, direct(churn)))
    versions = (_version(bench, number), toy(churn, ports[number], front=CHURN))
    wanted = desired(*versions, gateway(fronts, bench.project), project=bench.project, image=bench.image, fronts=fronts)
    return replace(wanted, images={**wanted.images, **bench.images})


def _answer(port: int) -> str:
    """The service that answers there; empty when nobody does."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)) as connection:
        try:
            connection.request("GET", "/")
            return str(json.loads(connection.getresponse().read()).get("service", ""))
        except (OSError, EOFError, ValueError):
            return ""
