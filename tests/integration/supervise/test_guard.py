"""The guard: a child ends with its parent."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from mlsandbox.supervise.guard import guard_argv
from support.waiting import wait_for

PARENT = """
import subprocess, sys
from mlsandbox.supervise.guard import guard_argv
child = subprocess.Popen(guard_argv([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"]), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_child_ends_with_killed_parent() -> None:
    """A guarded child must end when its parent is killed with SIGKILL."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))

        parent.kill()

        wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, what="the child is gone")


def test_exit_code_and_output_are_the_programs_own() -> None:
    """A guarded program must look as if it had been started directly."""
    guarded = subprocess.run(
        guard_argv([sys.executable, "-c", "import sys; print(sys.argv[1]); sys.exit(7)", "ä b"]),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (guarded.returncode, guarded.stdout, guarded.stderr) == (7, "ä b\n", "")


def test_missing_program() -> None:
    """A program that is not there must be named, with the exit code that shells use."""
    guarded = subprocess.run(guard_argv(["no-such-program"]), capture_output=True, text=True, check=False)

    assert guarded.returncode == 127
    assert guarded.stderr == "cannot run no-such-program: No such file or directory\n"
