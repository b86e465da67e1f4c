"""The guard of the unit level."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest


def _asyncio_process() -> None:
    async def start() -> None:
        await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")

    asyncio.run(start())


def _spawn() -> None:
    multiprocessing.get_context("spawn").Process(target=print).start()


STARTS: dict[str, Callable[[], object]] = {
    "Popen": lambda: subprocess.Popen([sys.executable, "-c", "pass"]),
    "run": lambda: subprocess.run([sys.executable, "-c", "pass"], check=False),
    "asyncio": _asyncio_process,
    "fork": os.fork,
    "posix_spawn": lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], dict(os.environ)),
    "system": lambda: os.system("true"),  # noqa: S605 - it must not get as far as a shell
    "spawn": _spawn,
}
SOCKETS: dict[str, Callable[[], object]] = {
    "socket": socket.socket,
    "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
    "server": lambda: socket.create_server(("127.0.0.1", 0)),
    "unix": lambda: socket.socket(socket.AF_UNIX).connect("/nowhere"),
    "lookup": lambda: socket.getaddrinfo("localhost", 80),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_no_process(start: Callable[[], object]) -> None:
    """A unit test must fail when it starts a process, in whichever way."""
    with pytest.raises(BaseException, match="may not start a process"):
        start()


@pytest.mark.parametrize("reach", SOCKETS.values(), ids=SOCKETS.keys())
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_no_socket(reach: Callable[[], object]) -> None:
    """A unit test must fail when it opens, connects or looks up a socket address."""
    with pytest.raises(BaseException, match="may not open a socket"):
        reach()


def test_event_loop_allowed() -> None:
    """A unit test must still be able to run an event loop, which needs a socket pair of its own."""
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"
