"""Sinks: how they are named, and that none of several busy segments keeps the others waiting."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mlsandbox_serving.forward.client import ForwardClient
from mlsandbox_serving.spool.sink import Report, Sink, Target, parse_targets
from mlsandbox_serving.spool.writer import SpoolWriter


def test_targets() -> None:
    """A sink must be read with its pause, and with a short one when none is named."""
    assert parse_targets("log-store=127.0.0.1:1,drift~1=[::1]:2, other~0.5=fluentd:3") == [
        Target("log-store", "127.0.0.1", 1, 0.1),
        Target("drift", "::1", 2, 1.0),
        Target("other", "fluentd", 3, 0.5),
    ]


@pytest.mark.parametrize("text", ["drift", "drift=host", "drift~=host:1", "drift~x=host:1", "drift~-1=host:1", "a=h:1,a~2=h:2"])
def test_targets_that_are_none(text: str) -> None:
    """What is malformed, or named twice, must be refused."""
    with pytest.raises(ValueError, match="="):
        parse_targets(text)


class Kept(ForwardClient):
    """Keeps what it is to send; each message makes another event, as a busy model does, until there were enough."""

    def __init__(self, busy: SpoolWriter, last: int, sink_ends: list[Sink]) -> None:
        super().__init__("127.0.0.1", 1)
        self.messages: list[int] = []
        self._busy = busy
        self._last = last
        self._sink_ends = sink_ends

    def send(self, _tag: str, entries: list[bytes]) -> None:  # type: ignore[override]  # no network in these tests
        self.messages.append(len(entries))
        if len(self.messages) < self._last:
            self._busy.append({"event.id": f"late-{len(self.messages)}"}, time.time())
        else:
            self._sink_ends[0].drain()


def test_a_busy_segment_keeps_no_other_waiting(tmp_path: Path) -> None:
    """While one worker writes on and on, the events of another must be delivered in their turn, and at the end all of them."""
    busy = SpoolWriter(tmp_path, max_bytes=10_000_000, worker="1")
    calm = SpoolWriter(tmp_path, max_bytes=10_000_000, worker="2")
    busy.append({"event.id": "first"}, time.time())
    for number in range(3):
        calm.append({"event.id": f"calm-{number}"}, time.time())
    ends: list[Sink] = []
    client = Kept(busy, 6, ends)
    shipped: list[int] = []
    report = Report(shipped=lambda _, events: shipped.append(events), failed=lambda _: None, damaged=lambda *_: None)
    sink = Sink(Target("drift", "127.0.0.1", 1, 0.001), folder=tmp_path, tag="sandbox.churn", report=report, client=client)
    ends.append(sink)

    sink.run()

    assert client.messages[:2] == [1, 3]
    assert sum(shipped) == 1 + 3 + 5
    assert sink.pending_bytes() == 0
