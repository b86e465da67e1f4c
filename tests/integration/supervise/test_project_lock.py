"""The project's lock, between processes."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from mlsandbox.errors import ProjectBusy
from mlsandbox.project_lock import project_lock
from mlsandbox.volumes import remove_all
from support.waiting import wait_for

HOLDER = """
import pathlib, sys
from mlsandbox.project_lock import project_lock
with project_lock(pathlib.Path(sys.argv[1]), "sandbox up"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


def test_busy(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    """A command that cannot have the lock in time must name the process and the command that hold it."""
    told: list[str] = []

    with pytest.raises(ProjectBusy) as caught, project_lock(tmp_path, "sandbox down", wait=0.2, waiting=told.append):
        pass

    assert told == [f"sandbox up (pid {holder.pid})"]
    assert f"sandbox up (pid {holder.pid}) holds" in caught.value.why
    assert caught.value.fix == f"wait for it to end, or stop it: kill {holder.pid}"


def test_killed_holder(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    """The lock of a process that was killed must be free at once."""
    holder.kill()
    holder.wait()

    with project_lock(tmp_path, "sandbox down", wait=1):
        pass


def test_a_full_disk_must_keep_nobody_from_the_lock(tmp_path: Path) -> None:
    """Where who holds it cannot be written down the lock must be held all the same: `down` is what makes room."""
    sandbox = tmp_path / ".sandbox"
    with project_lock(sandbox, "sandbox up"):
        pass
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file of this process may have a byte
    try:
        with (
            project_lock(sandbox, "sandbox down"),
            pytest.raises(ProjectBusy, match="another command"),
            project_lock(sandbox, "sandbox up", wait=0),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_removed_lock(tmp_path: Path) -> None:
    """Who waited for a lock that `down --volumes` removed must hold the new one: never two at once."""
    sandbox = tmp_path / ".sandbox"
    with ExitStack() as held:
        held.enter_context(project_lock(sandbox, "sandbox down"))
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(sandbox)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            wait_for(lambda: _waits_for(other.pid, sandbox / "lock"), what="the other command waits for the lock")
            assert remove_all(sandbox) == (".gitignore",)
            held.close()
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            with pytest.raises(ProjectBusy, match="another command"), project_lock(sandbox, "sandbox up", wait=0.1):
                pass
            other.kill()


def _waits_for(pid: int, lock: Path) -> bool:
    return str(lock) in {file.path for file in psutil.Process(pid).open_files()}
