"""What may stand in the way of a start, and what is done about it."""

from __future__ import annotations

import socket
import subprocess
from dataclasses import replace

import pytest

from mlsandbox.docker_host import ImageRef
from mlsandbox.engines.base import Change, Result, Undone
from mlsandbox.errors import CommandFailed
from mlsandbox.stack.spec import Condition, Resources, ServiceSpec
from mlsandbox.supervise.transition import State
from support.leaks import assert_nothing_left
from support.toy_stack import ToyStack
from support.toys import toy
from support.waiting import HANG_SECONDS, wait_for


def test_unready_says_why(stack: ToyStack) -> None:
    """A service that answers that it is not ready must be told with its reason, also when its answer is longer than Docker keeps."""
    outcome = stack.up(toy("a", stack.ports[0], TOY="refuse", TOY_PADDING="9000"))

    assert (outcome.result, outcome.reason) == (Result.REFUSED, "row 3 differs")
    assert outcome.body is not None
    assert outcome.body["code"] == "GOLDEN_MISMATCH"


def test_dead_dependency_ends_it(stack: ToyStack) -> None:
    """When what a service waits for dies, `up` must end at once, not when its time is over."""
    services = toy("a", stack.ports[0], TOY="crash"), toy("b", stack.ports[1], needs={"a": Condition.READY})

    outcome = stack.up(*services, timeout=86_400.0)

    assert (outcome.result, outcome.service, outcome.exit_code) == (Result.CRASHED, "a", 3)


def test_what_was_waited_for_may_come_late(stack: ToyStack) -> None:
    """After its time is over a stack must go on coming up: what waits for another service is started too."""
    a, b = toy("a", stack.ports[0], TOY="never"), toy("b", stack.ports[1], needs={"a": Condition.READY})

    outcome = stack.up(a, b, timeout=6.0)

    assert (outcome.result, outcome.service) == (Result.TIMEOUT, "a")
    wait_for(lambda: (found := stack.engine.observe().service("b")) and found.state is State.READY, what="b is ready")


def _once(name: str, code: str, **needs: Condition) -> ServiceSpec:
    return replace(toy(name, 0), args=("-c", code), ports=(), readiness=None, runs_once=True, needs=needs)


def test_runs_once(stack: ToyStack) -> None:
    """A service that runs to its end is ready when it has ended well, and stays so."""
    setup = _once("setup", "print('done')")
    a = toy("a", stack.ports[0], needs={"setup": Condition.READY})

    assert stack.up(setup, a).result is Result.READY

    again = stack.engine.plan(stack.desired(setup, a), stack.engine.observe())
    assert not again.changes
    assert stack.engine.observe().is_ready


def test_runs_once_and_fails(stack: ToyStack) -> None:
    """When it ends badly the stack is undone, with what it wrote."""
    setup = _once("setup", "import sys; sys.exit('no such index')")

    outcome = stack.up(setup, toy("a", stack.ports[0]))

    assert (outcome.result, outcome.service, outcome.exit_code, outcome.lines) == (Result.CRASHED, "setup", 1, ("no such index",))
    assert outcome.undone is Undone.STOPPED


def test_port_in_use(stack: ToyStack) -> None:
    """A port that another program has must be told in the words by which `up` knows to choose another one."""
    with socket.create_server(("127.0.0.1", stack.ports[0])):
        outcome = stack.up(toy("a", stack.ports[0]))

    assert outcome.result is Result.CRASHED
    assert outcome.reason == f"port {stack.ports[0]} on this machine is taken by another process"
    assert outcome.undone is Undone.STOPPED


def test_port_in_use_with_nobody_waiting(stack: ToyStack) -> None:
    """What stands in the way at once must be told also when nobody waits."""
    with socket.create_server(("127.0.0.1", stack.ports[0])):
        outcome = stack.up(toy("a", stack.ports[0]), timeout=0.0)

    assert (outcome.result, outcome.reason) == (
        Result.CRASHED,
        f"port {stack.ports[0]} on this machine is taken by another process",
    )


def test_missing_image(stack: ToyStack, image: ImageRef) -> None:
    """An image that went away must be named, and nothing be left."""
    stack.image = replace(image, reference="sandbox-test/toys:gone")

    with pytest.raises(CommandFailed) as found:
        stack.up(toy("a", stack.ports[0]))

    assert "sandbox-test/toys:gone" in found.value.why
    assert_nothing_left(stack.root, stack.ports, docker=True)


def test_memory_exceeded(stack: ToyStack) -> None:
    """A service that needs more memory than it may have must be told as that."""
    greedy = replace(toy("a", stack.ports[0], TOY_MEMORY=str(10**9)), resources=Resources(memory_bytes=64 * 1024**2))

    outcome = stack.up(greedy)

    assert (outcome.result, outcome.service) == (Result.CRASHED, "a")
    assert "memory" in outcome.reason


def test_interrupted_change_goes_back(stack: ToyStack) -> None:
    """An interrupt in the middle of a change must come through, and what ran before must come back."""
    good = toy("a", stack.ports[0])
    stack.up(good)

    def interrupt(change: Change) -> None:
        if change.state is State.STARTING:
            raise KeyboardInterrupt

    plan = stack.engine.plan(stack.desired(toy("a", stack.ports[0], TOY="never")), stack.engine.observe())
    with pytest.raises(KeyboardInterrupt):
        stack.engine.apply(plan, interrupt, timeout=HANG_SECONDS)

    wait_for(lambda: stack.engine.observe().is_ready, what="the former stack is ready")
    assert not stack.engine.plan(stack.desired(good), stack.engine.observe()).changes


def test_nothing_to_do(stack: ToyStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking and planning must run no program: what is as it should be is not touched by Compose."""
    services = [toy(name, port) for name, port in zip("abc", stack.ports, strict=True)]
    stack.up(*services)

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", None)
        outcome = stack.up(*services)

    assert outcome.result is Result.READY
