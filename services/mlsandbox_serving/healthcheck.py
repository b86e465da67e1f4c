"""Whether a service of ours in this container is well: `python -m mlsandbox_serving.healthcheck PORT PATH [FILE OF API KEYS]`.

Prints what it answers, so that the container's health log holds it; ends with 0 when that is a 2xx, else with 1. It is run every
second while a service starts: hence a socket and HTTP/1.0 by hand, since importing an HTTP client takes longer than the answer.
"""

from __future__ import annotations

import socket
import sys
import time

_SECONDS = 4.0
_SHOWN_BYTES = 4_000
"""What a health log holds of one answer is 4096 bytes."""
_HEAD_BYTES = 65_536


def main(args: list[str]) -> int:
    """Ask once; the exit code."""
    port, path, *key_files = args
    try:
        healthy, text = ask(int(port), path, "".join(_key_header(each) for each in key_files))
    except OSError as error:
        healthy, text = False, f"127.0.0.1:{port}{path}: {error}"
    except ValueError as error:
        healthy, text = False, f"127.0.0.1:{port}{path} does not speak HTTP: {error}"
    sys.stdout.buffer.write(text.encode()[:_SHOWN_BYTES] + b"\n")
    return 0 if healthy else 1


def ask(port: int, path: str, header: str) -> tuple[bool, str]:
    """Whether a GET of `path`, with that line in its head, is answered with a 2xx, and the beginning of the answer's body.

    Raises:
        OSError: nobody answers in time.
        ValueError: the answer is not HTTP.
    """
    deadline = time.monotonic() + _SECONDS
    with socket.create_connection(("127.0.0.1", port), _SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n{header}\r\n".encode())
        received = b""
        body = None
        while body is None or len(body) < _SHOWN_BYTES:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            part = connection.recv(8_192)
            if not part:
                break
            received += part
            _, end, rest = received.partition(b"\r\n\r\n")
            body = rest if end else None
            if body is None and len(received) > _HEAD_BYTES:
                raise ValueError("no end of its headers")
    return _is_success(received), (body or b"").decode("utf-8", "replace")


def _key_header(path: str) -> str:
    """With the first API key of a file, if there is one: a service tells all only to who has one."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes longer to import
            keys = [line.rpartition(":")[2].strip() for line in file if line.strip() and not line.lstrip().startswith("#")]
    except (OSError, ValueError):
        return ""
    return f"X-API-Key: {keys[0]}\r\n" if keys else ""


def _is_success(received: bytes) -> bool:
    version, status, *_ = [*received.split(b"\r\n", 1)[0].split(b" ", 2), b"", b""]
    if not version.startswith(b"HTTP/") or len(status) != len("200"):
        raise ValueError(f"{received[:40]!r}")
    return status.startswith(b"2")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
