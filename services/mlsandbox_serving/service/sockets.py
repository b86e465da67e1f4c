"""What the system does for connections: how many there may be, and noticing that the other end of one is gone."""

from __future__ import annotations

import socket
import sys
from typing import Any, Final

_SPARE_FILES: Final = 128
"""Of the process's open files, for all that is no connection."""
_KEPT_ALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


def most_connections() -> int:
    """As many as the process may open files, but some."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource  # noqa: PLC0415 - not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(soft - _SPARE_FILES, soft // 2)


def watch(connection: Any, timeout: float) -> None:
    """Let the system find out that the other end is gone: by probes when nothing is sent, by missing acknowledgements else."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    options += [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _KEPT_ALIVE if hasattr(socket, name)]
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; RFC 5482
        options.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 1000)))
    try:
        for level, name, value in options:
            connection.setsockopt(level, name, value)
    except (OSError, AttributeError):  # no TCP, or closed meanwhile
        return
