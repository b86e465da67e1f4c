"""Metrics with the names and labels of fluent-plugin-prometheus, and the list of plugins that monitor_agent gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fluentd_standin.output import Output

_KINDS = {
    "buffer_total_bytes": "gauge",
    "buffer_stage_length": "gauge",
    "buffer_stage_byte_size": "gauge",
    "buffer_queue_length": "gauge",
    "buffer_queue_byte_size": "gauge",
    "buffer_available_space_ratio": "gauge",
    "retry_count": "counter",
    "num_errors": "counter",
    "emit_count": "counter",
    "emit_records": "counter",
    "write_count": "counter",
    "rollback_count": "gauge",
    "flush_time_count": "counter",
    "slow_flush_count": "counter",
    "retry_wait": "gauge",
}


def _values(output: Output) -> dict[str, float]:
    buffer, counts = output.buffer, output.counts
    queued, staged = buffer.queued_bytes, buffer.staged_bytes
    return {
        "buffer_total_bytes": queued + staged,
        "buffer_stage_length": 1 if staged else 0,
        "buffer_stage_byte_size": staged,
        "buffer_queue_length": len(buffer.queue),
        "buffer_queue_byte_size": queued,
        "buffer_available_space_ratio": round(100 * (1 - (queued + staged) / buffer.total_limit), 1),
        "retry_count": counts.num_errors,  # the plugin's counter never falls; it counts all that failed
        "num_errors": counts.num_errors,
        "emit_count": counts.emit_count,
        "emit_records": counts.emit_records,
        "write_count": counts.write_count,
        "rollback_count": counts.rollback_count,
        "flush_time_count": counts.flush_time_count,
        "slow_flush_count": 0,
        "retry_wait": counts.retry_wait,
    }


def exposition(outputs: Iterable[Output], received: int) -> str:
    """The text that Prometheus reads."""
    values = {output.settings.plugin_id: _values(output) for output in outputs}
    lines = []
    for name, kind in _KINDS.items():
        full = f"fluentd_output_status_{name}"
        lines += [f"# TYPE {full} {kind}", f"# HELP {full} As of the stand-in."]
        lines += [f'{full}{{plugin_id="{plugin}",type="elasticsearch"}} {float(of[name])}' for plugin, of in values.items()]
    lines += ["# TYPE fluentd_standin_records_total counter", "# HELP fluentd_standin_records_total Records received."]
    return "\n".join([*lines, f"fluentd_standin_records_total {float(received)}", ""])


def plugins(outputs: Iterable[Output]) -> str:
    """The answer to /api/plugins.json."""
    listed = []
    for output in outputs:
        values = _values(output)
        listed.append(
            {
                "plugin_id": output.settings.plugin_id,
                "plugin_category": "output",
                "type": "elasticsearch",
                "output_plugin": True,
                "buffer_queue_length": values["buffer_queue_length"],
                "buffer_total_queued_size": values["buffer_total_bytes"],
                "retry_count": values["num_errors"],
                "emit_records": values["emit_records"],
            }
        )
    return json.dumps({"plugins": listed})


def serve(address: tuple[str, int], pages: dict[str, Callable[[], str]]) -> ThreadingHTTPServer:
    """A server of some pages; anything else is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            content = (page() if page else "not found").encode()
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "application/json" if self.path.startswith("/api/") else "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
            """Say nothing of each scrape."""

    server = ThreadingHTTPServer(address, Handler)
    server.daemon_threads = True
    return server
