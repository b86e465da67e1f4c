"""What every engine must do, asked of each in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Action, Change, Engine, Outcome, Result, Undone
from mlsandbox.stack.spec import Condition, ServiceSpec
from mlsandbox.supervise.transition import State
from support.fake_engine import FakeEngine
from support.leaks import assert_nothing_left, snapshot
from support.toys import desired, free_ports, toy

ALL: dict[str, Callable[[Path], Engine]] = {**ENGINES, FakeEngine.name: FakeEngine}


class Bench:
    """One engine on one project, in a folder whose name is as awkward as a user's may be."""

    def __init__(self, name: str, root: Path) -> None:
        self.root = root
        self.engine = ALL[name](root)
        self.ports = free_ports(3)
        self.changes: list[Change] = []

    def up(self, *services: ServiceSpec, timeout: float = 30.0) -> Outcome:
        plan = self.engine.plan(desired(*services), self.engine.observe())
        return self.engine.apply(plan, self.changes.append, timeout=timeout)

    def down(self, *services: str) -> Outcome:
        plan = self.engine.plan_stop(services or None, self.engine.observe())
        return self.engine.apply(plan, self.changes.append, timeout=30)

    def states(self) -> dict[str, State]:
        return {service.name: service.state for service in self.engine.observe().services}

    def actions(self, *services: ServiceSpec) -> dict[str, Action]:
        return {step.service: step.action for step in self.engine.plan(desired(*services), self.engine.observe()).steps}


@pytest.fixture(params=ALL)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """An engine; whatever a test does, nothing may run afterwards."""
    root = tmp_path / "Büro Projekt"
    root.mkdir()
    made = Bench(request.param, root)
    yield made
    made.down()
    assert_nothing_left(root, made.ports)


def test_up_makes_all_ready(bench: Bench) -> None:
    """`up` must return when all services are ready, and tell each step on the way."""
    a, b = toy("a", bench.ports[0]), toy("b", bench.ports[1], needs={"a": Condition.READY})

    outcome = bench.up(a, b)

    assert outcome == Outcome(Result.READY)
    assert bench.engine.observe().is_ready
    assert [change.state for change in bench.changes if change.service == "a"][-2:] == [State.STARTING, State.READY]


def test_up_is_idempotent(bench: Bench) -> None:
    """A second `up` must plan nothing and touch nothing."""
    a, b = toy("a", bench.ports[0]), toy("b", bench.ports[1])
    bench.up(a, b)
    before = bench.engine.observe()

    outcome = bench.up(a, b)

    assert outcome.result is Result.READY
    assert set(bench.actions(a, b).values()) == {Action.KEEP}
    assert [service.pid for service in bench.engine.observe().services] == [service.pid for service in before.services]


def test_only_what_changed_restarts(bench: Bench) -> None:
    """A changed service must be restarted, the others left alone."""
    a, b = toy("a", bench.ports[0]), toy("b", bench.ports[1])
    bench.up(a, b)
    untouched = bench.engine.observe().service("a")

    changed = toy("b", bench.ports[1], TOY_COLOUR="blue")
    assert bench.actions(a, changed) == {"a": Action.KEEP, "b": Action.RESTART}
    outcome = bench.up(a, changed)

    assert outcome.result is Result.READY
    now = bench.engine.observe().service("a")
    assert now is not None
    assert untouched is not None
    assert now.pid == untouched.pid


def test_what_is_not_wanted_any_more_stops(bench: Bench) -> None:
    """A service that left the stack must be stopped."""
    a, b = toy("a", bench.ports[0]), toy("b", bench.ports[1])
    bench.up(a, b)

    bench.up(a)

    assert bench.states() == {"a": State.READY}
    assert bench.ports[1] not in snapshot(bench.root, bench.ports).ports


def test_down_leaves_nothing(bench: Bench) -> None:
    """`down` must end every process and free every port, and say so again when there is nothing to do."""
    bench.up(toy("a", bench.ports[0], TOY_WORKER="1"), toy("b", bench.ports[1]))

    assert bench.down().result is Result.STOPPED

    assert_nothing_left(bench.root, bench.ports)
    assert not bench.engine.observe().running
    assert bench.down().result is Result.STOPPED


