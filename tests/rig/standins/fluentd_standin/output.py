"""Writing to Elasticsearch: chunk by chunk, by `_bulk`, with the event's id; again and again until it answers."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fluentd_standin.buffer import Chunk, Event, FileBuffer
from fluentd_standin.settings import OutputSettings

Record = dict[str, Any]
Rejected = Callable[[Event, str], None]
_PIECE_BYTES = 5 * 1024 * 1024


class Failed(Exception):
    """The whole request is to be repeated."""


@dataclass
class Counts:
    """What Fluentd's monitor tells of an output."""

    emit_count: int = 0
    emit_records: int = 0
    write_count: int = 0
    num_errors: int = 0
    rollback_count: int = 0
    flush_time_count: int = 0
    retry_count: int = 0
    retry_wait: float = 0.0


class Output(threading.Thread):
    """One elasticsearch output with its buffer.

    Args:
        settings: where to, and the limits.
        rejected: takes what Elasticsearch refuses, and the reason; such events are dropped without it.
    """

    def __init__(self, settings: OutputSettings, rejected: Rejected | None) -> None:
        super().__init__(name=settings.plugin_id, daemon=True)
        self.settings, self._rejected = settings, rejected
        self.buffer = FileBuffer(
            settings.folder, total_limit=settings.total_limit, chunk_limit=settings.chunk_limit, overflow=settings.overflow
        )
        self.counts = Counts()
        self._ending = threading.Event()

    def emit(self, events: list[Event]) -> None:
        """Store events; raises `Overflow` when there is no room."""
        self.buffer.append(events)
        self.counts.emit_count += 1
        self.counts.emit_records += len(events)

    def run(self) -> None:
        while not self._ending.is_set():
            chunk = self.buffer.next_chunk(self.settings.flush_interval)
            wait = self._try(chunk) if chunk else min(0.1, self.settings.flush_interval)
            self._ending.wait(wait)

    def end(self) -> None:
        """Write out what is there, once, as `flush_at_shutdown` does; what remains is on the disk."""
        self._ending.set()
        self.join(self.settings.request_timeout + 1)
        while (chunk := self.buffer.next_chunk(0)) and not self._try(chunk):
            pass

    def _try(self, chunk: Chunk) -> float:
        """Write a chunk out; returns the seconds until the next attempt, none after a success."""
        started = time.monotonic()
        self.counts.write_count += 1
        try:
            self._write(chunk)
        except (OSError, http.client.HTTPException, Failed) as error:
            self.counts.num_errors += 1
            self.counts.rollback_count += 1
            self.counts.retry_wait = min(self.settings.retry_wait * 2 ** min(self.counts.retry_count, 30), self.settings.retry_longest)
            self.counts.retry_count += 1
            _say(f"{self.name}: attempt {self.counts.retry_count} failed, again in {self.counts.retry_wait:.1f} s: {error!r}")
            return self.counts.retry_wait
        self.buffer.purge(chunk)
        self.counts.retry_count, self.counts.retry_wait = 0, 0.0
        self.counts.flush_time_count += int((time.monotonic() - started) * 1000)
        return 0.0

    def _write(self, chunk: Chunk) -> None:
        piece: list[Event] = []
        lines = b""
        for event in chunk.events():
            piece.append(event)
            lines += self._action(event)
            if len(lines) > _PIECE_BYTES:
                self._send(lines, piece)
                piece, lines = [], b""
        if piece:
            self._send(lines, piece)

    def _action(self, event: Event) -> bytes:
        record = event.record
        meta = {"_index": _moment(event.time, record).strftime(self.settings.index)}
        if record.get(self.settings.id_key):
            meta["_id"] = str(record[self.settings.id_key])
        return f"{json.dumps({'index': meta})}\n{json.dumps(record, default=str)}\n".encode(errors="surrogatepass")

    def _connection(self) -> http.client.HTTPConnection:
        host, port, timeout = self.settings.host, self.settings.port, self.settings.request_timeout
        if not self.settings.encrypted:
            return http.client.HTTPConnection(host, port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.settings.authorities or None)
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)

    def _who(self) -> dict[str, str]:
        if not self.settings.user:
            return {}
        who = f"{self.settings.user}:{self.settings.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(who).decode()}"}

    def _send(self, lines: bytes, piece: list[Event]) -> None:
        connection = self._connection()
        try:
            connection.request("POST", "/_bulk", lines, {"Content-Type": "application/x-ndjson", **self._who()})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Failed(f"HTTP {answer.status}: {body[:200]!r}")
        again = False
        for event, item in zip(piece, json.loads(body)["items"], strict=True):
            result = next(iter(item.values()))
            if result["status"] in {429, 503} or result["status"] >= 500:
                again = True
            elif result["status"] >= 400 and result["status"] != 409 and self._rejected:
                error = result.get("error", {})
                self._rejected(event, f"[error type]: {error.get('type')} [reason]: {error.get('reason')!r}")
        if again:
            raise Failed("some documents are to be sent again")


def _moment(event_time: float, record: Record) -> datetime:
    """The event's own time: `@timestamp`, else the one of its envelope."""
    try:
        moment = datetime.fromisoformat(str(record["@timestamp"]))
    except (KeyError, ValueError):
        return datetime.fromtimestamp(event_time, UTC)
    return moment.astimezone(UTC) if moment.tzinfo else moment


def _say(text: str) -> None:
    sys.stderr.write(f"[fluentd stand-in] {text}\n")
