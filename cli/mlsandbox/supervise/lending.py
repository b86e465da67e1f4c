"""A front and the workers that may answer there, as the supervisor knows them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlsandbox.supervise.listening import Taken, bound
from mlsandbox.supervise.spec import FrontSpec
from mlsandbox.supervise.status import FrontStatus
from mlsandbox_serving.handover import Channel


@dataclass(eq=False, slots=True)
class Worker:
    """A process that may answer for a front."""

    front: str = ""
    service: str = ""
    pid: int = 0
    channel: Channel | None = None
    serving: bool = False
    """It was told to, or will be as soon as there is room for it, and not to stop since."""
    asked: str = ""
    """The word that it is to say next."""
    said: asyncio.Future[bool] | None = None

    def end(self, *, well: bool) -> None:
        if self.said is not None and not self.said.done():
            self.said.set_result(well)


@dataclass(eq=False, slots=True)
class Front:
    """One front, and who answers there."""

    spec: FrontSpec
    status: FrontStatus
    socket: socket.socket | None = None
    """None while nobody is there who would answer, or will be soon: who comes then is refused."""
    connections: deque[int] = field(default_factory=deque)
    """On their way from one worker to another."""
    again: asyncio.TimerHandle | None = None
    """When those that found no room are sent again."""

    @property
    def service(self) -> str:
        return self.status.service

    def close(self) -> None:
        self.unbind()
        while self.connections:
            os.close(self.connections.popleft())

    @property
    def address(self) -> tuple[str, int]:
        return self.spec.host, self.spec.port

    def unbind(self) -> None:
        """Close it here; those that it was lent to still have it."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def open(self) -> None:
        """Raises: Taken."""
        if self.socket is None:
            self.socket = bound(self.spec)


def rebind(changed: Mapping[Front, FrontSpec], *, clash: bool) -> str:
    """Give fronts other addresses, or leave all of them where they are.

    Args:
        changed: and their addresses. One that is open stays so; who was lent its former socket still has that.
        clash: close the former sockets first, since they are in the way.

    Returns:
        Why one of the addresses cannot be had, else nothing.
    """
    opened = [front for front in changed if front.socket is not None]
    fresh: dict[Front, socket.socket] = {}
    if clash:
        for front in opened:
            front.unbind()
    try:
        for front in opened:
            fresh[front] = bound(changed[front])
    except Taken as taken:
        for each in fresh.values():
            each.close()
        for front in opened:
            with contextlib.suppress(Taken):  # the other reason is the one to tell
                front.open()
        return str(taken)
    for front, spec in changed.items():
        front.spec = spec
        if front in fresh:
            front.unbind()
            front.socket = fresh[front]
    return ""
