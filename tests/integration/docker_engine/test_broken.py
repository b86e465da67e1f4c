"""What answers in the engine's place and is none, and an engine that dies in the middle: an error of ours, in time, never a traceback."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.docker_host import answers
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Engine, Result
from mlsandbox.errors import SandboxError
from mlsandbox.packaging.image_pull import pull_images
from mlsandbox.packaging.image_store import local_images
from support.broken_engine import Answer, answering_with, dying_after, greeting_then, http
from support.images import Told
from support.leaks import assert_nothing_left
from support.toy_stack import ToyStack
from support.toys import toy

NONSENSE: dict[str, Answer] = {
    "closes": lambda _: b"",
    "no HTTP": lambda _: b"\x00\xffSSH-2.0-none\r\n\r\n",
    "half a head": lambda _: b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": lambda _: http(b'[{"Id": ', length=5_000),
    "no JSON": lambda _: http(b"<html>log in first</html>", kind="text/html"),
    "null": lambda _: http(b"null"),
    "a number": lambda _: http(b"3"),
    "a list of numbers": lambda _: http(b"[1, 2]"),
    "a list of nothing": lambda _: http(b'[{}, {"Labels": null}]'),
    "an empty object": lambda _: http(b"{}"),
    "containers without all": lambda _: http(b'[{"Id": "a", "Labels": {"com.docker.compose.project": "a"}}]'),
    "an error": lambda _: http(b'{"message": "no"}', status="500 Internal Server Error"),
    "an error without words": lambda _: http(b"", status="503 Service Unavailable"),
    "denied": lambda _: http(b"<html>", status="403 Forbidden", kind="text/html"),
    "elsewhere": lambda _: b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "silence": lambda _: None,
}
COMMANDS: dict[str, Callable[[Engine], Any]] = {
    "observe": lambda engine: engine.observe(),
    "stop": lambda engine: engine.apply(engine.plan_stop(None, engine.observe()), lambda _: None, timeout=1),
    "kept": lambda engine: engine.remove_kept(),
    "shared": lambda engine: engine.shared(),
    "names": lambda engine: engine.service_names(),
    "logs": lambda engine: list(engine.logs(["a"], lines=5, follow=False)),
    "run": lambda engine: list(engine.run_in("a", ("-V",), "")),
    "images": lambda _: local_images(),
    "pull": lambda _: pull_images(["sandbox-test/none:1"], Told()),
    "answers": lambda _: answers(),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after a second instead of many."""
    monkeypatch.setattr("mlsandbox.engines.docker_daemon._SECONDS", 1)
    monkeypatch.setattr("mlsandbox.docker_host.connect.__kwdefaults__", {"timeout": 1})
    monkeypatch.setattr("mlsandbox.packaging.image_pull._STALLED_SECONDS", 1)
    monkeypatch.setattr("mlsandbox.packaging.image_pull._TELL_SECONDS", 0.5)


@pytest.mark.parametrize("greets", [False, True], ids=["from the start", "after its version"])
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nonsense: str, *, greets: bool) -> None:
    """Whatever is answered, every use of the engine must end (else this test has no end), with an error of ours if with any."""
    answer = greeting_then(NONSENSE[nonsense]) if greets else NONSENSE[nonsense]
    problems = {}
    with answering_with(tmp_path / "engine", answer) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        for name, command in COMMANDS.items():
            try:
                command(ENGINES["docker"](tmp_path))
            except SandboxError as error:
                if not error.fix:
                    problems[name] = f"nothing to do about it: {error.what}"
            except Exception as error:  # noqa: BLE001 - that is what must not be
                problems[name] = repr(error)

    assert problems == {}


@pytest.mark.parametrize("silent", [False, True], ids=["closes", "silence"])
@pytest.mark.parametrize("connections", [4, 12, 30])
def test_dies_in_the_middle(stack: ToyStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: int, *, silent: bool) -> None:
    """When the engine dies while a stack is started, `up` must end; once it is back, `down` must leave nothing."""
    with dying_after(tmp_path / "engine", connections, silent=silent) as host, monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", host)
        with contextlib.suppress(SandboxError):
            ToyStack(stack.root, stack.image, stack.project).up(toy("a", stack.ports[0], TOY="never"), timeout=6.0)

    assert stack.down().result is Result.STOPPED
    assert_nothing_left(stack.root, stack.ports, docker=True)
