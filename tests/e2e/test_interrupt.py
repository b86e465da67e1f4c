"""Ctrl-C and SIGTERM in the middle of `up`."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from support.sandbox import Sandbox, end, post


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_ctrl_c_in_the_middle_of_up_must_clean_up(saved: Sandbox, share: float) -> None:
    """Ctrl-C in the middle of `up` must say so in one line at once, leave no process and exit 130."""
    saved.run("up").ok()
    saved.down().ok()
    started = time.monotonic()
    saved.run("up").ok()
    span = time.monotonic() - started
    saved.down().ok()
    process = saved.start("up")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=span * share)

    result = end(process, signal.SIGINT)

    assert result.code == 130
    assert "Stopping" in result.err
    assert "Traceback" not in result.err
    saved.gone()


def test_ctrl_c_while_packaging_must_clean_up(saved: Sandbox) -> None:
    """Ctrl-C while the environment is being made must leave no process, and the next `up` must work."""
    process = saved.start("up")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.0)

    result = end(process, signal.SIGINT)

    assert result.code == 130
    saved.gone()
    saved.run("up").ok()


def test_sigterm_in_the_middle_of_up_must_clean_up(saved: Sandbox) -> None:
    """SIGTERM must do what Ctrl-C does, with exit code 143."""
    process = saved.start("up")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.0)

    result = end(process, signal.SIGTERM)

    assert result.code == 143
    saved.gone()


def test_ctrl_c_of_an_attached_up_must_stop_the_stack(saved: Sandbox) -> None:
    """`up --attach` must stay, and Ctrl-C must then stop the stack."""
    saved.run("up").ok()
    process = saved.start("up", "--attach")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=2)
    assert post(saved.url + "/predict", {"age": 40.0, "children": 2, "plan": "pro", "postcode": "00017"})[0] == 200

    result = end(process, signal.SIGINT)

    assert result.code == 130
    saved.gone()
