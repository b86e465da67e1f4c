"""One HTTP request to one service at its own port, whoever answers for its front: from this machine, or inside of its container."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Final, NamedTuple, Protocol

from mlsandbox.errors import CommandFailed, NotRunning

ANSWER_SECONDS: Final = 30.0
_PROGRAM: Final = """
import base64, http.client, json, sys
wanted = json.loads(sys.stdin.readline())
connection = http.client.HTTPConnection("127.0.0.1", wanted["port"], timeout=wanted["timeout"])
try:
    connection.request(wanted["method"], wanted["path"], base64.b64decode(wanted["body"]) or None, wanted["headers"])
    answer = connection.getresponse()
    said = {"status": answer.status, "headers": dict(answer.getheaders()), "body": base64.b64encode(answer.read()).decode()}
except (OSError, http.client.HTTPException) as error:
    said = {"error": str(error) or type(error).__name__}
print(json.dumps(said))
"""
"""What is run in a container: of the standard library alone, since an older package brings older code of ours."""


class Answered(NamedTuple):
    """What a service answered, whatever its status says."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Request(NamedTuple):
    """What is asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float
    """Seconds without a byte after which nobody answers."""


class RunIn(Protocol):
    """`Engine.run_in`."""

    def __call__(self, service: str, args: Sequence[str], text: str) -> Iterator[str]: ...


def ask_here(service: str, port: int, request: Request) -> Answered:
    """Ask a service that listens on this machine's loopback.

    Raises:
        NotRunning: nobody answers there.
    """
    with closing(HTTPConnection("127.0.0.1", port, timeout=request.timeout)) as connection:
        try:
            connection.request(request.method, request.path, request.body or None, dict(request.headers))
            answer = connection.getresponse()
            return Answered(answer.status, dict(answer.getheaders()), answer.read())
        except (OSError, HTTPException) as error:
            raise _silent(service, port, str(error) or type(error).__name__) from error


def ask_inside(service: str, port: int, request: Request, run_in: RunIn) -> Answered:
    """Ask a service from inside of its container: nothing of it has to be published.

    Raises:
        NotRunning: nobody answers there, or the container is gone.
    """
    wanted = {**request._asdict(), "headers": dict(request.headers), "body": b64encode(request.body).decode(), "port": port}
    try:
        said = json.loads("".join(run_in(service, ("-c", _PROGRAM), json.dumps(wanted) + "\n")))
    except CommandFailed as error:
        raise _silent(service, port, error.why) from error
    if "error" in said:
        raise _silent(service, port, said["error"])
    return Answered(said["status"], said["headers"], b64decode(said["body"]))


def _silent(service: str, port: int, why: str) -> NotRunning:
    return NotRunning(f"{service} does not answer at its own port {port}", why=why, fix=f"look at it: sandbox logs {service}")
