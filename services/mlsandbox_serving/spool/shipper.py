"""The shipper: a process of its own that delivers a model's events to every sink and deletes what all of them acknowledged.

`python -m mlsandbox_serving.spool.shipper`, told what to do by the environment (see `contract.Env`). Killed at any instant it loses
nothing: the next one goes on from the cursors, and a sink recognises a second delivery by the event's id.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from mlsandbox_serving.alerts import LARGEST_BODY, log_alerts
from mlsandbox_serving.contract import Env, Metrics, NotReady, Route
from mlsandbox_serving.lifetime import end_with_parent
from mlsandbox_serving.metrics import counter, gauge
from mlsandbox_serving.packaged import served_version
from mlsandbox_serving.priority import give_way
from mlsandbox_serving.probes import ProbeServer
from mlsandbox_serving.spool import bounds, cursor, segment
from mlsandbox_serving.spool.sink import Report, Sink, Target, parse_targets

_log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 5.0
"""How long a stop may take while sinks still take events."""
_HOUSEKEEPING_SECONDS: Final = 1.0
_LEFTOVER_SECONDS: Final = 60.0
_DAMAGED: Final = "damaged"
_DEFAULT_SPOOL_BYTES: Final = 10**9


class Shipper:
    """Sinks, deletion, bounds and metrics of one spool.

    Args:
        folder: the spool; made when it is absent.
        targets: the sinks; without any, nothing is delivered or deleted but by the bounds.
        model: name of the model, for the tag and the labels.
        version: version of the model, for the labels.
        max_bytes: bound of the spool.
        max_age: seconds after which closed segments are dropped; None keeps them.
    """

    def __init__(
        self,
        folder: Path,
        targets: Sequence[Target],
        *,
        model: str,
        version: str = "",
        max_bytes: int = _DEFAULT_SPOOL_BYTES,
        max_age: float | None = None,
    ) -> None:
        self.registry = CollectorRegistry()
        self._folder = folder
        self._model = model
        self._version = version
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._shipped = counter(Metrics.EVENTS_SHIPPED, self.registry)
        self._failed = counter(Metrics.SHIP_FAILURES, self.registry)
        self._dropped = counter(Metrics.EVENTS_DROPPED, self.registry)
        self._spool_bytes = gauge(Metrics.SPOOL_BYTES, self.registry).labels(model)
        self._pending = gauge(Metrics.SPOOL_PENDING_BYTES, self.registry)
        self._damage_seen: set[tuple[str, int]] = set()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        segment.remove_leftovers(folder, older_than=_LEFTOVER_SECONDS)
        cursor.forget_others(folder, [target.name for target in targets])
        report = Report(shipped=self._on_shipped, failed=self._on_failed, damaged=self._on_damaged)
        self._sinks = [Sink(target, folder=folder, tag=f"sandbox.{model}", report=report) for target in targets]
        for target in targets:
            self._shipped.labels(model, target.name)
            self._failed.labels(model, target.name)
        for reason in (bounds.SPOOL_FULL, bounds.TOO_OLD, _DAMAGED):  # a counter that begins at 0 shows its first step as one
            self._dropped.labels(model, version, reason)

    def run(self, stop: threading.Event, *, grace: float = DRAIN_SECONDS) -> None:
        """Deliver until `stop` is set, then deliver what is there for at most `grace` seconds."""
        for sink in self._sinks:
            sink.start()
        while not stop.wait(_HOUSEKEEPING_SECONDS):
            self._keep_house()
        deadline = time.monotonic() + grace
        for sink in self._sinks:
            sink.drain()
        for sink in self._sinks:
            sink.join(max(deadline - time.monotonic(), 0))
        self._keep_house()

    def status(self) -> dict[str, Any]:
        """State of each sink, for /readyz."""
        return {"sinks": {sink.target.name: sink.status() for sink in self._sinks}}

    def count_dropped(self, reason: str, count: int) -> None:
        """Events are lost."""
        self._dropped.labels(self._model, self._version, reason).inc(count)

    def _keep_house(self) -> None:
        try:
            self._delete_delivered()
            lost = bounds.enforce(
                self._folder,
                max_bytes=self._max_bytes,
                max_age=self._max_age,
                segment_bytes=bounds.segment_bytes_for(self._max_bytes),
                # As much is kept free as a writer takes next, so that writers rarely have to drop anything themselves.
                reserve=bounds.segment_bytes_for(self._max_bytes),
            )
            for reason, count in lost.items():
                _log.error("dropped %d events (%s): the spool holds no more than %d bytes", count, reason, self._max_bytes)
                self.count_dropped(reason, count)
            self._spool_bytes.set(sum(found.size for found in segment.segments(self._folder)))
            for sink in self._sinks:
                self._pending.labels(self._model, sink.target.name).set(sink.pending_bytes())
        except OSError:
            _log.exception("cannot look after %s", self._folder)

    def _delete_delivered(self) -> None:
        if not self._sinks:
            return
        for found in segment.segments(self._folder):
            if all(sink.position(found.name) >= found.size for sink in self._sinks):
                self._delete(found.name)

    def _delete(self, name: str) -> None:
        path = self._folder / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            # In this order: closed, so the size is final, so everything is acknowledged.
            if segment.is_closed(descriptor) and all(sink.position(name) >= os.fstat(descriptor).st_size for sink in self._sinks):
                path.unlink(missing_ok=True)
                self._damage_seen = {seen for seen in self._damage_seen if seen[0] != name}
        finally:
            os.close(descriptor)

    def _on_shipped(self, sink: str, events: int) -> None:
        self._shipped.labels(self._model, sink).inc(events)

    def _on_failed(self, sink: str) -> None:
        self._failed.labels(self._model, sink).inc()

    def _on_damaged(self, name: str, position: int) -> None:
        """Each sink meets the same damage; it is counted once, as one event, since how many it held cannot be known."""
        if (name, position) not in self._damage_seen:
            self._damage_seen.add((name, position))
            self.count_dropped(_DAMAGED, 1)


def main(environ: Mapping[str, str]) -> int:
    """Run until SIGTERM; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    give_way()
    end_with_parent()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        age = environ.get(Env.LOG_RETENTION_SECONDS)
        shipper = Shipper(
            Path(environ[Env.SPOOL_DIR]),
            parse_targets(environ.get(Env.SINKS, "")),
            model=environ[Env.MODEL],
            version=served_version(environ),
            max_bytes=int(environ.get(Env.SPOOL_BYTES, _DEFAULT_SPOOL_BYTES)),
            max_age=float(age) if age else None,
        )
        probes = ProbeServer(
            environ.get(Env.LISTEN_HOST, "127.0.0.1"),
            int(environ[Env.SHIPPER_PORT]),
            readiness=lambda: {
                "ready": not stop.is_set(),
                "stack_id": environ.get(Env.STACK_ID, ""),
                "model": environ[Env.MODEL],
                "code": NotReady.STOPPING if stop.is_set() else None,
                "reason": "delivering what is left" if stop.is_set() else None,
                "final": False,
                "details": shipper.status(),
            },
            registry=shipper.registry,
            posts={Route.ALERTS: log_alerts},
            largest_post=LARGEST_BODY,
        )
    except (KeyError, ValueError, OSError) as error:
        _log.error("cannot start: %s: %s", type(error).__name__, error)
        return 1
    probes.start()
    shipper.run(stop)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(os.environ))
