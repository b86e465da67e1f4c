"""Asks a process over HTTP whether it is ready, and makes sure that it is ours."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from mlsandbox.key_file import first_key
from mlsandbox.supervise.spec import HttpProbe
from mlsandbox_serving.contract import Header

_LARGEST_ANSWER: Final = 256 * 1024


class Verdict(StrEnum):
    """What an answer means."""

    READY = "ready"
    NOT_READY = "not ready"
    REFUSED = "refused"
    """Not ready, and it said that waiting will not help."""
    FOREIGN = "foreign"
    """Something answers, but not our process."""
    SILENT = "silent"
    """No connection, or no answer in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One look at a process."""

    verdict: Verdict
    reason: str
    """Why it is not ready; empty when it is."""
    body: dict[str, Any] | None = None
    """The JSON object it answered, if it did."""


async def ask(probe: HttpProbe, stack_id: str, *, timeout: float = 5.0) -> Answer:  # noqa: ASYNC109 - one deadline for all steps
    """Send one GET; never raises for anything that the other side does."""
    try:
        async with asyncio.timeout(timeout):
            raw = await _get(probe)
    except TimeoutError:
        return Answer(Verdict.SILENT, f"no answer from {probe.host}:{probe.port}{probe.path} within {timeout:g} s")
    except OSError as error:
        return Answer(Verdict.SILENT, f"no connection to {probe.host}:{probe.port}: {os.strerror(error.errno) if error.errno else error}")
    return judge(raw, probe, stack_id)


def judge(raw: bytes, probe: HttpProbe, stack_id: str) -> Answer:
    """What the bytes of an HTTP answer mean (pure)."""
    head, _, content = raw.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return Answer(Verdict.FOREIGN, f"port {probe.port} does not speak HTTP")
    status = int(words[1])
    body = _json_object(content)
    if probe.identified and (body is None or body.get("stack_id") != stack_id):
        return Answer(Verdict.FOREIGN, f"another process answers on port {probe.port} (HTTP {status})", body)
    if status == 200:
        return Answer(Verdict.READY, "", body)
    verdict = Verdict.REFUSED if body is not None and body.get("final") is True else Verdict.NOT_READY
    reason = str((body or {}).get("reason") or (body or {}).get("code") or "")
    return Answer(verdict, reason or f"{probe.path} answers HTTP {status}", body)


async def _get(probe: HttpProbe) -> bytes:
    reader, writer = await asyncio.open_connection(probe.host, probe.port, limit=_LARGEST_ANSWER)
    try:
        # HTTP/1.0: the answer ends with the connection and is never chunked.
        key = None if probe.key_file is None else first_key(Path(probe.key_file))
        keyed = "" if key is None else f"{Header.API_KEY}: {key}\r\n"
        head = f"GET {probe.path} HTTP/1.0\r\nHost: {probe.host}:{probe.port}\r\nAccept: application/json\r\n{keyed}\r\n"
        writer.write(head.encode())
        await writer.drain()
        return await _read_answer(reader)
    finally:
        writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    """All bytes until the connection ends, the announced length is there, or the bound is reached."""
    raw = b""
    while len(raw) < _LARGEST_ANSWER and not _is_whole(raw):
        more = await reader.read(_LARGEST_ANSWER)
        if not more:
            break
        raw += more
    return raw


def _is_whole(raw: bytes) -> bool:
    head, separator, content = raw.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return len(content) >= int(value)
    return False


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
