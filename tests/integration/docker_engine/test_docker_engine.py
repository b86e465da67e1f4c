"""The docker engine, where things go otherwise than planned."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from mlsandbox.docker_host import ImageRef
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Action, Change, Result, Undone
from mlsandbox.errors import CommandFailed, EngineUnavailable, StackNameTaken
from mlsandbox.stack.spec import Condition, ConfigPath, DataFolder, Resources, SecretFile, ServiceSpec
from mlsandbox.supervise.transition import State
from support.leaks import assert_nothing_left, containers_of
from support.toy_stack import ToyStack
from support.toys import toy
from support.waiting import wait_for


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


class _Greeter(socketserver.ThreadingUnixStreamServer):
    """An engine that tells its version, and then nothing more."""

    def __init__(self, address: Path, api: str) -> None:
        super().__init__(str(address), _Greeting)
        self.api = api
        self.over = threading.Event()


class _Greeting(BaseHTTPRequestHandler):
    server: _Greeter

    def do_GET(self) -> None:
        if not self.path.endswith(("/version", "/_ping")):
            self.server.over.wait(30)
            return
        content = json.dumps({"ApiVersion": self.server.api}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@contextlib.contextmanager
def _engine(folder: Path, monkeypatch: pytest.MonkeyPatch, api: str) -> Iterator[None]:
    monkeypatch.setattr("mlsandbox.engines.docker_daemon._SECONDS", 1)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder / 'engine'}")
    with _Greeter(folder / "engine", api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.over.set()
        server.shutdown()


@pytest.mark.parametrize("listening", [True, False])
def test_engine_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, listening: bool) -> None:
    """Without an answer of Docker an error must say so in time, with what to do."""
    monkeypatch.setattr("mlsandbox.engines.docker_daemon._SECONDS", 1)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'engine'}")
    with socket.socket(socket.AF_UNIX) as deaf:
        if listening:
            deaf.bind(str(tmp_path / "engine"))
            deaf.listen()

        with pytest.raises(EngineUnavailable) as found:
            ENGINES["docker"](tmp_path).observe()

    assert "embedded" in found.value.fix


def test_engine_that_stops_answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that falls silent after a while must be told as that, not as a mistake of ours."""
    with _engine(tmp_path, monkeypatch, "1.45"), pytest.raises(EngineUnavailable, match="does not answer"):
        ENGINES["docker"](tmp_path).observe()


def test_engine_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that cannot do what a stack needs must be told before anything is done."""
    with _engine(tmp_path, monkeypatch, "1.41"), pytest.raises(EngineUnavailable, match="too old") as found:
        ENGINES["docker"](tmp_path).observe()

    assert "Engine 25" in found.value.why


@pytest.mark.parametrize(("answer", "what"), [("echo 2.17.3", "too old"), ("exit 125", "missing")])
def test_compose_that_cannot_do_it(stack: ToyStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, what: str) -> None:
    """Without a Compose of this decade nothing must be begun."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(EngineUnavailable, match=what):
        stack.up(toy("a", stack.ports[0]))

    monkeypatch.undo()
    assert not (stack.root / ".sandbox").exists()


@pytest.mark.parametrize("lost", ["compose.yaml", "containers.json", "."])
def test_down_without_the_rendered_files(stack: ToyStack, lost: str) -> None:
    """What a user deletes from .sandbox/stack must not keep `down` from finding everything."""
    stack.up(toy("a", stack.ports[0]), toy("b", stack.ports[1]))
    folder = stack.root / ".sandbox/stack"
    for path in sorted((folder / lost).rglob("*"), reverse=True) if lost == "." else [folder / lost]:
        path.rmdir() if path.is_dir() else path.unlink()

    assert stack.engine.observe().is_ready
    assert stack.engine.observe().ports == {"a": stack.ports[0], "b": stack.ports[1]}
    assert stack.down().result is Result.STOPPED

    assert_nothing_left(stack.root, stack.ports, docker=True)


def test_up_without_the_rendered_files(stack: ToyStack) -> None:
    """Files that were deleted must come back with the next change, while what is unchanged runs on."""
    a, b = toy("a", stack.ports[0]), toy("b", stack.ports[1])
    stack.up(a)
    pid = stack.engine.observe().services[0].pid
    (stack.root / ".sandbox/stack/compose.yaml").unlink()

    assert stack.up(a, b).result is Result.READY

    assert stack.engine.observe().services[0].pid == pid


