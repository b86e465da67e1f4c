"""What every engine must do, asked of each in turn."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from dataclasses import replace
from hashlib import sha256
from typing import cast

import pytest

from mlsandbox.engines.base import Action, Change, LogLine, Outcome, Result, Undone
from mlsandbox.errors import CommandFailed, NotRunning
from mlsandbox.stack.spec import Condition, ConfigPath, DataFolder, PackagedFile, ProjectFile, StoredFile
from mlsandbox.supervise.transition import State
from support.engine_bench import Bench, real
from support.leaks import processes_with, snapshot
from support.toys import DIGESTS, toy
from support.waiting import HANG_SECONDS, wait_for


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


@pytest.mark.parametrize("condition", [Condition.STARTED, Condition.READY])
def test_what_needs_a_changed_service_is_left_alone(bench: Bench, condition: Condition) -> None:
    """A service that needs another one must go on when that one is made anew, as the plan says, and after it was undone."""
    needing = toy("b", bench.ports[1], needs={"a": condition})
    bench.up(toy("a", bench.ports[0]), needing)
    untouched = bench.service("b").pid

    assert bench.up(toy("a", bench.ports[0], TOY_COLOUR="blue"), needing).result is Result.READY
    assert bench.service("b").pid == untouched
    assert bench.up(toy("a", bench.ports[0], TOY="crash"), needing).undone is Undone.RESTORED
    assert bench.service("b").pid == untouched
    assert set(bench.actions(toy("a", bench.ports[0], TOY_COLOUR="blue"), needing).values()) == {Action.KEEP}


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

    bench.assert_nothing_left()
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
    bench.assert_nothing_left()


def test_refusal(bench: Bench) -> None:
    """A service that says that waiting will not help must be told at once with what it answered, and nothing may be left."""
    outcome = bench.up(toy("a", bench.ports[0], TOY="refuse"), timeout=HANG_SECONDS)

    assert (outcome.result, outcome.service, outcome.reason) == (Result.REFUSED, "a", "row 3 differs")
    assert outcome.body is not None
    assert outcome.body["code"] == "GOLDEN_MISMATCH"
    assert outcome.undone is Undone.STOPPED
    bench.assert_nothing_left()


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
    a, b = toy("a", bench.ports[0]), toy("b", bench.ports[1], TOY="never")
    bench.up(a)

    outcome = bench.up(a, b, timeout=bench.soon)

    assert (outcome.result, outcome.service, outcome.undone) == (Result.TIMEOUT, "b", Undone.NOTHING)
    wait_for(lambda: bench.states() == {"a": State.READY, "b": State.STARTING}, what="b is left starting")


@pytest.mark.parametrize("fault", ["never", "refuse"])
def test_last_lines_are_of_this_start(bench: Bench, fault: str) -> None:
    """What a service wrote before it was started anew must not be told as its last lines."""
    bench.up(toy("a", bench.ports[0]))
    bench.down()

    outcome = bench.up(toy("a", bench.ports[0], TOY=fault), timeout=bench.soon if fault == "never" else HANG_SECONDS)

    assert outcome.result in {Result.TIMEOUT, Result.REFUSED}
    assert not [line for line in outcome.lines if "mode ready" in line]


def test_interrupt_is_undone(bench: Bench) -> None:
    """An interrupt in the middle of `up` must come through, and leave nothing."""

    def interrupt(change: Change) -> None:
        if change.service == "b":
            raise KeyboardInterrupt

    plan = bench.engine.plan(bench.desired(toy("a", bench.ports[0]), toy("b", bench.ports[1])), bench.engine.observe())
    with pytest.raises(KeyboardInterrupt):
        bench.engine.apply(plan, interrupt, timeout=HANG_SECONDS)

    bench.assert_nothing_left()
    assert not bench.engine.observe().running


def test_logs(bench: Bench) -> None:
    """`logs` must give the last lines of each service's output with their time."""
    bench.up(toy("a", bench.ports[0]), toy("b", bench.ports[1]))

    lines = list(bench.engine.logs(["a", "b"], lines=1, follow=False))

    assert {(line.service, line.text) for line in lines} == {("a", "hello from a, mode ready"), ("b", "hello from b, mode ready")}
    assert all(line.time.endswith("Z") for line in lines)


def test_output_stays_after_down(bench: Bench) -> None:
    """What services wrote must be there when they are stopped, alone or all, and once only when they have run again."""
    a, b = toy("a", bench.ports[0]), toy("b", bench.ports[1])
    bench.up(a, b)

    bench.down("a")
    assert bench.texts("a") == ["hello from a, mode ready"]
    bench.down()

    assert sorted(bench.texts("a", "b")) == ["hello from a, mode ready", "hello from b, mode ready"]
    assert {"a", "b"} <= set(bench.engine.service_names())
    bench.up(a, b)
    assert bench.texts("a") == ["hello from a, mode ready"] * 2


@pytest.mark.parametrize("before", [False, True])
def test_output_stays_after_a_failed_start(bench: Bench, *, before: bool) -> None:
    """What a service wrote before it crashed must be there once the start was undone, whether something ran before or not."""
    if before:
        bench.up(toy("a", bench.ports[0]))

    outcome = bench.up(toy("a", bench.ports[0], TOY="crash"))

    assert outcome.result is Result.CRASHED
    texts = bench.texts("a")
    begun = texts.index("hello from a, mode crash")
    assert texts[begun + 1 : begun + 31] == [f"line {number}" for number in range(30)]
    assert ("hello from a, mode ready" in texts) is before


