"""The log store as a process: acknowledged is stored, whatever happens next."""

from __future__ import annotations

import resource
import sqlite3
import sys
import time
from pathlib import Path

import pytest
from fluent.sender import FluentSender

from mlsandbox_serving.contract import Env
from mlsandbox_serving.forward.client import ForwardClient
from mlsandbox_serving.spool.entry import encode
from support.event_processes import STACK_ID, LogStore, Service, get, metric, ready_body
from support.waiting import HANG_SECONDS, wait_for


def _entries(*numbers: int) -> list[bytes]:
    return [encode({"event.id": f"id-{number}", "text": "x" * 1000}, time.time()) for number in numbers]


def test_acknowledged_events_are_stored_and_found_while_it_runs(log_store: LogStore) -> None:
    """When `send` returns the events must be found in the file; a second delivery must change nothing."""
    log_store.start()
    with ForwardClient("127.0.0.1", log_store.forward_port) as client:
        client.send("a", _entries(1, 2))
        assert log_store.ids() == ["id-1", "id-2"]
        client.send("a", _entries(2, 3))
    assert log_store.ids() == ["id-1", "id-2", "id-3"]
    assert metric(log_store.probe_port, "sandbox_log_store_events_total", result="stored") == 3
    assert metric(log_store.probe_port, "sandbox_log_store_events_total", result="duplicate") == 1


def test_probes_name_our_stack(log_store: LogStore) -> None:
    """The probes must echo the stack's id and tell the size on disk."""
    log_store.start()
    body = ready_body(log_store.probe_port)
    assert body is not None
    assert body["stack_id"] == STACK_ID
    assert get(log_store.probe_port, "/livez")[0] == 200
    wait_for(lambda: metric(log_store.probe_port, "sandbox_log_store_bytes") > 0, what="the size is told")


def test_what_was_acknowledged_survives_a_kill(log_store: LogStore) -> None:
    """Events acknowledged a moment before kill -9 must be found while it is down, and after its restart."""
    log_store.start()
    with ForwardClient("127.0.0.1", log_store.forward_port) as client:
        client.send("a", _entries(1, 2))
        log_store.kill()
        assert log_store.ids() == ["id-1", "id-2"]
        with pytest.raises(OSError, match=r"closed|reset|refused|Broken"):
            client.send("a", _entries(3))
        log_store.start()
        client.send("a", _entries(2, 3))
    assert log_store.ids() == ["id-1", "id-2", "id-3"]


def test_it_stops_when_asked(log_store: LogStore) -> None:
    """SIGTERM must end it with 0 and leave one file."""
    log_store.start()
    with ForwardClient("127.0.0.1", log_store.forward_port) as client:
        client.send("a", _entries(1))
        assert log_store.stop() == 0
    assert log_store.ids() == ["id-1"]


def test_other_programs_may_log_too(log_store: LogStore) -> None:
    """Events of Fluentd's own client, without ids of ours, must be stored."""
    log_store.start()
    sender = FluentSender("app", host="127.0.0.1", port=log_store.forward_port)
    assert sender.emit("follow", {"from": "A"})
    sender.close()
    wait_for(lambda: [event["from"] for event in log_store.events()] == ["A"], what="it is stored")


def test_a_damaged_database_is_told(log_store: LogStore) -> None:
    """A damaged file must be moved aside at the start, said so in the log and counted."""
    log_store.path.parent.mkdir()
    log_store.path.write_bytes(b"no database" * 1000)
    log_store.start()
    with ForwardClient("127.0.0.1", log_store.forward_port) as client:
        client.send("a", _entries(1))
    assert log_store.ids() == ["id-1"]
    assert "damaged" in log_store.log.read_text()
    wait_for(lambda: metric(log_store.probe_port, "sandbox_log_store_corruptions_total") == 1, what="it is counted")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the files of another process")
def test_a_full_disk_is_not_acknowledged(log_store: LogStore) -> None:
    """What does not fit on the disk must not be acknowledged, readiness must name it, and it must end when there is space."""
    log_store.start()
    assert log_store.process is not None
    with ForwardClient("127.0.0.1", log_store.forward_port) as client:
        client.send("a", _entries(1))
        # No file of the process may grow any further: what a full disk is to it.
        _, hard = resource.prlimit(log_store.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        with pytest.raises(OSError, match="closed"):
            client.send("a", _entries(*range(2, 300)))
        status, body = get(log_store.probe_port, "/readyz")
        assert status == 503
        assert "cannot store events" in body
        resource.prlimit(log_store.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        client.send("a", _entries(*range(2, 300)))
    assert len(log_store.ids()) == 299
    assert get(log_store.probe_port, "/readyz")[0] == 200
    assert "Traceback" not in log_store.log.read_text()


def test_old_events_go(tmp_path: Path, started: list[Service]) -> None:
    """Events past the retention must be deleted while it runs."""
    store = LogStore(tmp_path, **{Env.LOG_RETENTION_SECONDS: "3600"})
    started.append(store)
    store.start()
    with ForwardClient("127.0.0.1", store.forward_port) as client:
        client.send("a", [encode({"event.id": f"old-{number}"}, time.time() - 7200) for number in range(1200)])
        client.send("a", [encode({"event.id": "young"}, time.time() - 60)])
    assert store.stop() == 0
    store.start()  # it looks after its file at once, and every few seconds from then on
    wait_for(lambda: store.ids() == ["young"], what="old events are deleted")


def test_a_reader_does_not_stop_the_store(log_store: LogStore) -> None:
    """While a reader holds a snapshot open, events must be stored and acknowledged."""
    log_store.start()
    with ForwardClient("127.0.0.1", log_store.forward_port) as client:
        client.send("a", _entries(1))
        reader = sqlite3.connect(f"file:{log_store.path}?mode=ro", uri=True)
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM events").fetchone()
        client.send("a", _entries(2))
        reader.close()
    assert log_store.ids() == ["id-1", "id-2"]


def test_a_taken_port_is_named(log_store: LogStore, tmp_path: Path, started: list[Service]) -> None:
    """A log store whose port is taken must end with 1 and say so."""
    log_store.start()
    (tmp_path / "second").mkdir()
    second = LogStore(tmp_path / "second", **{Env.FORWARD_PORT: str(log_store.forward_port)})
    started.append(second)
    second.start(wait=False)
    assert second.process is not None
    assert second.process.wait(HANG_SECONDS) == 1
    assert "in use" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()
