"""Load by wrk, on 127.0.0.1, bounded in time and connections."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).with_name("load.lua")
LONGEST_ANSWER: Final = 60
"""Seconds after which wrk counts an answer as lost."""


class LoadFailed(Exception):
    """Requests were refused or lost: what was measured says nothing."""


class NoAnswer(LoadFailed):
    """No request was answered in the time that there was."""


@dataclass(frozen=True)
class Request:
    """What one service is asked with, in turn.

    Args:
        path: of the URL.
        content_type: of the bodies.
        bodies: one for each different request.
    """

    path: str
    content_type: str
    bodies: Sequence[bytes]


@dataclass(frozen=True)
class Load:
    """One measurement.

    Args:
        rate: answers a second.
        p50: milliseconds of the median answer.
        p99: milliseconds that one answer in a hundred takes longer than.
    """

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Counted:
    """A measurement in which something may have gone wrong.

    Args:
        load: what was measured.
        refused: answers that were errors.
        broken: connections that broke, and answers that did not come.
    """

    load: Load
    refused: int
    broken: int


def require() -> None:
    """Raises SystemExit where wrk is not installed."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed, which makes the load: apt install wrk (Debian, Ubuntu), brew install wrk (macOS)")


def measure(port: int, request: Request, connections: int, seconds: float, *, slow: bool = False) -> Load:
    """Ask for so long over so many connections.

    Args:
        port: of 127.0.0.1.
        request: what is asked.
        connections: open at once; each asks again as soon as it is answered.
        seconds: may be a fraction.
        slow: few answers are expected, so time ends with the last of them.

    Raises:
        NoAnswer: there was none yet.
        LoadFailed: an answer was an error, or a connection broke.
    """
    counted = measure_faults(port, request, connections, seconds, slow=slow)
    if counted.refused or counted.broken:
        answers = counted.load.rate * seconds
        raise LoadFailed(f"about {answers:,.0f} answers, {counted.refused} of them errors, {counted.broken} connections broken")
    return counted.load


def measure_faults(port: int, request: Request, connections: int, seconds: float, *, slow: bool = False) -> Counted:
    """The same where errors are expected, and counted.

    Raises:
        NoAnswer: there was none yet.
        LoadFailed: wrk itself failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, body in enumerate(request.bodies):
            file = Path(folder) / f"body-{number}"
            file.write_bytes(body)
            files.append(str(file))
        told = _run(
            [
                *("wrk", "--threads", "1", "--connections", str(connections), "--timeout", f"{LONGEST_ANSWER}s"),
                *("--duration", f"{int(seconds) + LONGEST_ANSWER}s", "--script", str(SCRIPT), f"http://127.0.0.1:{port}{request.path}"),
                *("--", request.path, request.content_type, "whole" if slow else "every", *files),
            ],
            seconds,
        )
    found = json.loads(told.splitlines()[-1])
    if not found["requests"] and not found["broken"]:
        raise NoAnswer(f"no answer within {seconds:.1f} s")
    return Counted(Load(found["requests"] / found["seconds"], found["p50"], found["p99"]), found["refused"], found["broken"])


def _run(argv: Sequence[str], seconds: float) -> str:
    """What wrk prints; it takes whole seconds only, so it is told to end."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            time.sleep(seconds)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=30)
        except BaseException:
            running.kill()
            raise
    if running.returncode != 0 or not out.strip():
        raise LoadFailed(f"wrk ended with {running.returncode}: {err or out}")
    return out
