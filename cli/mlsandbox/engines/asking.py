"""One HTTP request to one service at its own port, whoever answers for its front."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Final, NamedTuple

from mlsandbox.errors import NotRunning

ANSWER_SECONDS: Final = 30.0


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
            raise silent(service, port, str(error) or type(error).__name__) from error


def silent(service: str, port: int, why: str) -> NotRunning:
    """The error that it is that a service does not answer."""
    return NotRunning(f"{service} does not answer at its own port {port}", why=why, fix=f"look at it: sandbox logs {service}")
