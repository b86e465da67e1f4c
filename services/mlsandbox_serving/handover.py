"""The messages of `contract.Handover` on a Unix stream socket, some of them with a descriptor; both ends, in an event loop's thread.

Standard library only: the host tool imports it as it does the contract.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from mlsandbox_serving.front_names import Handover

Heard = Callable[[Mapping[str, Any], "int | None"], None]
"""Told of each message, with the descriptor that came with it, which is the receiver's then."""

_WITH_DESCRIPTOR: Final = frozenset({Handover.SERVE, Handover.CONNECTION})
_AT_ONCE: Final = 64
"""Reads before the event loop has its turn."""
_READ_BYTES: Final = 65_536
_INTEGER: Final = array.array("i").itemsize
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Channel:
    """One end.

    Args:
        connection: is this object's from now on.
        heard: told of what comes.
        lost: told once, when the other end is gone or speaks otherwise; not of `close`.
    """

    def __init__(self, connection: socket.socket, heard: Heard, lost: Callable[[], None]) -> None:
        self._connection = connection
        self._heard = heard
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._descriptors: deque[int | None] = deque()
        self._unsent = b""
        self.closed = False
        self._paused = False
        connection.setblocking(False)
        self._loop.add_reader(connection, self._read)

    def send(self, message: Mapping[str, object], descriptor: int | None = None) -> bool:
        """Send it, now or (without a descriptor) as soon as there is room.

        Args:
            message: one of `Handover`.
            descriptor: that goes with it; it stays open here.

        Returns:
            Whether the other end gets it, unless it dies: one with a descriptor may have to be sent again later.
        """
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if descriptor is not None:
            return not self.closed and not self._unsent and self._send_with(line, descriptor)
        if not self.closed:
            self._unsent += line
            self._write()
        return not self.closed

    def pause(self) -> None:
        """Hear nothing until `resume`: what comes stays with the system, which takes only so much of it."""
        if not self.closed and not self._paused:
            self._paused = True
            self._loop.remove_reader(self._connection)

    def resume(self) -> None:
        """Hear again, from the event loop's next turn on."""
        if not self.closed and self._paused:
            self._paused = False
            self._loop.add_reader(self._connection, self._read)
            self._loop.call_soon(self._tell)

    def close(self) -> None:
        """Nothing more comes or goes."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._connection)
        self._loop.remove_writer(self._connection)
        self._connection.close()
        for descriptor in self._descriptors:
            if descriptor is not None:
                os.close(descriptor)
        self._descriptors.clear()

    def _send_with(self, line: bytes, descriptor: int) -> bool:
        try:
            sent = socket.send_fds(self._connection, [line], [descriptor])
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            # Too many descriptors are on their way (Linux), or no memory is left for them: there is room again in a moment.
            if isinstance(error, ConnectionError) or not self._is_there():
                self._fail()
            return False
        self._unsent = line[sent:]
        self._write()
        return True

    def _is_there(self) -> bool:
        with contextlib.suppress(OSError):
            self._connection.getpeername()
            return True
        return False

    def _fail(self) -> None:
        if not self.closed:
            self.close()
            self._lost()

    def _write(self) -> None:
        if not self._unsent:
            return
        try:
            sent = self._connection.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._fail()
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self._connection, self._write)
        else:
            self._loop.remove_writer(self._connection)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            if self.closed or self._paused:
                return
            try:
                received, ancillary, flags, _ = self._connection.recvmsg(_READ_BYTES, socket.CMSG_SPACE(16 * _INTEGER), _CLOSE_ON_EXEC)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._fail()
                return
            if not received:
                self._fail()
                return
            came = _descriptors(ancillary)
            # One that this process may not open any more: its message still comes, and must not get the next one's.
            self._descriptors.extend(came or ([None] if flags & socket.MSG_CTRUNC else []))
            self._received += received
            self._tell()

    def _tell(self) -> None:
        while not self.closed and not self._paused:
            line, end, rest = self._received.partition(b"\n")
            if not end:
                if len(line) > Handover.LONGEST:
                    self._fail()
                return
            self._received = rest
            try:
                message = json.loads(line)
                word = message[Handover.DO]
            except (ValueError, TypeError, KeyError):
                self._fail()
                return
            descriptor = self._descriptors.popleft() if word in _WITH_DESCRIPTOR and self._descriptors else None
            self._heard(message, descriptor)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(content[: len(content) - len(content) % _INTEGER])
    for descriptor in found:
        os.set_inheritable(descriptor, False)
    return list(found)