def test_name_of_another_project(stack: ToyStack, tmp_path: Path, image: ImageRef) -> None:
    """Two projects of one name must not take each other's containers: the second is told where the first lies."""
    stack.up(toy("a", stack.ports[0]))
    root = tmp_path / "other"
    root.mkdir()
    other = ToyStack(root, image, stack.project)

    with pytest.raises(StackNameTaken) as found:
        other.up(toy("a", other.ports[0]))

    assert str(stack.root) in found.value.why
    assert not other.engine.observe().services
    assert other.down().result is Result.STOPPED
    assert stack.engine.observe().is_ready


def test_renamed_project(stack: ToyStack) -> None:
    """With another name a stack must be made anew, and nothing of the old one be left."""
    a = toy("a", stack.ports[0])
    stack.up(a)
    old, stack.project = stack.project, f"{stack.project}-new"

    plan = stack.engine.plan(stack.desired(a), stack.engine.observe())
    assert [str(step) for step in plan.steps] == [f"restart a: changed: name of the stack {old} -> {stack.project}"]
    assert stack.up(a).result is Result.READY

    assert not [name for name in containers_of(stack.root) if not name.startswith(stack.project)]


def test_killed_by_docker(stack: ToyStack) -> None:
    """What `docker kill` ended stays down: it must be seen, told, and brought back by `up` alone."""
    a, b = toy("a", stack.ports[0]), toy("b", stack.ports[1])
    stack.up(a, b)
    docker("kill", stack.container("a"))

    service = stack.engine.observe().service("a")

    assert service is not None
    assert (service.state, service.exit_code, service.reason) == (State.FAILED, -9, "ended by signal 9")
    plan = stack.engine.plan(stack.desired(a, b), stack.engine.observe())
    assert [str(step) for step in plan.steps] == ["restart a: failed: ended by signal 9", "keep    b: unchanged, ready"]
    assert stack.up(a, b).result is Result.READY


def test_stopped_by_docker(stack: ToyStack) -> None:
    """What `docker stop` ended must count as stopped, and be started by `up`."""
    a, b = toy("a", stack.ports[0]), toy("b", stack.ports[1])
    stack.up(a, b)
    docker("stop", stack.container("a"))

    plan = stack.engine.plan(stack.desired(a, b), stack.engine.observe())

    assert [str(step) for step in plan.steps] == ["start   a: not running", "keep    b: unchanged, ready"]
    assert stack.up(a, b).result is Result.READY


def test_removed_by_docker(stack: ToyStack) -> None:
    """A container that somebody removed must be made anew, and the others left alone."""
    a, b = toy("a", stack.ports[0]), toy("b", stack.ports[1])
    stack.up(a, b)
    docker("rm", "--force", stack.container("a"))

    assert {step.service: step.action for step in stack.engine.plan(stack.desired(a, b), stack.engine.observe()).steps} == {
        "a": Action.START,
        "b": Action.KEEP,
    }
    assert stack.up(a, b).result is Result.READY


def test_paused(stack: ToyStack) -> None:
    """A paused container must not count as ready, and `down` must end it like any other."""
    stack.up(toy("a", stack.ports[0]))
    docker("pause", stack.container("a"))

    service = stack.engine.observe().service("a")

    assert service is not None
    assert (service.state, service.reason) == (State.UNREADY, "it is paused")
    assert not stack.engine.observe().is_ready


def test_unready_says_why(stack: ToyStack) -> None:
    """A service that answers that it is not ready must be told with its reason, also when its answer is longer than Docker keeps."""
    outcome = stack.up(toy("a", stack.ports[0], TOY="refuse", TOY_PADDING="9000"))

    assert (outcome.result, outcome.reason) == (Result.REFUSED, "row 3 differs")
    assert outcome.body is not None
    assert outcome.body["code"] == "GOLDEN_MISMATCH"


