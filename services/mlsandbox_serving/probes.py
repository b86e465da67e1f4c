"""/livez, /readyz and /metrics of the small processes around a model service (shipper, log store, drift)."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mlsandbox_serving.contract import Route
from mlsandbox_serving.hosts import is_named_here
from mlsandbox_serving.processes import Processes

Readiness = Callable[[], Mapping[str, Any]]
"""The body of /readyz; 200 when its "ready" is true, else 503."""

Reader = Callable[[bytes], None]
"""Takes the body of a POST; raises ValueError when it is not what is expected there."""

Page = Callable[[], tuple[str, bytes]]
"""Content type and body of what a GET is answered with; raises TimeoutError when it cannot be told for now."""

_POLL_SECONDS: Final = 0.5
_LONGEST_LENGTH: Final = 15
"""Digits of a body's length; a number of thousands of them Python does not even read."""


class ProbeServer:
    """Answers probes from a thread of its own, so that a busy process is still seen to live.

    Args:
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        readiness: see `Readiness`.
        registry: what /metrics shows, with what this process uses.
        posts: who takes what is posted to a path.
        pages: what else is shown, by its path.
        largest_post: bytes; more is refused unread.

    Raises:
        OSError: the port is taken or not ours.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        readiness: Readiness,
        registry: CollectorRegistry,
        posts: Mapping[str, Reader] | None = None,
        pages: Mapping[str, Page] | None = None,
        largest_post: int = 1024 * 1024,
    ) -> None:
        class Handler(_Handler):
            readers = posts or {}
            largest_body = largest_post

        self._handler = Handler
        self.show(readiness, registry, pages)
        self._server = _Server((host, port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="probes", daemon=True)

    def show(self, readiness: Readiness, registry: CollectorRegistry, pages: Mapping[str, Page] | None = None) -> None:
        """Answer with other ones from now on, also on connections that are open; see the class for what they are."""
        registry.register(Processes(lambda: (os.getpid(),)))
        self._handler.told = _Told(readiness, registry, pages or {})

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Told(NamedTuple):
    """What a GET is answered with."""

    readiness: Readiness
    registry: CollectorRegistry
    pages: Mapping[str, Page]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not wait for its answer is not worth a traceback."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    told: _Told
    readers: Mapping[str, Reader]
    largest_body: int

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        told = self.told
        if path == Route.LIVE:
            self._answer(HTTPStatus.OK, "application/json", b'{"live": true}')
        elif path == Route.READY:
            body = told.readiness()
            status = HTTPStatus.OK if body.get("ready") else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, "application/json", json.dumps(body).encode())
        elif path == Route.METRICS:
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(told.registry))
        elif path in told.pages and not is_named_here(self.headers.get("Host", "")):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
        elif path in told.pages:
            try:
                content_type, page = told.pages[path]()
            except TimeoutError:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            else:
                self._answer(HTTPStatus.OK, content_type, page)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        reader = self.readers.get(self.path.partition("?")[0])
        length = self.headers.get("Content-Length", "")
        if reader is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif self.headers.get_content_type() != "application/json":  # what a page of another site cannot send without asking first
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif len(length) > _LONGEST_LENGTH or int(length) > self.largest_body:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            try:
                reader(self.rfile.read(int(length)))
            except ValueError:
                self._refuse(HTTPStatus.BAD_REQUEST)
            else:
                self._answer(HTTPStatus.OK, "application/json", b"{}")

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True  # a body may lie unread on it
        self._answer(status, "application/json", json.dumps({"error": {"code": status.name}}).encode())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Probes come every second; they are not worth a line."""
