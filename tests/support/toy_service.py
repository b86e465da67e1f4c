"""A small real service whose behaviour its environment decides; run by path, standard library only.

TOY            ready | refuse | crash | never | deaf (ignores SIGTERM) | quit (exit code 0)
TOY_PORT       where it answers GET with {"stack_id": …}
TOY_HOST       the address that it binds, 127.0.0.1 without it
TOY_PADDING    characters by which a refusal is longer
TOY_JOURNAL    a file that gets "<service> began" and "<service> ended"
TOY_WORKER     1: a grandchild in a session of its own serves the port, as BentoML's workers do
TOY_MEMORY     bytes to use

With SANDBOX_FRONT and SANDBOX_FRONT_SOCKET it answers at its front as well, as it is told: `mlsandbox_serving.front_names.Handover`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODE = os.environ.get("TOY", "ready")


class Handler(BaseHTTPRequestHandler):
    """Answers every GET as /readyz would."""

    def do_GET(self) -> None:
        body = {"stack_id": os.environ["SANDBOX_STACK_ID"], "ready": MODE in {"ready", "deaf"}, "pid": os.getpid()}
        body["service"] = os.environ["SANDBOX_SERVICE"]
        if MODE == "refuse":
            body |= {"padding": "x" * int(os.environ.get("TOY_PADDING", "0")), "final": True}
            body |= {"code": "GOLDEN_MISMATCH", "reason": "row 3 differs"}
        content = json.dumps(body).encode()
        self.send_response(200 if body["ready"] else 503)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Frees its port at once when it ends; knows how many requests it is at."""

    allow_reuse_address = True
    daemon_threads = True
    at_work = 0
    counting = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.counting:
            self.at_work += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.counting:
                self.at_work -= 1
                self.counting.notify_all()


class Front:
    """Its part of a handover: each connection is closed after one answer, so that none is left to be handed on."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.listener: socket.socket | None = None
        self.holder = socket.socket(socket.AF_UNIX)

    def follow(self) -> None:
        """Do what the holder of the front says, until it ends."""
        self.holder.connect(os.environ["SANDBOX_FRONT_SOCKET"])
        self.tell(do="hello", front=os.environ["SANDBOX_FRONT"], service=os.environ["SANDBOX_SERVICE"], pid=os.getpid())
        told, descriptors = b"", list[int]()
        while True:
            watched = [self.holder] if self.listener is None else [self.holder, self.listener]
            ready, _, _ = select.select(watched, [], [])
            if self.listener in ready:
                self.accept()
            if self.holder in ready:
                data, more, _, _ = socket.recv_fds(self.holder, 4096, 16)
                if not data:
                    return
                descriptors += more
                *lines, told = (told + data).split(b"\n")
                for line in lines:
                    self.do(json.loads(line)["do"], descriptors)

    def do(self, what: str, descriptors: list[int]) -> None:
        if what == "serve":
            given = socket.socket(fileno=descriptors.pop(0))
            given.setblocking(False)
            self.listener = self.listener or given
            self.tell(do="serving")
        elif what == "connection":
            connection = socket.socket(fileno=descriptors.pop(0))
            connection.setblocking(True)
            self.server.process_request(connection, None)
        elif what in {"hold", "yield", "cut"}:
            if self.listener is not None:
                self.listener.close()
                self.listener = None
            if what == "hold":
                self.tell(do="held")
                return
            with self.server.counting:
                self.server.counting.wait_for(lambda: self.server.at_work == 0)
            self.tell(do="yielded")

    def accept(self) -> None:
        assert self.listener is not None
        try:
            connection, address = self.listener.accept()
        except BlockingIOError:  # another worker has it
            return
        connection.setblocking(True)
        self.server.process_request(connection, address)

    def tell(self, **message: object) -> None:
        self.holder.sendall(json.dumps(message).encode() + b"\n")


def journal(word: str) -> None:
    """Append one line in one write."""
    if "TOY_JOURNAL" in os.environ:
        with Path(os.environ["TOY_JOURNAL"]).open("a", encoding="utf-8") as file:
            file.write(f"{os.environ['SANDBOX_SERVICE']} {word}\n")


def on_terminate(_number: int, _frame: object) -> None:
    journal("ended")
    os._exit(0)


def main() -> None:
    """Behave as the environment says."""
    journal("began")
    sys.stderr.write(f"hello from {os.environ['SANDBOX_SERVICE']}, mode {MODE}\n")  # as all that follows: two outputs have no order
    if MODE == "crash":
        for number in range(30):
            sys.stderr.write(f"line {number}\n")
        raise SystemExit(3)
    if MODE == "quit":
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN if MODE == "deaf" else on_terminate)
    ballast = bytearray(int(os.environ.get("TOY_MEMORY", "0")))
    if os.environ.get("TOY_WORKER") == "1":
        environment = {**os.environ, "TOY_WORKER": "0"}
        subprocess.Popen([sys.executable, __file__], env=environment, start_new_session=True)
        signal.pause()
    if MODE == "never" and "TOY_PORT" not in os.environ:
        time.sleep(3600)
    server = Server((os.environ.get("TOY_HOST", "127.0.0.1"), int(os.environ["TOY_PORT"])), Handler)
    if {"SANDBOX_FRONT", "SANDBOX_FRONT_SOCKET"} <= os.environ.keys():
        threading.Thread(target=Front(server).follow, daemon=True).start()
    server.serve_forever()
    del ballast


if __name__ == "__main__":
    main()
