"""uvicorn's own protocol behind ours, on a wire that leads nowhere and in a time that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from mlsandbox_serving.service.guard import Limits
from mlsandbox_serving.service.protocol import HttptoolsGuard

LIMITS: Final = Limits(timeout=30.0, head_seconds=10.0)


class Wire(asyncio.Transport):
    """Remembers what was written, and how it ended; what is written after its end is an error, as uvloop has it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.unread = 0
        self.ended = ""

    def write(self, data: Any) -> None:
        if self.ended:
            raise RuntimeError("handler is closed")
        self.written += data

    def is_closing(self) -> bool:
        return bool(self.ended)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        """Whoever sends is the test."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"


class Timer:
    """One of a loop's."""

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """As much of an event loop as protocols ask for. Applications are not run."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []
        self.tasks = 0
        """That were asked for: one for each ASGI request."""

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        timer = Timer(self.now + delay, callback)
        self.timers.append(timer)
        return timer

    def create_task(self, coroutine: Any, **_: Any) -> Any:
        coroutine.close()
        self.tasks += 1
        return _Task()

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.now + seconds
        while due := sorted((timer for timer in self.timers if timer.when <= end and not timer.cancelled), key=lambda timer: timer.when):
            self.now = due[0].when
            self.timers.remove(due[0])
            due[0].callback()
        self.now = end


class _Task:
    def add_done_callback(self, _callback: Any) -> None:
        """Never called."""


class Connection:
    """One connection of a guarded uvicorn.

    Args:
        over: goes before uvicorn's own protocol.
        limits: of it.
    """

    def __init__(self, over: type[HttptoolsGuard] = HttptoolsGuard, limits: Limits = LIMITS, *, keep_alive: int = 5) -> None:
        shared = {
            "limits": limits,
            "sweeps": WeakKeyDictionary(),
            "faulty": httptools.HttpParserError,
            "upgraded": httptools.HttpParserUpgrade,
        }
        self.kind: Any = type("Guarded", (over, HttpToolsProtocol), shared)
        self.config = uvicorn.Config(
            _nobody, http=self.kind, ws="none", lifespan="off", log_config=None, timeout_keep_alive=keep_alive, date_header=False
        )
        self.loop = Loop()
        self.state = ServerState()
        self.protocol, self.wire = self.another()

    def another(self) -> tuple[Any, Wire]:
        """A protocol and its wire, of the same server."""
        wire = Wire()
        protocol = self.kind(config=self.config, server_state=self.state, app_state={}, _loop=self.loop)
        protocol.connection_made(wire)
        return protocol, wire

    def receive(self, data: bytes) -> None:
        """The client sends it."""
        self.protocol.data_received(data)

    def answer(self) -> None:
        """What is asked has been answered, by an application."""
        self.protocol.cycle.response_complete = True
        self.protocol.on_response_complete()

    def lose(self) -> None:
        """The client is gone."""
        self.wire.ended = "lost"
        self.protocol.connection_lost(None)


async def _nobody(_scope: Any, _receive: Any, _send: Any) -> None:
    """An application that is never run."""
