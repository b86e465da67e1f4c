"""What goes wrong around a spool costs no event that was taken, and what was not taken is counted with its reason."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlsandbox_serving.contract import Env
from mlsandbox_serving.spool import segment
from mlsandbox_serving.spool.entry import encode
from mlsandbox_serving.spool.writer import SpoolWriter
from support.event_processes import LogStore, ShipperProcess, metric
from support.waiting import wait_for

MakeShipper = Callable[..., ShipperProcess]

_DISK_BYTES = 1024 * 1024
_GROWTH_BYTES = 48 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with room for very little."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this machine lets nobody mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


class Numbered:
    """Appends numbered events, and knows of each whether it was taken."""

    def __init__(self, writer: SpoolWriter, *, text: str = "x" * 400) -> None:
        self._writer = writer
        self._text = text
        self._next = 0
        self.taken: list[str] = []
        self.refused = 0

    def append(self, count: int) -> None:
        """Append events one at a time, as single requests do."""
        for number in range(self._next, self._next + count):
            name = f"id-{number}"
            payload = encode({"event.id": name, "text": self._text}, time.time())
            if self._writer.append_payloads([payload]):
                self.taken.append(name)
            else:
                self.refused += 1
        self._next += count


def test_a_full_disk_costs_what_it_does_not_take_alone(small_disk: Path, log_store: LogStore, make_shipper: MakeShipper) -> None:
    """On a full disk events must be refused and counted; once they are delivered there is room again; each taken one is stored once."""
    spool = small_disk / "spool"
    writer = SpoolWriter(spool, max_bytes=100 * _DISK_BYTES, worker="1", segment_bytes=100_000)
    events = Numbered(writer)
    events.append(5000)
    assert len(events.taken) > 1000
    assert events.refused > 1000
    assert "ENOSPC" in (writer.writable() or "")

    shipper = make_shipper({"log-store": log_store.forward_port}, **{Env.SPOOL_DIR: str(spool)})
    log_store.start()
    shipper.start()
    wait_for(lambda: writer.writable() is None, what="there is room again")
    events.append(100)
    writer.close()
    wait_for(lambda: not segment.segments(spool), what="everything is delivered and deleted")

    assert log_store.ids() == events.taken
    assert events.taken[-1] == "id-5099"
    assert writer.dropped == Counter(disk_full=events.refused)


def test_an_outage_of_the_store_costs_nothing(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """While the store is gone events must wait, also when the shipper dies meanwhile; then each must be stored once, and none dropped."""
    log_store.start()
    shipper = make_shipper({"log-store": log_store.forward_port})
    shipper.start()
    writer = SpoolWriter(shipper.spool, max_bytes=50_000_000, worker="1", segment_bytes=100_000)
    events = Numbered(writer)
    events.append(500)
    wait_for(lambda: log_store.ids() == events.taken, what="the events of before are stored")

    log_store.kill()
    for _ in range(2):
        events.append(500)
        wait_for(lambda: metric(shipper.probe_port, "sandbox_event_ship_failures_total") >= 2, what="the shipper notices the outage")
        shipper.kill_and_start()
        wait_for(shipper.is_ready, what="the shipper is back")
    events.append(500)
    wait_for(lambda: metric(shipper.probe_port, "sandbox_spool_pending_bytes") > 0, what="what waits is told")
    log_store.start()
    writer.close()
    wait_for(lambda: not segment.segments(shipper.spool), what="everything is delivered and deleted")

    assert log_store.ids() == events.taken
    assert len(events.taken) == 2000
    assert metric(shipper.probe_port, "sandbox_events_dropped_total") == 0
    assert not writer.dropped


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the largest memory of a process is read from /proc")
def test_a_backlog_takes_no_memory(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """A backlog that is much larger than a message must be delivered with about the memory that a few messages take."""
    shipper = make_shipper({"log-store": log_store.forward_port})
    writer = SpoolWriter(shipper.spool, max_bytes=10**9, worker="1")
    events = Numbered(writer, text="x" * 20_000)
    log_store.start()
    shipper.start()
    events.append(200)
    wait_for(lambda: len(log_store.ids()) == 200, what="a few messages are stored")
    before = _largest(shipper), _largest(log_store)

    events.append(6000)
    writer.close()
    wait_for(lambda: not segment.segments(shipper.spool), what="everything is delivered and deleted")

    assert _largest(shipper) - before[0] < _GROWTH_BYTES
    assert _largest(log_store) - before[1] < _GROWTH_BYTES
    assert len(log_store.ids()) == 6200


def _largest(service: ShipperProcess | LogStore) -> int:
    """The most memory in bytes that a process has had so far."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
