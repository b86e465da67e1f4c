"""The project's lock, between processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsandbox.errors import ProjectBusy
from mlsandbox.project_lock import project_lock

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
