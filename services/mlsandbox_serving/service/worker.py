"""Put the pieces of one worker together."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from mlsandbox_serving import metrics
from mlsandbox_serving.contract import Env
from mlsandbox_serving.service import front, protocol
from mlsandbox_serving.service.access import Access
from mlsandbox_serving.service.app import App
from mlsandbox_serving.service.exchange import AsgiApp
from mlsandbox_serving.service.express import taking
from mlsandbox_serving.service.measures import Measures
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.service.runtime import Runtime
from mlsandbox_serving.service.settings import Settings
from mlsandbox_serving.service.surroundings import Spool
from mlsandbox_serving.spool.writer import SpoolWriter

_log = logging.getLogger(__name__)
_CONNECTIONS_PER_REQUEST = 4
_SPARE_CONNECTIONS = 100
"""Clients keep connections open that ask nothing just now; more than this is no client."""


def make_app(inner: AsgiApp | None, *, root: Path, model_folder: Callable[[], Path], worker: str, environ: Mapping[str, str]) -> AsgiApp:
    """The application of one worker process.

    Args:
        inner: BentoML's application.
        root: folder of `service.py`, with the package beside it.
        model_folder: where the model's files are.
        worker: tells this worker's events from those of the others.
        environ: the process's environment.

    Raises:
        SettingInvalid, OSError, ValueError: the environment or the package cannot be used.
        FrontImpossible: it cannot answer where it is to be asked.
    """
    _log_to_stderr()
    front.install(environ)  # first: who comes there is told as well that nothing else could be done
    settings = Settings.read(environ)
    access = Access.read(settings.api_keys_file)
    package = Package.read(root)
    shared = _shared_metrics(settings, environ)
    registry = CollectorRegistry()
    runtime = Runtime(
        package,
        settings,
        model_folder=model_folder,
        spool=_spool(settings, worker),
        measures=Measures(
            package.identity,
            str(package.manifest["load"]["kind"]),
            registry if shared is None else None,
            limit=settings.requests_per_worker,
        ),
        workers=shared,
    )
    app = App(inner, runtime, shared.render if shared is not None else lambda: generate_latest(registry), access)
    connections = _CONNECTIONS_PER_REQUEST * settings.requests_per_worker + _SPARE_CONNECTIONS
    protocol.install(settings.timeout, connections=connections, told=app.refused_unread, over_httptools=taking(app))
    return app


def _shared_metrics(settings: Settings, environ: Mapping[str, str]) -> metrics.WorkerMetrics | None:
    """This worker's part of the workers' folder; None where prometheus_client keeps metrics in the process."""
    if not metrics.is_shared():
        return None
    folder = settings.metrics or Path(environ.get(metrics.ENVIRONMENT) or tempfile.mkdtemp(prefix="sandbox-metrics-"))
    metrics.share(folder)
    generation = f"{settings.stack_id}:{environ.get(Env.ARBITER_PID) or os.getppid()}"
    return metrics.WorkerMetrics(folder, generation=generation)


def _spool(settings: Settings, worker: str) -> Spool | None:
    if settings.spool is None:
        _log.warning("%s is not set: no events are kept", Env.SPOOL_DIR)
        return None
    return SpoolWriter(settings.spool, max_bytes=settings.spool_bytes, worker=worker)


def _log_to_stderr() -> None:
    """Our own lines on the process's output, which the engine keeps; BentoML configures only its own loggers."""
    logger = logging.getLogger("mlsandbox_serving")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
