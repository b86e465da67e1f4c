"""Environments that are built beside each other: nothing is lost of what they say, and an end ends them all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mlsandbox import run as runner
from mlsandbox.actions.environments_beside import EnvironmentsBeside, Interleaved
from mlsandbox.errors import CommandFailed, PackagingFailed
from mlsandbox.run import Commands
from support.waiting import wait_for

SERVICES = ("log-store", "drift")
SLEEP = ["sleep", "600"]


class Said:
    """A report that remembers what it was told, and by which thread."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.threads: set[int] = set()

    def _said(self, line: str) -> None:
        self.lines.append(line)
        self.threads.add(threading.get_ident())

    def step(self, text: str) -> None:
        self._said(f"step {text}")

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        assert (detail, seconds is None) == ("", False)
        self._said(f"done {text}")

    def warn(self, text: str) -> None:
        self._said(f"warn {text}")

    def note(self, text: str) -> None:
        self._said(f"note {text}")


@pytest.fixture
def envs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache; at the end no build is left of it."""
    monkeypatch.setenv("SANDBOX_CACHE_DIR", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "envs"
    assert list((tmp_path / "cache").rglob("*.tmp-*")) == []


def test_they_are_told_in_the_order_in_which_they_are_asked_for(envs: Path) -> None:
    """By the thread that asks, whatever order they are done in; and each name stands at what its build says."""
    said = Said()
    with EnvironmentsBeside(SERVICES, said) as beside:
        told = Interleaved(said, beside)
        told.step("Packaging churn")
        pythons = [beside.python(service) for service in SERVICES]

    assert [path.name for path in pythons] == ["python", "python"]
    assert [line for line in said.lines if not line.startswith("note")] == [
        "step Packaging churn",
        "step Building the environment of log-store",
        "done Built the environment of log-store",
        "step Building the environment of drift",
        "done Built the environment of drift",
    ]
    assert all("log-store" in line or "drift" in line for line in said.lines if line.startswith("note"))
    assert said.threads == {threading.get_ident()}


def test_what_is_there_is_told_nothing_of(envs: Path) -> None:
    """The second time there is no build, and no line."""
    with EnvironmentsBeside(SERVICES[:1], Said()) as beside:
        first = beside.python("log-store")
    said = Said()
    with EnvironmentsBeside(SERVICES[:1], said) as beside:
        assert beside.python("log-store") == first
    assert said.lines == []


def test_a_build_that_fails_is_raised_where_it_is_asked_for(envs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before: what else is wrong comes first, as without threads."""
    envs.mkdir(parents=True)
    (tmp_path / "uv.toml").write_text("this is no TOML")
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    with EnvironmentsBeside(SERVICES, Said()) as beside, pytest.raises(PackagingFailed, match="log-store"):
        beside.python("log-store")


def test_an_end_in_the_middle_leaves_nothing(envs: Path) -> None:
    """What is being built when something else fails, or at Ctrl-C, must end at once, with all that it started."""
    before = set(psutil.Process().children(recursive=True))

    def interrupted() -> None:
        with EnvironmentsBeside(SERVICES, Said()):
            wait_for(lambda: list(envs.glob("*.tmp-*")), what="a build has begun")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert not [each for each in set(psutil.Process().children(recursive=True)) - before if each.status() != psutil.STATUS_ZOMBIE]


def test_commands_of_threads_end_together() -> None:
    """Those that run must end, and no further one begin."""
    commands = Commands()
    problems: list[CommandFailed] = []

    def work() -> None:
        with commands.here():
            for _ in range(2):
                try:
                    runner.run(SLEEP)
                except CommandFailed as error:
                    problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(_sleeping()) == 2, what="both sleep")
    commands.end()
    for thread in threads:
        thread.join(30)

    assert len(problems) == 4
    assert not _sleeping()


def _sleeping() -> list[psutil.Process]:
    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            if each.cmdline() == SLEEP:
                found.append(each)
        except psutil.Error:
            continue
    return found
