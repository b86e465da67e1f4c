"""Unit tests work on values: while one runs, opening a socket or starting a process is an error.

An audit hook sees both at the interpreter itself, so nothing gets around it by importing another module.
Socket pairs inside this process stay allowed, since an asyncio event loop makes one.
"""

from __future__ import annotations

import multiprocessing.util
import socket
import sys
from collections.abc import Iterator

import pytest

_PROCESS_EVENTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.exec"})
_SOCKET_EVENTS = frozenset({"socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto"})


class OutsideUnit(BaseException):
    """A unit test reached for the network or for another process; a BaseException, so that no `except Exception` hides it."""


class _Guard:
    """On while a unit test runs; the audit hook cannot be taken away again, only told to look elsewhere."""

    armed = False

    def audit(self, event: str, args: tuple[object, ...]) -> None:
        if not self.armed:
            return
        if event in _PROCESS_EVENTS:
            raise OutsideUnit(f"a unit test may not start a process ({event}): such a test belongs in tests/integration")
        if event in _SOCKET_EVENTS or (event == "socket.__new__" and args[1] != socket.AF_UNIX):
            raise OutsideUnit(f"a unit test may not open a socket ({event}): such a test belongs in tests/integration")


_guard = _Guard()
sys.addaudithook(_guard.audit)


def _no_spawn(*_args: object) -> int:
    raise OutsideUnit("a unit test may not start a process (multiprocessing): such a test belongs in tests/integration")


@pytest.fixture(autouse=True)
def values_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Arm the guard for one test."""
    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", _no_spawn)  # the one way that no audit event tells of
    _guard.armed = True
    yield
    _guard.armed = False
