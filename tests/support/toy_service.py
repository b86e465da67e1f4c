"""A small real service whose behaviour its environment decides; run by path, standard library only.

TOY            ready | refuse | crash | never | deaf (ignores SIGTERM) | quit (exit code 0)
TOY_PORT       where it answers GET with {"stack_id": …}
TOY_HOST       the address that it binds, 127.0.0.1 without it
TOY_PADDING    characters by which a refusal is longer
TOY_JOURNAL    a file that gets "<service> began" and "<service> ended"
TOY_WORKER     1: a grandchild in a session of its own serves the port, as BentoML's workers do
TOY_MEMORY     bytes to use
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODE = os.environ.get("TOY", "ready")


class Handler(BaseHTTPRequestHandler):
    """Answers every GET as /readyz would."""

    def do_GET(self) -> None:
        body = {"stack_id": os.environ["SANDBOX_STACK_ID"], "ready": MODE in {"ready", "deaf"}, "pid": os.getpid()}
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
    """Frees its port at once when it ends."""

    allow_reuse_address = True
    daemon_threads = True


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
    Server((os.environ.get("TOY_HOST", "127.0.0.1"), int(os.environ["TOY_PORT"])), Handler).serve_forever()
    del ballast


if __name__ == "__main__":
    main()
