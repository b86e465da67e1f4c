"""A sender of the Forward protocol that returns only when the other side acknowledged."""

from __future__ import annotations

import base64
import contextlib
import secrets
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from mlsandbox_serving.forward.messages import ProtocolError, encode_packed, unpacker

_READ_BYTES: Final = 4096
_MAX_RESPONSE_BYTES: Final = 64 * 1024


class ForwardClient:
    """One connection to a Forward server, made when it is needed; not for several threads.

    Args:
        host: name or address.
        port: TCP port.
        connect_timeout: seconds to connect.
        send_timeout: seconds for each piece of a message to be taken.
        ack_timeout: seconds until the acknowledgement.
    """

    def __init__(
        self, host: str, port: int, *, connect_timeout: float = 5.0, send_timeout: float = 10.0, ack_timeout: float = 30.0
    ) -> None:
        self._address = (host, port)
        self._connect_timeout = connect_timeout
        self._send_timeout = send_timeout
        self._ack_timeout = ack_timeout
        self._socket: socket.socket | None = None

    def send(self, tag: str, entries: Sequence[bytes]) -> None:
        """Deliver entries (`[EventTime, record]` in MessagePack, each) as one PackedForward message.

        Raises:
            OSError: not connected, or no acknowledgement in time. The events may have arrived all the same: send them again.
            ProtocolError: the answer is no acknowledgement of this message.
        """
        chunk = base64.b64encode(secrets.token_bytes(16)).decode("ascii")
        try:
            connection = self._connected()
            connection.settimeout(self._send_timeout)
            connection.sendall(encode_packed(tag, entries, chunk=chunk))
            connection.settimeout(self._ack_timeout)
            _check(_read(connection), chunk)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; the next `send` makes a new one."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=self._connect_timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket


def _read(connection: socket.socket) -> object:
    stream = unpacker(_MAX_RESPONSE_BYTES)
    while True:
        received = connection.recv(_READ_BYTES)
        if not received:
            raise ConnectionResetError("the connection was closed instead of an acknowledgement")
        try:
            stream.feed(received)
            for answer in stream:
                return answer
        except Exception as error:  # the decoder has no common base for its errors
            raise ProtocolError(f"the answer is not MessagePack: {type(error).__name__} {error}") from error


def _check(answer: object, chunk: str) -> None:
    if isinstance(answer, dict) and answer.get("ack") == chunk:
        return
    if isinstance(answer, list) and answer[:1] == ["HELO"]:
        raise ProtocolError("the server demands the handshake with a shared key, which this client does not speak")
    raise ProtocolError(f"the answer is no acknowledgement of this message: {answer!r:.200}")