def test_down_of_one_service(bench: Bench) -> None:
    """`down SERVICE` must stop that one alone, also when another needs it, and `up` must bring it back."""
    a, b = toy("a", bench.ports[0]), toy("b", bench.ports[1], needs={"a": Condition.STARTED})
    bench.up(a, b)

    bench.down("a")

    assert bench.states() == {"b": State.READY}
    assert bench.actions(a, b) == {"a": Action.START, "b": Action.KEEP}
    assert bench.up(a, b).result is Result.READY


def test_crash_while_starting(bench: Bench) -> None:
    """A service that ends while a new stack starts must be told with the end of its output, and nothing may be left."""
    outcome = bench.up(toy("a", bench.ports[0]), toy("b", bench.ports[1], TOY="crash"))

    assert (outcome.result, outcome.service, outcome.exit_code) == (Result.CRASHED, "b", 3)
    assert outcome.lines == tuple(f"line {number}" for number in range(10, 30))
    assert outcome.undone is Undone.STOPPED
    assert_nothing_left(bench.root, bench.ports)


def test_refusal(bench: Bench) -> None:
    """A service that says that waiting will not help must be told at once with what it answered, and nothing may be left."""
    outcome = bench.up(toy("a", bench.ports[0], TOY="refuse"), timeout=30)

    assert (outcome.result, outcome.service, outcome.reason) == (Result.REFUSED, "a", "row 3 differs")
    assert outcome.body is not None
    assert outcome.body["code"] == "GOLDEN_MISMATCH"
    assert outcome.undone is Undone.STOPPED
    assert_nothing_left(bench.root, bench.ports)


@pytest.mark.parametrize("fault", ["crash", "refuse"])
def test_failed_change_goes_back(bench: Bench, fault: str) -> None:
    """A change that does not become ready must give way to what ran before."""
    good = toy("a", bench.ports[0])
    bench.up(good)

    outcome = bench.up(toy("a", bench.ports[0], TOY=fault))

    assert outcome.result in {Result.CRASHED, Result.REFUSED}
    assert outcome.undone is Undone.RESTORED
    assert bench.actions(good) == {"a": Action.KEEP}
    assert bench.states() == {"a": State.READY}


def test_timeout_leaves_the_stack(bench: Bench) -> None:
    """A stack that is not ready in time must name the service and be left to be looked at."""
    outcome = bench.up(toy("a", bench.ports[0]), toy("b", bench.ports[1], TOY="never"), timeout=1.0)

    assert (outcome.result, outcome.service, outcome.undone) == (Result.TIMEOUT, "b", Undone.NOTHING)
    assert bench.states() == {"a": State.READY, "b": State.STARTING}


@pytest.mark.parametrize("fault", ["never", "refuse"])
def test_last_lines_are_of_this_start(bench: Bench, fault: str) -> None:
    """What a service wrote before it was started anew must not be told as its last lines."""
    bench.up(toy("a", bench.ports[0]))
    bench.down()

    outcome = bench.up(toy("a", bench.ports[0], TOY=fault), timeout=1.0 if fault == "never" else 30.0)

    assert outcome.result in {Result.TIMEOUT, Result.REFUSED}
    assert not [line for line in outcome.lines if "mode ready" in line]


def test_interrupt_is_undone(bench: Bench) -> None:
    """An interrupt in the middle of `up` must come through, and leave nothing."""

    def interrupt(change: Change) -> None:
        if change.service == "b":
            raise KeyboardInterrupt

    plan = bench.engine.plan(desired(toy("a", bench.ports[0]), toy("b", bench.ports[1])), bench.engine.observe())
    with pytest.raises(KeyboardInterrupt):
        bench.engine.apply(plan, interrupt, timeout=30)

    assert_nothing_left(bench.root, bench.ports)
    assert not bench.engine.observe().running


def test_logs(bench: Bench) -> None:
    """`logs` must give the last lines of each service's output with their time."""
    bench.up(toy("a", bench.ports[0]), toy("b", bench.ports[1]))

    lines = list(bench.engine.logs(["a", "b"], lines=1, follow=False))

    assert {(line.service, line.text) for line in lines} == {("a", "hello from a, mode ready"), ("b", "hello from b, mode ready")}
    assert all(line.time.endswith("Z") for line in lines)
