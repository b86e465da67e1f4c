"""One sink's delivery: a thread with its own cursor and connection, so that a dead sink delays no other."""

from __future__ import annotations

import logging
import random
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from mlsandbox_serving.forward.client import ForwardClient
from mlsandbox_serving.spool import segment
from mlsandbox_serving.spool.cursor import Cursor
from mlsandbox_serving.spool.reader import BATCH_BYTES, Batch, next_batch, pending_bytes

_log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 0.1
_SMALL_BYTES: Final = BATCH_BYTES // 2
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 5.0
_TARGET: Final = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)(?:~(?P<pause>[0-9]+(?:\.[0-9]+)?))?=(?P<host>[^\s,=]+):(?P<port>[0-9]{1,5})")


class Target(NamedTuple):
    """Where a sink listens."""

    name: str
    host: str
    port: int
    pause: float = _PAUSE_SECONDS
    """Seconds between two looks at the spool: a message costs both ends more than an event in it."""


class Report(NamedTuple):
    """What a delivery tells of itself."""

    shipped: Callable[[str, int], None]
    """(sink, events) after an acknowledgement."""
    failed: Callable[[str], None]
    """(sink) after a delivery that is tried again."""
    damaged: Callable[[str, int], None]
    """(segment, byte) where something was skipped that is no event."""


def parse_targets(text: str) -> list[Target]:
    """Targets out of "name=host:port,name~seconds=host:port"; the seconds are its pause.

    Raises:
        ValueError: malformed, or a name twice.
    """
    targets: list[Target] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _TARGET.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is not name=host:port")
        pause = float(found["pause"] or _PAUSE_SECONDS)
        targets.append(Target(found["name"], found["host"].strip("[]"), int(found["port"]), pause))
    if len({target.name for target in targets}) < len(targets):
        raise ValueError(f"two sinks have one name in {text!r}")
    return targets


class Sink(threading.Thread):
    """Delivers the spool to one target, at least once each event, in the order of the segments.

    Args:
        target: where to.
        folder: the spool.
        tag: the Forward tag of its events.
        report: what to tell of each delivery.
        client: the connection; by default a new one to the target.
    """

    def __init__(self, target: Target, *, folder: Path, tag: str, report: Report, client: ForwardClient | None = None) -> None:
        super().__init__(name=f"sink-{target.name}", daemon=True)
        self.target = target
        self._folder = folder
        self._tag = tag
        self._report = report
        self._client = client or ForwardClient(target.host, target.port)
        self._cursor = Cursor(folder, target.name)
        self._draining = threading.Event()
        self._had: set[str] = set()
        """Segments of which all that was there was delivered since the last pause."""
        self._failures = 0
        self._last_error: str | None = None

    def position(self, name: str) -> int:
        """Acknowledged bytes of a segment."""
        return self._cursor.position(name)

    def pending_bytes(self) -> int:
        """Bytes that this sink has not acknowledged."""
        return pending_bytes(self._folder, self._cursor.position)

    def status(self) -> dict[str, Any]:
        """For /readyz: how far behind, and the last error while it lasts."""
        return {"pending_bytes": self.pending_bytes(), "failures_in_a_row": self._failures, "error": self._last_error}

    def drain(self) -> None:
        """Deliver what is there and end; a delivery that fails from now on is left for the next start."""
        self._draining.set()

    def run(self) -> None:
        """Deliver until drained."""
        while True:
            try:
                batch = next_batch(self._folder, self._cursor.position, without=self._had)
                if batch is not None and batch.entries:
                    self._client.send(self._tag, batch.entries)
            except Exception as error:  # noqa: BLE001 - whatever it is, the events stay and are tried again
                if self._draining.is_set():
                    break
                self._fail(error)
                continue
            if batch is not None:
                self._advance(batch)
            elif self._draining.is_set() and not self._had:
                break
            else:
                self._had.clear()
                self._draining.wait(self.target.pause)
        self._client.close()

    def _advance(self, batch: Batch) -> None:
        if self._failures:
            _log.info("sink %s takes events again", self.target.name)
        self._failures, self._last_error = 0, None
        try:
            self._cursor.advance(batch.segment, batch.end, (found.name for found in segment.segments(self._folder)))
        except OSError as error:
            _log.warning("cannot note where sink %s stands (%s); after a restart it is sent some events again", self.target.name, error)
        if batch.end - batch.start < _SMALL_BYTES:
            self._had.add(batch.segment)
        if batch.entries:
            self._report.shipped(self.target.name, len(batch.entries))
        if batch.damaged:
            self._report.damaged(batch.segment, batch.start)

    def _fail(self, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}"
        if message != self._last_error:
            _log.warning("sink %s at %s:%d does not take events: %s", *self.target[:3], message)
        self._last_error = message
        self._report.failed(self.target.name)
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2**self._failures) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        self._failures = min(self._failures + 1, 16)
        self._draining.wait(delay)
