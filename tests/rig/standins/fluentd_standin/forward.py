"""The receiving side of the Forward protocol: all four kinds of messages, acknowledged after they are stored.

https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
"""

from __future__ import annotations

import io
import socketserver
import sys
import zlib
from collections.abc import Callable
from typing import Any

import msgpack

Events = list[tuple[float, dict[str, Any]]]
_MOST_BYTES = 256 * 1024 * 1024


def decoded(message: Any) -> tuple[str, Events, str | None]:
    """Tag, events and the chunk to acknowledge of one message.

    Raises:
        ValueError: not a message of the protocol.
    """
    if not isinstance(message, list) or len(message) < 2 or not isinstance(message[0], str):
        raise ValueError("a message is an array that begins with a tag")
    tag, second = message[0], message[1]
    if isinstance(second, list):  # Forward
        return tag, [_event(*entry) for entry in second], _chunk(message[2:])
    if isinstance(second, (bytes, str)):  # PackedForward, CompressedPackedForward
        packed = second if isinstance(second, bytes) else second.encode(errors="surrogateescape")
        option = message[2] if len(message) > 2 and isinstance(message[2], dict) else {}
        if option.get("compressed") == "gzip":
            packed = _gunzip(packed)
        entries = msgpack.Unpacker(io.BytesIO(packed), raw=False, strict_map_key=False, unicode_errors="surrogateescape")
        return tag, [_event(*entry) for entry in entries], _chunk(message[2:])
    if len(message) < 3:
        raise ValueError("a message without a record")
    return tag, [_event(second, message[2])], _chunk(message[3:])


def _gunzip(packed: bytes) -> bytes:
    """All members: a buffer of compressed chunks is several of them one after the other."""
    out = b""
    while packed:
        member = zlib.decompressobj(31)
        out += member.decompress(packed, _MOST_BYTES)
        packed = member.unused_data
    return out


def _event(time: Any, record: Any) -> tuple[float, dict[str, Any]]:
    if not isinstance(record, dict):
        raise ValueError("a record is a map")  # noqa: TRY004  # of the message, not of this program
    if isinstance(time, msgpack.ExtType):
        return int.from_bytes(time.data[:4], "big") + int.from_bytes(time.data[4:8], "big") / 1e9, record
    return float(time), record


def _chunk(rest: list[Any]) -> str | None:
    return rest[0].get("chunk") if rest and isinstance(rest[0], dict) else None


class ForwardServer(socketserver.ThreadingTCPServer):
    """Hands the events of each message to `store`, and acknowledges when it returns."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], store: Callable[[str, Events], None]) -> None:
        super().__init__(address, _Connection)
        self.store = store


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, ForwardServer)
        stream = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="surrogateescape", max_buffer_size=_MOST_BYTES)
        try:
            while received := self.request.recv(65536):
                stream.feed(received)
                for message in stream:
                    if message is None:  # a heartbeat
                        continue
                    tag, events, chunk = decoded(message)
                    server.store(tag, events)
                    if chunk:
                        self.request.sendall(msgpack.packb({"ack": chunk}))
        except OSError:
            return
        except Exception as error:  # noqa: BLE001  # as Fluentd: said, and the connection is closed without an acknowledgement
            sys.stderr.write(f"[fluentd stand-in] closing {self.client_address}: {error!r}\n")
