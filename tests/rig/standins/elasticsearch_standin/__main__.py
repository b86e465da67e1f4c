"""`python -m elasticsearch_standin [--data FOLDER] [--host HOST] [--port PORT]`."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from elasticsearch_standin.api import Api
from elasticsearch_standin.failures import Refusal

_MOST_BYTES = 100 * 1024 * 1024  # http.max_content_length
_VENDORED = re.compile(r"application/vnd\.elasticsearch\+(?P<kind>json|x-ndjson)\s*;\s*compatible-with=(?P<version>\d+)")
_PLAIN = re.compile(r"(application/(json|x-ndjson)|\*/\*)")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    api: Api

    def _serve(self) -> None:
        try:
            status, body = self._answer()
        except Refusal as refusal:
            error = refusal.body()
            status, body = refusal.status, {"error": {"root_cause": [error], **error}, "status": refusal.status}
        except Exception as error:  # noqa: BLE001  # a fault of the stand-in: answered as one, and seen in its log
            self.log_error("%r", error)
            status, body = 500, {"error": {"type": "standin_fault", "reason": repr(error)}, "status": 500}
        text = body if isinstance(body, str) else json.dumps(body)
        content = text.encode(errors="surrogatepass")
        self.send_response(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", self._content_type(plain=isinstance(body, str)))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815  # names that http.server looks up

    def _answer(self) -> tuple[int, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MOST_BYTES:
            self.close_connection = True
            raise Refusal(413, "content_too_long_exception", "entity content is too long")
        raw = self.rfile.read(length)
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        self._check_media_types(has_body=bool(raw))
        address = urlsplit(self.path)
        return self.api.answer(self.command, address.path, dict(parse_qsl(address.query, keep_blank_values=True)), raw)

    def _check_media_types(self, *, has_body: bool) -> None:
        for name in ("Accept", *(("Content-Type",) if has_body else ())):
            value = self.headers.get(name, "" if name == "Content-Type" else "*/*")
            vendored = _VENDORED.match(value)
            if vendored and vendored["version"] not in {"7", "8"}:
                reason = f"Invalid media-type value on headers [{name}]: version must be 8 or 7, but found {vendored['version']}"
                raise Refusal(400, "media_type_header_exception", reason)
            if not vendored and not _PLAIN.match(value) and not (name == "Accept" and value.startswith("text/")):
                raise Refusal(406, "media_type_header_exception", f"{name} header [{value}] is not supported")

    def _content_type(self, *, plain: bool) -> str:
        accepted = _VENDORED.match(self.headers.get("Accept", "")) if hasattr(self, "headers") else None
        if plain:
            return "text/plain; charset=UTF-8"
        return f"application/vnd.elasticsearch+json;compatible-with={accepted['version']}" if accepted else "application/json"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
        if not str(args[1]).startswith("2"):
            self.log_error(format, *args)

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002
        _say(format % args)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _say(text: str) -> None:
    sys.stderr.write(f"[elasticsearch stand-in] {text}\n")


def _file_settings() -> dict[str, str]:
    """The settings of `elasticsearch.yml`, where the image is given one; values that are lists or objects are not used here."""
    file = Path(os.environ.get("ES_PATH_CONF", "config"), "elasticsearch.yml")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    pairs = (line.split(":", 1) for line in lines if ": " in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}


def main() -> int:
    settings = {**_file_settings(), **os.environ}  # the official image takes its settings as variables: `discovery.type`, `http.port`, …
    parser = argparse.ArgumentParser(prog="elasticsearch_standin")
    parser.add_argument("--data", default=settings.get("path.data", "data"))
    parser.add_argument("--host", default=settings.get("http.host", settings.get("network.host", "0.0.0.0")))  # noqa: S104  # the official image's default, in a container
    parser.add_argument("--port", type=int, default=int(settings.get("http.port", "9200")))
    given = parser.parse_args()
    folder = Path(given.data)
    folder.mkdir(parents=True, exist_ok=True)
    Handler.api = Api(folder, settings.get("cluster.name", "docker-cluster"))
    server = Server(("0.0.0.0" if given.host == "_site_" else given.host, given.port), Handler)  # noqa: S104  # as asked for
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    _say(f"a test double, not Elasticsearch; port {given.port}, data {folder}")
    server.serve_forever(poll_interval=0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
