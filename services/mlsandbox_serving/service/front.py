"""A worker's part in a front: it accepts from a listening socket that it was lent, and hands the connections on when it is told to.

Versions of a model answer one after the other at one port. Who holds its listening socket lends it to the workers of the version that
is to answer (`contract.Handover`). When that changes, the former workers stop accepting and send away each connection that waits for
nothing, at once or behind its last answer: its client notices nothing. The service's own port has no part in it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import socket
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final
from weakref import WeakSet

from mlsandbox_serving.contract import Env, Handover
from mlsandbox_serving.handover import Channel
from mlsandbox_serving.service.guard import Guard

_log = logging.getLogger(__name__)
_ACCEPTED_AT_ONCE: Final = 16
"""Connections before the event loop has its turn, and another worker a chance."""
_LOOK_SECONDS: Final = 0.005
"""From one look at what is left to the next, while connections are handed on."""
_AGAIN_SECONDS: Final = 1.0
"""Until connecting is tried again, or accepting when there were no descriptors left."""
_REJOIN_SECONDS: Final = 0.05
"""Until one that was not understood joins again."""
_SERVER_NEEDS: Final = ("started", "server_state.connections", "config.http_protocol_class", "config.lifespan_class")


class FrontImpossible(RuntimeError):
    """This uvicorn is not as it has to be; the message says why."""


class Front:
    """One worker's end; uvicorn closes it as one of its servers.

    Args:
        server: uvicorn's, which has begun.
        name: of the front.
        service: that this worker is of.
        path: of the socket of who holds the fronts' sockets.
    """

    def __init__(self, server: Any, name: str, service: str, path: str) -> None:
        self.yields = False
        """Connections of the front are to go."""
        self._server = server
        self._hello = {Handover.DO: Handover.HELLO, "front": name, "service": service, "pid": os.getpid()}
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._channel: Channel | None = None
        self._listening: socket.socket | None = None
        self._taken: WeakSet[Any] = WeakSet()
        """Connections of the front, also those that are gone."""
        self._taking: set[asyncio.Task[Any]] = set()
        """Such that are not with the protocol yet."""
        self._looking: asyncio.TimerHandle | None = None
        self._told = True
        """Whether nothing is to be told when no connection is left."""
        self._cuts = False
        """Whether those that cannot be handed on are ended."""
        self._closed = False

    def join(self) -> None:
        """Say that this worker is there, and again later while nobody hears it."""
        if self._closed:
            return
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            connection.connect(self._path)
        except OSError as error:
            connection.close()
            _log.warning("the front cannot be joined yet: %s: %s", self._path, error)
            self._loop.call_later(_AGAIN_SECONDS, self.join)
            return
        self._channel = Channel(connection, self._heard, self._lost)
        self._channel.send(self._hello)

    def leave(self, connection: Any) -> None:
        """Hand this one on, if it waits for nothing. Called behind each answer, and whenever else it may be so."""
        if self.yields and self._channel is not None and connection.waits_for_nothing:
            descriptor = connection.transport.get_extra_info("socket").fileno()
            if self._channel.send({Handover.DO: Handover.CONNECTION}, descriptor):
                connection.transport.abort()  # closes this process's descriptor alone; nothing is read here any more

    def close(self) -> None:
        """The server stops: accept no more."""
        self._closed = True
        self._stop_accepting()

    async def wait_closed(self) -> None:
        """Return when the connections that were accepted are connections of the server."""
        if self._taking:
            await asyncio.wait(self._taking)

    def _heard(self, message: Mapping[str, Any], descriptor: int | None) -> None:
        word = message[Handover.DO]
        if word == Handover.SERVE and descriptor is not None:
            self._serve(socket.socket(fileno=descriptor))
        elif word == Handover.HOLD and self._channel is not None:
            self._stop_accepting()
            self._channel.send({Handover.DO: Handover.HELD})
        elif word in {Handover.YIELD, Handover.CUT}:
            self._stop_accepting()
            self.yields, self._told, self._cuts = True, False, word == Handover.CUT
            self._look()
        elif word == Handover.CONNECTION and descriptor is not None:
            self._take(socket.socket(fileno=descriptor), was_handed_on=True)
        elif descriptor is not None:
            os.close(descriptor)

    def _lost(self) -> None:
        """Join again, and accept no more until then: who is not heard cannot be told that another version answers now."""
        self._channel = None
        self._stop_accepting()
        if self.yields:  # what is left counts as ended
            self._cuts = True
            self._look()
        self._loop.call_later(_REJOIN_SECONDS, self.join)

    def _serve(self, listening: socket.socket) -> None:
        self._stop_accepting()
        if self._closed or self._channel is None:
            listening.close()
            return
        listening.setblocking(False)
        self._listening = listening
        self._accept_again()
        self.yields = self._cuts = False
        for connection in self._here():
            if isinstance(connection, Guard):
                connection.hold_back()
        self._channel.send({Handover.DO: Handover.SERVING})

    def _accept_again(self) -> None:
        if self._listening is not None:
            self._loop.add_reader(self._listening, self._accept)

    def _stop_accepting(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()  # no shutdown(2), which would be everybody's
            self._listening = None

    def _accept(self) -> None:
        listening = self._listening
        if listening is None:
            return
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.warning("no connection can be accepted for a moment: %s", error)
                self._loop.remove_reader(listening)
                self._loop.call_later(_AGAIN_SECONDS, self._accept_again)
                return
            self._take(connection)

    def _take(self, connection: socket.socket, *, was_handed_on: bool = False) -> None:
        connection.setblocking(False)
        task = self._loop.create_task(self._connect(connection, was_handed_on=was_handed_on))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        if self.yields:
            self._look_later()

    async def _connect(self, accepted: socket.socket, *, was_handed_on: bool) -> None:
        def protocol() -> Any:
            return self._protocol(was_handed_on=was_handed_on)

        try:
            _, connection = await self._loop.connect_accepted_socket(protocol, accepted)
        except (OSError, RuntimeError) as error:  # its client is gone already
            _log.info("a connection of the front was lost before it was served: %r", error)
            accepted.close()
            return
        if self._closed:
            connection.shutdown()

    def _protocol(self, *, was_handed_on: bool) -> Any:
        """As the one that uvicorn makes for a connection of its own."""
        server = self._server
        config = server.config
        made = config.http_protocol_class(
            config=config, server_state=server.server_state, app_state=server.lifespan.state, _loop=self._loop
        )
        made.front, made.was_handed_on = self, was_handed_on
        self._taken.add(made)
        return made

    def _look(self) -> None:
        """Hand on what can be, and say when nothing is left."""
        self._looking = None
        if not self.yields:
            return
        for connection in self._here():
            if isinstance(connection, Guard) and connection.can_be_handed_on:
                self.leave(connection)
                connection.hold_back()
            elif not connection.transport.is_closing():
                connection.shutdown()  # it ends with its answer, which says so
            if self._cuts:
                connection.transport.abort()
        if self._taking or self._here():
            self._look_later()
        elif not self._told and self._channel is not None:
            self._told = True
            self._channel.send({Handover.DO: Handover.YIELDED})

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = self._loop.call_later(_LOOK_SECONDS, self._look)

    def _here(self) -> list[Any]:
        connections = self._server.server_state.connections
        return [connection for connection in list(self._taken) if connection in connections]


def install(environ: Mapping[str, str], server_class: type[Any] | None = None) -> bool:
    """Let the uvicorn server that this process starts next answer for the front that its environment names.

    Args:
        environ: of the process.
        server_class: uvicorn's, or one below it.

    Returns:
        Whether it names one.

    Raises:
        FrontImpossible: this uvicorn cannot be made to.
    """
    name, path, service = (environ.get(each, "") for each in (Env.FRONT, Env.FRONT_SOCKET, Env.SERVICE))
    if not name or not path:
        return False
    import uvicorn  # noqa: PLC0415 - there in a worker only

    server: Any = server_class or uvicorn.Server
    problem = _lacking(server)
    if problem is not None:
        raise FrontImpossible(f"it cannot answer for the front {name}: uvicorn {uvicorn.__version__} is not as it has to be: {problem}")
    original = server.startup

    async def startup(self: Any, *args: Any, **keywords: Any) -> None:
        await original(self, *args, **keywords)
        if self.started:
            front = Front(self, name, service, path)
            self.servers.append(front)
            front.join()

    server.startup = startup
    return True


def _lacking(server_class: type[Any]) -> str | None:
    """What uvicorn does not have; None when all is there."""
    from uvicorn.config import Config  # noqa: PLC0415 - there in a worker only

    if not inspect.iscoroutinefunction(getattr(server_class, "startup", None)):
        return "its start cannot be waited for"
    try:
        config = Config(_nobody, lifespan="off", ws="none", log_config=None)
        config.load()
        server = server_class(config)
        for need in _SERVER_NEEDS:
            attrgetter(need)(server)
        if not isinstance(config.lifespan_class(config).state, dict):
            return "no state of the lifespan"
    except Exception as error:  # noqa: BLE001 - whatever another version does
        return f"{type(error).__name__}: {error}"
    return None


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    """An application; it is never run."""
