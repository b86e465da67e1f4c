"""Runs a short program inside of a container for what it writes, and waits no longer than such a program takes."""
# ruff: noqa: PLC0415 - docker is slow to import and needed by one engine alone

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from docker import APIClient

SECONDS: Final = 8.0
"""In which such a program writes something more, or ends."""
_HEAD: Final = struct.Struct(">BxxxL")
"""Before each piece of output: which of the two it is of, and its size (Docker Engine API, "Attach to a container", stream format)."""


def written(api: APIClient, identity: str, argv: Sequence[str], *, seconds: float = SECONDS, stderr: bool = True) -> str:
    """What a program writes until it ends. After a time without a word it is given up; it is not ended: it should set itself a limit.

    The library's own call waits without one, and an engine may never end the output of a program that it began while the container's
    own process ended (moby/moby, issue 27626). It also asks for a connection that nobody else can close; this asks for a plain answer.

    Args:
        api: the engine.
        identity: the container.
        argv: the program.
        seconds: without a word, after which it is given up.
        stderr: whether that of its standard error is in it.

    Returns:
        All of it; nothing when it was given up.

    Raises:
        docker.errors.APIError: the engine does not run it: the container is gone, or does not run.
    """
    from docker.errors import create_api_error_from_http_exception
    from requests import HTTPError
    from urllib3.exceptions import ReadTimeoutError

    made = api.exec_create(identity, list(argv), stderr=stderr)
    start = f"{api.base_url}/v{api.api_version}/exec/{made['Id']}/start"
    with api.post(start, json={"Detach": False, "Tty": False}, stream=True, timeout=seconds) as answer:
        try:
            answer.raise_for_status()
            output = answer.raw.read()
        except HTTPError as error:
            create_api_error_from_http_exception(error)
        except ReadTimeoutError:
            return ""
    return b"".join(_pieces(output)).decode("utf-8", "replace")


def _pieces(output: bytes) -> Iterator[bytes]:
    """What is written, without the head of each piece."""
    start = 0
    while start + _HEAD.size <= len(output):
        _, size = _HEAD.unpack_from(output, start)
        start += _HEAD.size
        yield output[start : start + size]
        start += size
