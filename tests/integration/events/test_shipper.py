"""The shipper as a process: every sink gets every event, and a dead one is nobody else's problem."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsandbox_serving.contract import Env
from mlsandbox_serving.spool import segment
from mlsandbox_serving.spool.writer import SpoolWriter
from support.event_processes import STACK_ID, LogStore, ShipperProcess, free_port, get, metric, ready_body
from support.waiting import HANG_SECONDS, wait_for

MakeShipper = Callable[..., ShipperProcess]


def _writer(shipper: ShipperProcess, name: str = "1", **sizes: int) -> SpoolWriter:
    return SpoolWriter(shipper.spool, max_bytes=50_000_000, worker=name, **sizes)


def _append(writer: SpoolWriter, *numbers: int) -> list[str]:
    """Append one event for each number; their ids."""
    for number in numbers:
        writer.append({"event.id": f"id-{number}", "text": "x" * 200}, time.time())
    return [f"id-{number}" for number in numbers]


def test_events_arrive_at_once_and_are_deleted_when_delivered(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """What is written must be in the store while the writer goes on, and its segments must go once the writer left them."""
    log_store.start()
    shipper = make_shipper({"log-store": log_store.forward_port})
    shipper.start()
    writer = _writer(shipper, segment_bytes=2000)
    ids = _append(writer, *range(100))
    wait_for(lambda: log_store.ids() == ids, what="all events are stored")
    wait_for(lambda: len(segment.segments(shipper.spool)) == 1, what="all segments but the writer's are deleted")
    ids += _append(writer, 100)
    wait_for(lambda: log_store.ids() == ids, what="the late event is stored")
    writer.close()
    wait_for(lambda: not segment.segments(shipper.spool), what="the last segment is deleted")


def test_probes_tell_the_state(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """The probes must name our stack, and the metrics what was shipped and what is pending."""
    log_store.start()
    shipper = make_shipper({"log-store": log_store.forward_port, "drift": free_port()})
    shipper.start()
    body = ready_body(shipper.probe_port)
    assert body is not None
    assert body["stack_id"] == STACK_ID
    assert set(body["details"]["sinks"]) == {"log-store", "drift"}
    assert get(shipper.probe_port, "/livez")[0] == 200
    assert get(shipper.probe_port, "/nothing")[0] == 404
    _append(_writer(shipper), *range(10))

    def told() -> bool:
        return (
            metric(shipper.probe_port, "sandbox_events_shipped_total", sink="log-store", model="churn") == 10
            and metric(shipper.probe_port, "sandbox_spool_pending_bytes", sink="drift") > 2000
            and metric(shipper.probe_port, "sandbox_event_ship_failures_total", sink="drift") > 0
        )

    wait_for(told, what="metrics tell of ten events")
    assert metric(shipper.probe_port, "sandbox_spool_pending_bytes", sink="log-store") == 0
    assert metric(shipper.probe_port, "sandbox_event_ship_failures_total", sink="log-store") == 0
    assert metric(shipper.probe_port, "sandbox_spool_bytes") > 2000


def test_a_dead_or_hanging_sink_delays_no_other(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """With one sink absent and one that never acknowledges, the third must get everything; the absent one too, once it is there."""
    log_store.start()
    late = LogStore(log_store.path.parent.parent / "late")
    late.log.parent.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        shipper = make_shipper({"dead": late.forward_port, "hanging": hanging.getsockname()[1], "log-store": log_store.forward_port})
        shipper.start()
        writer = _writer(shipper, segment_bytes=2000)
        ids = _append(writer, *range(50))
        writer.close()
        wait_for(lambda: log_store.ids() == ids, what="the living sink has all events")
        late.start()
        try:
            wait_for(lambda: late.ids() == ids, what="the sink that was dead has all events")
        finally:
            late.kill()
        assert len(segment.segments(shipper.spool)) > 1  # the hanging sink has none of them


def test_segments_of_dead_workers_are_delivered(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """What several workers wrote before they died must be delivered, torn ends skipped, and deleted."""
    shipper = make_shipper({"log-store": log_store.forward_port})
    ids = [*_append(_writer(shipper, "1"), 1, 2), *_append(_writer(shipper, "2"), 3)]
    for found in segment.segments(shipper.spool):
        with (shipper.spool / found.name).open("ab") as file:
            file.write(segment.frame(b"torn")[:-1])
    log_store.start()
    shipper.start()
    wait_for(lambda: log_store.ids() == ids, what="all events are stored")
    wait_for(lambda: not segment.segments(shipper.spool), what="the segments are deleted")
    assert metric(shipper.probe_port, "sandbox_events_dropped_total") == 0


def test_a_damaged_event_is_counted_and_the_others_arrive(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """Damage inside of a segment must cost the damaged event alone, and be counted once though two sinks meet it."""
    shipper = make_shipper({"log-store": log_store.forward_port, "drift": log_store.forward_port})
    writer = _writer(shipper)
    _append(writer, 1, 2, 3)
    writer.close()
    path = shipper.spool / segment.segments(shipper.spool)[0].name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    log_store.start()
    shipper.start()
    wait_for(lambda: not segment.segments(shipper.spool), what="the segment is deleted")
    assert log_store.ids() == ["id-1", "id-3"]
    assert metric(shipper.probe_port, "sandbox_events_dropped_total", reason="damaged") == 1


def test_the_spool_is_bounded_while_no_sink_takes_events(make_shipper: MakeShipper) -> None:
    """With every sink dead the shipper must drop the oldest segments past the bound, and count their events."""
    shipper = make_shipper({"dead": free_port()}, **{Env.SPOOL_BYTES: "20000"})
    shipper.start()
    writer = SpoolWriter(shipper.spool, max_bytes=10**9, worker="1", segment_bytes=2000)
    _append(writer, *range(500))
    wait_for(lambda: sum(found.size for found in segment.segments(shipper.spool)) <= 20_000, what="the spool is within its bound")

    def lost() -> int:
        return 500 - sum(segment.count_frames(shipper.spool / found.name) for found in segment.segments(shipper.spool))

    wait_for(lambda: metric(shipper.probe_port, "sandbox_events_dropped_total", reason="spool_full") == lost() > 0, what="each is counted")


def test_sigterm_delivers_what_is_there(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """At SIGTERM what was written must still be delivered, then the shipper must end with 0."""
    log_store.start()
    shipper = make_shipper({"log-store": log_store.forward_port, "dead": free_port()})
    shipper.start()
    ids = _append(_writer(shipper), *range(2000))
    assert shipper.stop() == 0
    assert log_store.ids() == ids


def test_a_restart_goes_on_where_it_was(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """After a restart only what was not acknowledged must be sent."""
    log_store.start()
    shipper = make_shipper({"log-store": log_store.forward_port})
    shipper.start()
    writer = _writer(shipper)
    _append(writer, 1, 2)
    assert shipper.stop() == 0
    ids = ["id-1", "id-2", *_append(writer, 3)]
    shipper.start()
    wait_for(lambda: log_store.ids() == ids, what="the third event is stored")
    assert metric(log_store.probe_port, "sandbox_log_store_events_total", result="duplicate") == 0


def test_an_unreadable_cursor_costs_a_second_delivery_alone(log_store: LogStore, make_shipper: MakeShipper) -> None:
    """A damaged cursor must neither stop the shipper nor double an event in the store."""
    log_store.start()
    shipper = make_shipper({"log-store": log_store.forward_port})
    writer = _writer(shipper)
    ids = _append(writer, 1, 2)
    shipper.start()
    wait_for(lambda: log_store.ids() == ids, what="the events are stored")
    shipper.kill()
    (shipper.spool / "cursors" / "log-store.json").write_text("{")
    shipper.start()
    wait_for(lambda: metric(log_store.probe_port, "sandbox_log_store_events_total", result="duplicate") == 2, what="a second delivery")
    assert log_store.ids() == ids


@pytest.mark.parametrize(
    "env", [{Env.SINKS: "nonsense"}, {Env.SHIPPER_PORT: "none"}, {Env.SPOOL_DIR: "/dev/null/spool"}], ids=["sinks", "port", "folder"]
)
def test_a_wrong_setting_is_named(make_shipper: MakeShipper, env: dict[str, str]) -> None:
    """A shipper that cannot start must end with 1 and say why in its log."""
    shipper = make_shipper({}, **env)
    shipper.start(wait=False)
    assert shipper.process is not None
    assert shipper.process.wait(HANG_SECONDS) == 1
    assert "cannot start" in shipper.log.read_text()
    assert "Traceback" not in shipper.log.read_text()


def test_a_forked_child_writes_segments_of_its_own(tmp_path: Path) -> None:
    """A fork must neither share a segment with its parent nor keep the parent's segment open."""
    writer = SpoolWriter(tmp_path, max_bytes=10**6, worker="1")
    writer.append({"n": 1}, 1.0)
    wake, hold = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hold)
        writer.append({"n": 2}, 1.0)
        os.read(wake, 1)
        os._exit(0)
    try:
        wait_for(lambda: len(segment.segments(tmp_path)) == 2, what="the child's segment")
        writer.close()
        with (tmp_path / segment.segments(tmp_path)[0].name).open("rb") as file:
            assert segment.is_closed(file.fileno())
    finally:
        os.close(hold)
        os.waitpid(child, 0)
