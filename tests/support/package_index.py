"""A package index with a password on loopback, which has the distributions of one folder."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PASSWORD = "pass-7f3a9c"  # noqa: S105 - its absence is what is tested
USER = "robot-user"


@dataclass
class Index:
    """A running index."""

    port: int
    served: list[str] = field(default_factory=list)
    """Names of the distributions that were given out."""

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}/simple"


@contextmanager
def package_index(folder: Path) -> Iterator[Index]:
    """The index, as long as the block runs."""
    index = Index(0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder, index))
    index.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(folder: Path, index: Index) -> type[BaseHTTPRequestHandler]:
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                self._answer(401, b"", ("WWW-Authenticate", 'Basic realm="test"'))
                return
            kind, _, name = self.path.strip("/").partition("/")
            if kind == "files" and (folder / name).is_file():
                index.served += [name] if self.command == "GET" else []
                self._answer(200, (folder / name).read_bytes(), ("Content-Type", "application/octet-stream"))
            elif kind == "simple":
                found = [file.name for file in folder.iterdir() if file.name.split("-")[0].replace("_", "-").lower() == name]
                links = "".join(f'<a href="/files/{file}">{file}</a>' for file in found)
                self._answer(200 if found else 404, links.encode(), ("Content-Type", "text/html"))
            else:
                self._answer(404, b"", ("Content-Type", "text/html"))

        def do_HEAD(self) -> None:
            self.do_GET()

        def _answer(self, status: int, body: bytes, header: tuple[str, str]) -> None:
            self.send_response(status)
            self.send_header(*header)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nothing on the screen."""

    return Handler
