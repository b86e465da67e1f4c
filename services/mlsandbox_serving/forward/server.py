"""A receiver of the Forward protocol: all four modes, acknowledged once the handler is done.

What is not the protocol, or too big, ends its own connection with one log line, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from mlsandbox_serving.forward.framing import Framing
from mlsandbox_serving.forward.messages import MAX_MESSAGE_BYTES, Event, ProtocolError, decode, encode_ack, unpacker

_log = logging.getLogger(__name__)


class EventsRefused(Exception):
    """Raised by a handler that cannot take events now; the message says why. The sender keeps them and tries again."""


Handler = Callable[[str, list[Event]], Awaitable[None]]
"""Takes the events of one message (tag, events). When it returns they are acknowledged, when it raises the connection is closed."""

_READ_BYTES: Final = 256 * 1024
_CLOSE_SECONDS: Final = 5.0


class ForwardServer:
    """Listens on one TCP port; messages of one connection are handled one after another.

    Args:
        handler: see `Handler`.
        max_message_bytes: bound of one message, and of what a compressed one holds.
        max_connections: connections at a time; one more is closed at once.
        left_out: told how many events were acknowledged and not taken, as they hold too many values.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_connections: int = 32,
        left_out: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._handler = handler
        self._left_out = left_out
        self._limit = max_message_bytes
        self._max_connections = max_connections
        self._connections: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._closing = False
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (the one that was found free for port 0).

        Raises:
            OSError: the port is taken or not ours.
        """
        self._server = await asyncio.start_server(self._accept, host, port)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def close(self) -> None:
        """Stop listening; a message that is being handled is finished and acknowledged, within seconds."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        for task in self._connections - self._busy:
            task.cancel()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = "{}:{}".format(*(writer.get_extra_info("peername") or ("?", 0))[:2])
        task = asyncio.current_task()
        if task is None or self._closing or len(self._connections) >= self._max_connections:
            _log.warning("closed the connection of %s: %d connections are open already", peer, len(self._connections))
            writer.close()
            return
        self._connections.add(task)
        try:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await self._serve(reader, writer, task)
        except (ProtocolError, EventsRefused) as error:
            _log.warning("closed the connection of %s: %s", peer, error)
        except asyncio.CancelledError:
            pass  # the server is closing
        except OSError as error:
            _log.info("lost the connection of %s: %s", peer, error)
        except Exception:  # noqa: BLE001 - one connection's failure is never the server's
            _log.exception("closed the connection of %s: its events were not taken", peer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        stream = Framing(self._limit)
        while not self._closing and (received := await reader.read(_READ_BYTES)):
            self._busy.add(task)
            try:
                for message in _whole_messages(stream, received):
                    if message is not None:  # "Client MAY send a msgpack nil value for heartbeat or health check usage"
                        await self._take(message, writer)
            finally:
                self._busy.discard(task)

    async def _take(self, message: object, writer: asyncio.StreamWriter) -> None:
        tag, events, chunk, left_out = decode(message, limit=self._limit)
        if left_out:
            self._left_out(left_out)
        await self._handler(tag, events)
        if chunk is not None:
            writer.write(encode_ack(chunk))
            await writer.drain()


def _whole_messages(stream: Framing, received: bytes) -> Iterator[object]:
    try:
        for message in stream.feed(received):
            whole = unpacker(len(message))
            whole.feed(message)
            yield whole.unpack()
    except Exception as error:  # the decoder has no common base for its errors
        raise ProtocolError(f"not MessagePack, or too big: {type(error).__name__} {error}") from error
