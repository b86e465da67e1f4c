"""Fluentd's stand-in: what it acknowledged reaches Elasticsearch, whatever happens in between."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from elasticsearch import Elasticsearch

from support.event_processes import free_port, get, metric
from support.rig_images import RIG, ROOT
from support.standins import StandIn, elasticsearch, fluentd
from support.waiting import HANG_SECONDS, wait_for

TAG = "sandbox.prediction"
DAY = "sandbox-events-2026.01.02"
METRICS = (
    "buffer_total_bytes",
    "buffer_queue_length",
    "buffer_available_space_ratio",
    "retry_count",
    "num_errors",
    "retry_wait",
    "emit_records",
    "emit_count",
    "write_count",
)


@pytest.fixture
def forward_port() -> int:
    return free_port()


@pytest.fixture
def receiver(tmp_path: Path, node: StandIn, forward_port: int) -> Iterator[StandIn]:
    """Fluentd's stand-in before a running Elasticsearch."""
    standin = fluentd(tmp_path / "fluentd", elasticsearch_port=node.port, forward_port=forward_port).start()
    yield standin
    standin.stop()


def _record(name: str, **more: Any) -> dict[str, Any]:
    return {"@timestamp": "2026-01-02T10:00:00.000Z", "event.id": name, **more}


def _time() -> msgpack.ExtType:
    return msgpack.ExtType(0, (1767348000).to_bytes(4, "big") + bytes(4))


def _packed(*names: str) -> bytes:
    return b"".join(msgpack.packb([_time(), _record(name)]) for name in names)