def test_output_of_what_was_replaced_stays(bench: Bench) -> None:
    """What a service wrote before it was changed must come before what it writes now, each line once."""
    bench.up(toy("a", bench.ports[0]))
    bench.up(toy("a", bench.ports[0], TOY_COLOUR="blue"))
    bench.up(toy("a", bench.ports[0], TOY="deaf"))

    assert bench.texts("a") == ["hello from a, mode ready", "hello from a, mode ready", "hello from a, mode deaf"]
    assert [line.text for line in bench.engine.logs(["a"], lines=2, follow=False)] == bench.texts("a")[1:]


@real
def test_logs_are_followed(bench: Bench) -> None:
    """Lines must come as they are written, of a service's next process or container as well."""
    bench.up(toy("a", bench.ports[0]), toy("b", bench.ports[1]))

    lines = bench.engine.logs(["a"], lines=1, follow=True)
    first = next(lines)
    bench.up(toy("a", bench.ports[0], TOY_COLOUR="blue"), toy("b", bench.ports[1]))
    second = next(lines)
    cast("Generator[LogLine]", lines).close()

    assert [first.text, second.text] == ["hello from a, mode ready"] * 2
    assert first.time < second.time


@real
def test_killed_comes_back(bench: Bench) -> None:
    """A service that is killed from outside must be started again without anybody's doing."""
    bench.up(toy("a", bench.ports[0]), toy("b", bench.ports[1]))
    before = bench.service("a")
    untouched = bench.service("b")
    assert before.pid is not None

    os.kill(before.pid, signal.SIGKILL)

    wait_for(lambda: bench.service("a").pid not in {None, before.pid} and bench.engine.observe().is_ready, what="a is back")
    assert bench.service("a").restarts == 1
    assert bench.service("b").pid == untouched.pid
    assert bench.actions(toy("a", bench.ports[0]), toy("b", bench.ports[1])) == {"a": Action.KEEP, "b": Action.KEEP}


@real
def test_stored_files_reach_the_service(bench: Bench) -> None:
    """Files of a package and of the project must be there for the service byte for byte, and one that changes must restart it alone."""
    content = bytes(range(256)) + b"\r\n" * 1_000
    packaged, kept = bench.root / "bento/src/package/rows.npz", bench.root / "churn/baseline/rows.npz"
    for file in (packaged, kept):
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    files: dict[str, StoredFile] = {
        "of/package.npz": PackagedFile("churn:v3", "src/package/rows.npz"),
        "of/project.npz": ProjectFile("churn/baseline/rows.npz"),
    }
    with_files = replace(toy("a", bench.ports[0], TOY_FOLDER=ConfigPath("of")), files=files)
    beside = toy("b", bench.ports[1])
    bench.packages = {"churn:v3": bench.root / "bento"}

    def seen() -> list[str]:
        assert bench.up(with_files, beside) == Outcome(Result.READY)
        return list(bench.engine.run_in("a", ("-c", DIGESTS), ""))

    assert seen() == [sha256(content).hexdigest()] * 2
    untouched = bench.service("b").pid

    kept.write_bytes(content[::-1])
    assert bench.actions(with_files, beside) == {"a": Action.RESTART, "b": Action.KEEP}
    assert seen() == [sha256(content).hexdigest(), sha256(content[::-1]).hexdigest()]
    assert bench.service("b").pid == untouched


def test_no_wait(bench: Bench) -> None:
    """With nobody waiting, `up` must return at once, and all must become ready nevertheless."""
    a, b = toy("a", bench.ports[0]), toy("b", bench.ports[1], needs={"a": Condition.READY})

    bench.up(a, b, timeout=0.0)

    wait_for(lambda: bench.engine.observe().is_ready, what="all is ready")
    assert set(bench.actions(a, b).values()) == {Action.KEEP}


def test_run_in(bench: Bench) -> None:
    """A service's Python must run once more, be handed a text, and give its lines; how it fails must be told."""
    bench.up(toy("a", bench.ports[0]))

    assert list(bench.engine.run_in("a", ("-c", "import sys; print(sys.stdin.readline() * 2)"), "Grüße\n")) == ["Grüße", "Grüße", ""]
    with pytest.raises(CommandFailed) as failed:
        list(bench.engine.run_in("a", ("-c", "import sys; sys.exit('not today')"), ""))

    assert failed.value.details["returncode"] == 1
    assert "not today" in str(failed.value.details["stderr"])
    with pytest.raises(NotRunning):
        list(bench.engine.run_in("nobody", ("-V",), ""))


def test_run_in_ends_with_its_reader(bench: Bench) -> None:
    """What nobody reads any more must end, also when it looks at nothing."""
    bench.up(toy("a", bench.ports[0]))
    mark = f"mark-{bench.project}"

    lines = bench.engine.run_in("a", ("-c", "import time; print('here', flush=True); time.sleep(600)", mark), "")
    assert next(lines) == "here"
    cast("Generator[str]", lines).close()

    wait_for(lambda: not processes_with(mark), what=f"nothing with {mark} runs")


def test_kept(bench: Bench) -> None:
    """What `down` leaves outside of the project's folder must be told, and be gone when that is asked for."""
    bench.up(toy("a", bench.ports[0], TOY_DATA=DataFolder("toys", "/data")))
    assert bench.service("a").state is State.READY
    bench.down()

    kept = bench.engine.kept()

    assert bench.engine.remove_kept() == kept
    assert bench.engine.kept() == ()
