"""`python -m fluentd_standin -c FILE`: as `fluentd -c FILE`; `--dry-run` only reads the file."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from fluentd_standin import monitor
from fluentd_standin.buffer import Event
from fluentd_standin.conf import ConfError
from fluentd_standin.forward import Events, ForwardServer
from fluentd_standin.output import Output, Rejected
from fluentd_standin.settings import Settings, load


def main() -> int:
    parser = argparse.ArgumentParser(prog="fluentd")
    parser.add_argument("-c", "--config", type=Path, required=True)
    parser.add_argument("-p", "--plugin", action="append", default=[])
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("-v", "-q", action="count")
    given = parser.parse_args()
    try:
        settings = load(given.config)
    except (ConfError, KeyError, OSError) as error:
        sys.stderr.write(f"[fluentd stand-in] config error file={given.config} error={error!r}\n")
        return 1
    if given.dry_run:
        return 0
    return run(settings)


def run(settings: Settings) -> int:
    """Serve until the signal to end."""
    rejected = Output(settings.rejected, None) if settings.rejected else None
    events = Output(settings.events, _dead_letter(rejected) if rejected else None)
    outputs = [events, *([rejected] if rejected else [])]

    def store(tag: str, received: Events) -> None:
        events.emit([Event(tag, moment, record) for moment, record in received])

    forward = ForwardServer(settings.forward, store)
    pages = {settings.metrics_path: lambda: monitor.exposition(outputs, events.counts.emit_records)}
    servers = [monitor.serve(settings.metrics, pages)]
    if settings.monitor:
        servers.append(monitor.serve(settings.monitor, {"/api/plugins.json": lambda: monitor.plugins(outputs)}))
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for output in outputs:
        output.start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=forward.shutdown).start())
    signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=forward.shutdown).start())
    sys.stderr.write(f"[fluentd stand-in] a test double, not Fluentd; forward {settings.forward}, metrics {settings.metrics}\n")
    forward.serve_forever(0.05)
    for output in outputs:
        output.end()
    return 0


def _dead_letter(output: Output) -> Rejected:
    """Keeps what was refused as text that cannot be refused again, and why beside it: two documents, as `fluent.conf` makes them."""

    def keep(event: Event, reason: str) -> None:
        shared = {"event.kind": "pipeline_error", "sandbox.dead_letter.tag": event.tag}
        moment = datetime.fromtimestamp(event.time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        document = json.dumps(event.record, ensure_ascii=False)
        refused = {
            **shared,
            "@timestamp": moment,
            "event.dataset": "sandbox.dead_letter",
            "sandbox.dead_letter.time": moment,
            "sandbox.dead_letter.document": document,
        }
        if isinstance(event.record.get("event.id"), str):
            refused["event.id"] = event.record["event.id"]
        now = datetime.now(UTC)
        message = f'send an error event to @ERROR: tag="{event.tag}" error="400 - Rejected by Elasticsearch {reason}"'
        why = {
            "@timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
            **shared,
            "event.dataset": "sandbox.dead_letter_reason",
            "message": message,
        }
        output.emit([Event(event.tag, event.time, refused), Event("fluent.warn", now.timestamp(), why)])

    return keep


if __name__ == "__main__":
    sys.exit(main())
