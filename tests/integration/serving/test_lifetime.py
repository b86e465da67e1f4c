"""A process ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mlsandbox_serving.contract import Env
from support.waiting import HANG_SECONDS, wait_for

CHILD = """
import signal, sys, time
from mlsandbox_serving.lifetime import end_with_parent
mode, told = sys.argv[1:3]
def stop(*_):
    open(told, "w").write("stopping")
    if mode != "stubborn":
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
end_with_parent(kernel=mode == "kernel", grace=0.3)
print("watching", flush=True)
while True:
    time.sleep(60)
"""
PARENT = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); p.wait()"


def environ(**more: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name != Env.PARENT_PID}, **more}


@pytest.mark.parametrize("mode", ["polite", "stubborn", "kernel"])
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path, mode: str) -> None:
    """A child of a parent that is killed with SIGKILL ends by itself: asked first, and in any case after the grace."""
    told = tmp_path / "told"
    command = [sys.executable, "-c", PARENT, sys.executable, "-c", CHILD, mode, str(told)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ(), text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert parent.stdout.readline() == "watching\n"
        parent.kill()

        wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, what="the child's end")

    if mode != "kernel":
        assert told.read_text() == "stopping"


def test_a_process_ends_with_the_one_that_is_named(tmp_path: Path) -> None:
    """A process ends when the process that SANDBOX_PARENT_PID names is gone, though that is not its parent."""
    with subprocess.Popen(["sleep", "600"]) as named:
        command = [sys.executable, "-c", CHILD, "polite", str(tmp_path / "told")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ(**{Env.PARENT_PID: str(named.pid)}), text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "watching\n"
            assert child.poll() is None
            named.send_signal(signal.SIGKILL)
            named.wait()

            assert child.wait(HANG_SECONDS) == 0


def test_a_process_whose_parent_is_gone_already_ends_at_once() -> None:
    """When the parent died before anything could be watched, the process does not begin its work."""
    code = "from mlsandbox_serving.lifetime import end_with_parent; end_with_parent(1 << 22); print('working')"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environ(), text=True, check=False, timeout=HANG_SECONDS)

    assert (answer.returncode, answer.stdout) == (os.EX_UNAVAILABLE, "")
