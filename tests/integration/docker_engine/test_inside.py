"""What containers are given, what they write, and what they leave."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mlsandbox.docker_host import OWNER, owner_of
from mlsandbox.engines.base import Result
from mlsandbox.engines.docker_output import LARGEST
from mlsandbox.errors import NotRunning
from mlsandbox.stack.spec import ConfigPath, DataFolder, SecretFile
from mlsandbox.supervise.transition import State
from support.docker_stack import docker
from support.toy_stack import ToyStack
from support.toys import toy
from support.waiting import wait_for


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


def test_who_is_asked_and_hangs_is_given_up(stack: ToyStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is run in a container to ask its service, and never ends, must be told as no answer, and be ended."""
    hang = "import os, time\nif 'SANDBOX_RUN' in os.environ: time.sleep(600)\n"  # whatever Python is run beside the service
    serve = f"import pathlib; pathlib.Path('/tmp/sitecustomize.py').write_text({hang!r}); import time; time.sleep(600)"
    stack.up(replace(toy("a", stack.ports[0], PYTHONPATH="/tmp"), args=("-c", serve), readiness=None))  # noqa: S108 - the container's
    wait_for(lambda: "SANDBOX_RUN" in docker("exec", stack.container("a"), "sh", "-c", "cat /tmp/site* || true"), what="it hangs now")
    monkeypatch.setattr("mlsandbox.engines.docker_inside._MORE_SECONDS", 1.0)

    with pytest.raises(NotRunning, match="does not answer") as failed:
        stack.engine.ask("a", "GET", "/", {}, b"", timeout=1.0)

    assert "not done within 2 s" in failed.value.why
    assert "SANDBOX_RUN" not in docker("exec", stack.container("a"), "sh", "-c", "cat /proc/*/environ")


def test_output_is_plain(stack: ToyStack) -> None:
    """Colours and cursor movements that a program writes must not be in its lines."""
    code = r"print('\x1b[2K\x1b[31mred\x1b[0m and \x1b]0;title\x07plain'); import time; time.sleep(600)"
    a = replace(toy("a", stack.ports[0]), args=("-c", code), readiness=None)
    stack.up(a)

    lines = wait_for(lambda: list(stack.engine.logs(["a"], lines=5, follow=False)), what="it has written")

    assert [line.text for line in lines] == ["red and plain"]


def test_output_with_other_separators(stack: ToyStack) -> None:
    """What a progress bar writes over itself, and separators of Unicode, must be in one line each, before and after `down`."""
    code = r"print('10 %\r20 %\r'); print('a\u2028b\x0cc'); import time; time.sleep(600)"
    stack.up(replace(toy("a", stack.ports[0]), args=("-c", code), readiness=None))
    written = ["10 %\r20 %", "a\u2028b\x0cc"]
    wait_for(lambda: [line.text for line in stack.engine.logs(["a"], lines=5, follow=False)] == written, what="it has written")

    stack.down()

    assert [line.text for line in stack.engine.logs(["a"], lines=5, follow=False)] == written


def test_output_is_kept_within_bounds(stack: ToyStack) -> None:
    """Of a container that is removed the last lines must be kept, so many and no more."""
    code = f"[print('line', number) for number in range({LARGEST} + 500)]; import time; time.sleep(600)"
    stack.up(replace(toy("a", stack.ports[0]), args=("-u", "-c", code), readiness=None))
    last = f"line {LARGEST + 499}"
    wait_for(lambda: [line.text for line in stack.engine.logs(["a"], lines=1, follow=False)] == [last], what=last)

    stack.down()

    kept = [line.text for line in stack.engine.logs(["a"], lines=10_000, follow=False)]
    assert (len(kept), kept[0], kept[-1]) == (LARGEST, "line 500", last)


def test_output_that_cannot_be_read(stack: ToyStack) -> None:
    """A log driver that cannot be read must hinder neither `logs` of the others nor `down`."""
    (stack.root / "compose.override.yaml").write_text("services: {a: {logging: !override {driver: none}}}\n")
    stack.up(toy("a", stack.ports[0]), toy("b", stack.ports[1]))

    assert [line.service for line in stack.engine.logs(["a", "b"], lines=5, follow=False)] == ["b"]
    assert stack.down().result is Result.STOPPED


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
    (tmp_path / "Dockerfile").write_text(f"FROM {stack.image.reference}\nLABEL {OWNER}={owner_of(stack.root)}\n")
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

    wait_for(is_back, what=f"{name} is back")