def test_dead_dependency_ends_it(stack: ToyStack) -> None:
    """When what a service waits for dies, `up` must end at once, not when its time is over."""
    began = time.monotonic()

    outcome = stack.up(toy("a", stack.ports[0], TOY="crash"), toy("b", stack.ports[1], needs={"a": Condition.READY}), timeout=120.0)

    assert (outcome.result, outcome.service, outcome.exit_code) == (Result.CRASHED, "a", 3)
    assert time.monotonic() - began < 30


def test_what_was_waited_for_may_come_late(stack: ToyStack) -> None:
    """After its time is over a stack must go on coming up: what waits for another service is started too."""
    a, b = toy("a", stack.ports[0], TOY="never"), toy("b", stack.ports[1], needs={"a": Condition.READY})

    outcome = stack.up(a, b, timeout=6.0)

    assert (outcome.result, outcome.service) == (Result.TIMEOUT, "a")
    wait_for(lambda: (found := stack.engine.observe().service("b")) and found.state is State.READY, timeout=20, what="b is ready")


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


def test_missing_image(stack: ToyStack, image: ImageRef) -> None:
    """An image that went away must be named, and nothing be left."""
    stack.image = replace(image, reference="sandbox-test/toys:gone")

    with pytest.raises(CommandFailed) as found:
        stack.up(toy("a", stack.ports[0]))

    assert "sandbox-test/toys:gone" in found.value.why
    assert_nothing_left(stack.root, stack.ports, docker=True)


def test_own_compose_file(stack: ToyStack) -> None:
    """The user's own compose.override.yaml must be laid over ours, count as a change, and go with the stack."""
    a = toy("a", stack.ports[0])
    stack.up(a)
    override = stack.root / "compose.override.yaml"
    override.write_text(
        "services:\n  a:\n    environment:\n      MINE: '1'\n"
        f"  helper:\n    image: {stack.image.reference}\n    command: [python, -c, 'import time; time.sleep(600)']\n"
    )

    plan = stack.engine.plan(stack.desired(a), stack.engine.observe())
    assert [step.action for step in plan.steps] == [Action.RESTART]
    assert "override" in plan.steps[0].why
    assert stack.up(a).result is Result.READY
    assert docker("exec", stack.container("a"), "printenv", "MINE") == "1\n"
    assert docker("ps", "--quiet", "--filter", f"name={stack.container('helper')}")

    assert [step.action for step in stack.engine.plan(stack.desired(a), stack.engine.observe()).steps] == [Action.KEEP]

    override.unlink()  # before down: what was added must be found without it
    stack.down()
    assert not docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={stack.project}")


def test_own_compose_file_that_breaks_it(stack: ToyStack) -> None:
    """A change of the user's own file that does not work must give way to what ran before, with what it was made from then."""
    a = toy("a", stack.ports[0])
    override = stack.root / "compose.override.yaml"
    override.write_text("services: {a: {environment: {TOY_COLOUR: blue}}}\n")
    stack.up(a)
    override.write_text("services: {a: {environment: {TOY: crash}}}\n")

    outcome = stack.up(a)

    assert (outcome.result, outcome.undone) == (Result.CRASHED, Undone.RESTORED)
    assert docker("exec", stack.container("a"), "printenv", "TOY_COLOUR") == "blue\n"


def test_nothing_to_do_is_fast(stack: ToyStack) -> None:
    """Looking and planning must not be felt, and what is as it should be is not touched by Compose."""
    services = [toy(name, port) for name, port in zip("abc", stack.ports, strict=True)]
    stack.up(*services)

    began = time.monotonic()
    outcome = stack.up(*services)

    assert outcome.result is Result.READY
    assert time.monotonic() - began < 1.0


def test_output_is_plain(stack: ToyStack) -> None:
    """Colours and cursor movements that a program writes must not be in its lines."""
    code = r"print('\x1b[2K\x1b[31mred\x1b[0m and \x1b]0;title\x07plain'); import time; time.sleep(600)"
    a = replace(toy("a", stack.ports[0]), args=("-c", code), readiness=None)
    stack.up(a)

    lines = wait_for(lambda: list(stack.engine.logs(["a"], lines=5, follow=False)), timeout=10, what="it has written")

    assert [line.text for line in lines] == ["red and plain"]


