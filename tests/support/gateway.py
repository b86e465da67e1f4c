"""HAProxy as a stack's gateway, run as a process on the configuration that is rendered for a container."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mlsandbox.render.config import FOLDER, config_files
from mlsandbox.render.containers import CONFIG, ContainerResolver
from mlsandbox.stack.components import gateway
from mlsandbox.stack.spec import StackSpec
from support.waiting import wait_for


@dataclass
class Seen:
    """A request as a model service got it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    """Of the service: counted from 1."""


@dataclass
class Model:
    """A model service that keeps connections open and remembers what it was asked."""

    port: int
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    def header(self, name: str) -> str | None:
        """Of the last request."""
        return next((value for each, value in self.seen[-1].headers if each.lower() == name.lower()), None)


@contextmanager
def model_service(port: int) -> Iterator[Model]:
    """It answers in HTTP/1.1; /die ends the connection instead, and what it was asked is remembered all the same."""
    model = Model(port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            model.connections += 1
            self.number = model.connections

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            model.seen.append(Seen(self.command, self.path, self.headers.items(), body, self.number))
            if self.path == "/die":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the base class names it so

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_configuration(spec: StackSpec, folder: Path) -> tuple[str, ...]:
    """Write the gateway's configuration for this machine's loopback, in place of a container; the program's arguments."""
    service = spec.service(gateway.NAME)
    hosts = {each.name: "127.0.0.1" for each in spec.services}
    files = config_files(
        StackSpec(spec.project, spec.host, (service,)),
        lambda each, value: ContainerResolver(spec, each, hosts=hosts).text(value),
        root=folder,
        packages={},
    )
    for file in files:
        path = folder / Path(file.path).relative_to(f"{FOLDER}/{gateway.NAME}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text.replace(CONFIG, str(folder)).replace("0.0.0.0", "127.0.0.1"))  # noqa: S104 - it is taken out
    return tuple(ContainerResolver(spec, service).text(each).replace(CONFIG, str(folder)) for each in service.args[1:])


@contextmanager
def running_gateway(program: Path, arguments: tuple[str, ...], environment: dict[str, str], port: int) -> Iterator[None]:
    """HAProxy, until it is not needed any more.

    Args:
        program: haproxy.
        arguments: of `write_configuration`.
        environment: of the gateway's service.
        port: of a front.
    """
    process = subprocess.Popen([program, *arguments], env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port), what="the gateway listens")
        yield
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