def _send(port: int, message: list[Any]) -> Any:
    """Send one message and return the answer to it; None when the connection was closed instead."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS) as connection:
        connection.sendall(msgpack.packb(message))
        answer = connection.recv(4096)
    return msgpack.unpackb(answer) if answer else None


def _stored(client: Elasticsearch, count: int) -> set[str]:
    wait_for(lambda: client.count(index="sandbox-events-*")["count"] >= count, every=0.1, what=f"{count} events in Elasticsearch")
    return {hit["_id"] for hit in client.search(index=DAY, size=1000)["hits"]["hits"]}


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ([TAG, 1767348000, _record("one"), {"chunk": "c"}], {"one"}),
        ([TAG, [[_time(), _record("one")], [1767348000, _record("two")]], {"chunk": "c"}], {"one", "two"}),
        ([TAG, _packed("one", "two"), {"chunk": "c", "size": 2}], {"one", "two"}),
        ([TAG, gzip.compress(_packed("one")) + gzip.compress(_packed("two")), {"chunk": "c", "compressed": "gzip"}], {"one", "two"}),
    ],
    ids=["message", "forward", "packed", "compressed"],
)
def test_modes(receiver: StandIn, client: Elasticsearch, forward_port: int, message: list[Any], names: set[str]) -> None:
    """Each kind of message must be acknowledged, and its events stored by their ids in the index of their own day."""
    assert _send(forward_port, message) == {"ack": "c"}
    assert _stored(client, len(names)) == names


def test_kill_loses_nothing(tmp_path: Path, forward_port: int) -> None:
    """Killed while events arrive and Elasticsearch is away, it must deliver everything that it acknowledged."""
    node = elasticsearch(tmp_path / "elasticsearch")
    receiver = fluentd(tmp_path / "fluentd", elasticsearch_port=node.port, forward_port=forward_port).start()
    acknowledged = set()
    for number in range(60):
        if number in {20, 40}:
            receiver.kill()
            receiver.start()
        if _send(forward_port, [TAG, _packed(f"e{number}"), {"chunk": str(number)}]) == {"ack": str(number)}:
            acknowledged.add(f"e{number}")
    receiver.kill()
    node.start()
    receiver.start()

    with Elasticsearch(f"http://127.0.0.1:{node.port}") as client:
        assert len(acknowledged) == 60
        assert _stored(client, 60) == acknowledged
    wait_for(lambda: metric(receiver.port, "fluentd_output_status_buffer_total_bytes", plugin_id="events") == 0, what="empty")
    assert receiver.stop() == 0
    node.stop()


def test_refused_documents(receiver: StandIn, client: Elasticsearch, forward_port: int) -> None:
    """A document that Elasticsearch refuses must be kept as a dead letter with its reason, and hinder no other."""
    client.indices.create(index=DAY, mappings={"properties": {"count": {"type": "long"}}})
    entries = [[_time(), _record("bad", count="many")], [_time(), _record("good", count=1)]]
    _send(forward_port, [TAG, entries, {"chunk": "c"}])

    assert _stored(client, 1) == {"good"}
    dead = "sandbox-dead-letter-*"
    wait_for(lambda: client.count(index=dead)["count"] == 2, every=0.1, what="the dead letter and its reason")
    sources = [hit["_source"] for hit in client.search(index=dead)["hits"]["hits"]]
    assert any('"count": "many"' in source.get("sandbox.dead_letter.document", "") and source["event.id"] == "bad" for source in sources)
    assert any("document_parsing_exception" in source.get("message", "") for source in sources)


def test_full_buffer(tmp_path: Path, forward_port: int) -> None:
    """When the buffer is full, a message must be refused without an acknowledgement and without a trace."""
    receiver = fluentd(tmp_path, elasticsearch_port=free_port(), forward_port=forward_port, limit="1k").start()
    answers = [_send(forward_port, [TAG, _packed(f"e{number}"), {"chunk": "c"}]) for number in range(40)]

    assert answers[0] == {"ack": "c"}
    assert answers[-1] is None
    assert metric(receiver.port, "fluentd_output_status_buffer_total_bytes", plugin_id="events") <= 1024
    wait_for(lambda: metric(receiver.port, "fluentd_output_status_retry_count") > 0, what="an attempt that failed")
    receiver.stop()


def test_full_disk(tmp_path: Path, forward_port: int) -> None:
    """What does not fit on the disk must not be acknowledged, and must not spoil what was before and what comes after it."""
    node = elasticsearch(tmp_path / "elasticsearch")
    receiver = fluentd(tmp_path / "fluentd", elasticsearch_port=node.port, forward_port=forward_port).start()
    acknowledged = set()
    for size in (50_000, -1):
        receiver.limit_files(size)
        for number in range(4):
            name = f"e{size}.{number}"
            event = msgpack.packb([_time(), _record(name, text="x" * 20_000)])
            if _send(forward_port, [TAG, event, {"chunk": name}]) == {"ack": name}:
                acknowledged.add(name)
    assert len(acknowledged) == 2 + 4
    node.start()

    with Elasticsearch(f"http://127.0.0.1:{node.port}") as client:
        assert _stored(client, len(acknowledged)) == acknowledged
    assert receiver.stop() == 0
    node.stop()


def test_metrics(receiver: StandIn, client: Elasticsearch, forward_port: int) -> None:
    """The state of each output must be told in the words of fluent-plugin-prometheus; other pages must not exist."""
    _send(forward_port, [TAG, _packed("one", "two"), {"chunk": "c"}])
    _stored(client, 2)

    body = get(receiver.port, "/metrics")[1]
    assert [name for name in METRICS if f'fluentd_output_status_{name}{{plugin_id="events",type="elasticsearch"}}' not in body] == []
    assert metric(receiver.port, "fluentd_output_status_emit_records", plugin_id="events") == 2
    assert get(receiver.port, "/other")[0] == 404


def test_shipped_configuration() -> None:
    """The configuration that is shipped must be understood: its inputs, its outputs and their limits."""
    command = [sys.executable, "-m", "fluentd_standin", "-c", str(ROOT / "fluentd" / "fluent.conf"), "--dry-run"]
    ended = subprocess.run(
        command, env={"PYTHONPATH": str(RIG / "standins")}, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")