def test_secret(stack: ToyStack) -> None:
    """A generated key must be readable in the container, for its user, and on this machine in its owner's folder alone."""
    stack.up(toy("a", stack.ports[0], TOY_KEY=SecretFile("hash-key")))

    read = list(stack.engine.run_in("a", ("-c", "import os; print(open(os.environ['TOY_KEY']).read().strip(), os.getuid())"), ""))

    path = stack.root / ".sandbox/secrets/hash-key"
    assert read == [f"{path.read_text().strip()} 1000"]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o640, 0o700)


def test_configuration(stack: ToyStack) -> None:
    """A service must read its configuration whatever the umask, and be made anew when it is another."""
    before = os.umask(0o077)
    try:
        a = replace(toy("a", stack.ports[0], TOY_CONFIG=ConfigPath("toy/colour.txt")), files={"toy/colour.txt": "red"})
        stack.up(a)
        show = ("-c", "import os; print(open(os.environ['TOY_CONFIG']).read())")
        assert list(stack.engine.run_in("a", show, "")) == ["red"]

        changed = replace(a, files={"toy/colour.txt": "blue"})
        plan = stack.engine.plan(stack.desired(changed), stack.engine.observe())
        assert plan.steps[0].why.startswith("changed: configuration ")
        stack.up(changed)
        assert list(stack.engine.run_in("a", show, "")) == ["blue"]
    finally:
        os.umask(before)


def test_port_in_use_with_nobody_waiting(stack: ToyStack) -> None:
    """What stands in the way at once must be told also when nobody waits."""
    with socket.create_server(("127.0.0.1", stack.ports[0])):
        outcome = stack.up(toy("a", stack.ports[0]), timeout=0.0)

    assert (outcome.result, outcome.reason) == (
        Result.CRASHED,
        f"port {stack.ports[0]} on this machine is taken by another process",
    )


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
        stack.engine.apply(plan, interrupt, timeout=30)

    wait_for(lambda: stack.engine.observe().is_ready, timeout=20, what="the former stack is ready")
    assert not stack.engine.plan(stack.desired(good), stack.engine.observe()).changes


def test_output_after_a_restart_is_followed(stack: ToyStack) -> None:
    """Who follows a container that is killed and started again must see what it writes then, and nothing twice."""
    stack.up(toy("a", stack.ports[0]))
    lines = stack.engine.logs(["a"], lines=0, follow=True)
    found: list[str] = []

    def read() -> None:
        found.extend(line.text for line in itertools.islice(lines, 2))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for _ in range(2):
        _kill(stack, "a")

    reader.join(20)
    assert found == ["hello from a, mode ready"] * 2


def test_images_of_a_project(stack: ToyStack, tmp_path: Path) -> None:
    """Images that were built for a project must be told with their size, and be removed by every name; others stay."""
    (tmp_path / "Dockerfile").write_text(f"FROM {stack.image.reference}\nLABEL org.mlsandbox.root={json.dumps(str(stack.root))}\n")
    names = [f"sandbox-test/{stack.project}:{tag}" for tag in ("v1", "v2")]
    docker("build", "--quiet", *(f"--tag={name}" for name in names), str(tmp_path))

    kept = stack.engine.kept()

    assert sorted(each.name for each in kept) == names
    assert all(each.kind == "image" and each.size_bytes for each in kept)
    assert sorted(each.name for each in stack.engine.remove_kept()) == names
    assert docker("image", "ls", "--quiet", stack.image.reference)


def test_what_is_used_is_kept(stack: ToyStack) -> None:
    """A volume that a container uses must stay, and not be told as removed."""
    stack.up(toy("a", stack.ports[0], TOY_DATA=DataFolder("toys", "/data")))

    assert stack.engine.remove_kept() == ()

    assert [each.kind for each in stack.engine.kept()] == ["volume"]
    assert stack.engine.observe().is_ready


def _kill(stack: ToyStack, name: str) -> None:
    """Kill a service's process from outside, and wait until it is back."""
    before = stack.engine.observe().service(name)
    assert before is not None
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)

    def is_back() -> bool:
        now = stack.engine.observe().service(name)
        return now is not None and now.state is State.READY and now.restarts > before.restarts

    wait_for(is_back, timeout=20, what=f"{name} is back")
