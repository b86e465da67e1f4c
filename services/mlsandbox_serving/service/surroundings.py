"""What a worker's model needs around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Spool(Protocol):
    """Where events go; spool.writer.SpoolWriter. Thread-safe, never raises."""

    written: int

    @property
    def dropped(self) -> Mapping[str, int]:
        """Events lost so far, by reason."""

    def append(self, record: Mapping[str, object], timestamp: float) -> None:
        """Write one event, or count it as dropped."""

    def append_payloads(self, payloads: Sequence[bytes | None]) -> int:
        """Write events that are packed already, or count them as dropped; how many are written."""

    def append_many(self, events: Sequence[tuple[Mapping[str, object], float]]) -> int:
        """Write events, or count them as dropped; how many are written."""

    def leave_out(self, reason: str) -> None:
        """Count an event that is not even offered as dropped."""

    def writable(self) -> str | None:
        """None, or why events cannot be written."""

    def close(self) -> None:
        """No more events."""


class Workers(Protocol):
    """All workers of the service; metrics.WorkerMetrics."""

    def ready_workers(self) -> int:
        """How many of them are ready."""

    def was_ready(self) -> bool:
        """Whether one of them was ready since the service's start."""

    def note_ready(self) -> None:
        """This one is ready. Never raises."""
