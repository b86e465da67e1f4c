"""Ctrl-C and SIGTERM in the middle of `up`."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest

from support.sandbox import Sandbox, end, post
from support.waiting import wait_for


def started(sandbox: Sandbox, service: str) -> bool:
    """Whether a service's process runs."""
    return any(_is_of(process, service) for process in sandbox.processes())


def listening(sandbox: Sandbox) -> bool:
    """Whether the model service has its port."""
    return any(_is_of(process, "api-v1", listens=True) for process in sandbox.processes())


def _is_of(process: psutil.Process, service: str, *, listens: bool = False) -> bool:
    """Whether a process is a service's, and if asked has a port; one that has ended meanwhile is nobody's."""
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get("SANDBOX_SERVICE") == service and (not listens or bool(process.net_connections()))
    return False


POINTS: dict[str, Callable[[Sandbox], bool]] = {
    "at once": lambda _: True,
    "when the supervisor runs": lambda sandbox: bool(sandbox.processes()),
    "when the model service was started": lambda sandbox: started(sandbox, "api-v1"),
    "when the model is being loaded": listening,
}


@pytest.mark.parametrize("point", POINTS)
def test_ctrl_c_in_the_middle_of_up_must_clean_up(saved: Sandbox, point: str) -> None:
    """Ctrl-C in the middle of `up` must say so in one line at once, leave no process and exit 130."""
    process = saved.start("up")
    assert process.stderr is not None
    process.stderr.readline()
    wait_for(lambda: POINTS[point](saved), what=point)
    assert process.poll() is None

    result = end(process, signal.SIGINT)

    assert result.code == 130
    assert "Stopping" in result.err
    assert "Traceback" not in result.err
    saved.gone()


def packaging(sandbox: Sandbox) -> subprocess.Popen[str]:
    """The first `up` of a project, at the moment when a program of the packaging runs."""
    process = sandbox.start("up")
    wait_for(psutil.Process(process.pid).children, what="a program that packages")
    assert process.poll() is None
    return process


def test_ctrl_c_while_packaging_must_clean_up(trained: Sandbox) -> None:
    """Ctrl-C while the environment is being made must leave no process and no temporary file, and the next `up` must work."""
    temporary = trained.home / "temporary"
    temporary.mkdir()
    trained = replace(trained, extra={"TMPDIR": str(temporary)})
    process = packaging(trained)

    result = end(process, signal.SIGINT)

    assert result.code == 130
    trained.gone()
    assert list(temporary.iterdir()) == []
    trained.run("up").ok()


def test_sigterm_in_the_middle_of_up_must_clean_up(trained: Sandbox) -> None:
    """SIGTERM must do what Ctrl-C does, with exit code 143."""
    process = packaging(trained)

    result = end(process, signal.SIGTERM)

    assert result.code == 143
    trained.gone()


def test_ctrl_c_of_an_attached_up_must_stop_the_stack(saved: Sandbox) -> None:
    """`up --attach` must stay, and Ctrl-C must then stop the stack."""
    saved.run("up").ok()
    process = saved.start("up", "--attach")
    assert process.stderr is not None
    assert any("Attached" in line for line in process.stderr)
    assert process.poll() is None
    assert post(saved.url + "/predict", {"age": 40.0, "children": 2, "plan": "pro", "postcode": "00017"})[0] == 200

    result = end(process, signal.SIGINT)

    assert result.code == 130
    saved.gone()
