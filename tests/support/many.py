"""Many requests to a service of this machine over a few connections that are kept open, as a busy client sends them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_GIVE_UP_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Sent:
    """One request.

    Args:
        body: of it.
        path: of it.
        headers: of it, besides the length.
        key: tells the request from others.
    """

    body: bytes
    path: str = "/predict"
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    key: Any = None


@dataclass(frozen=True)
class Got:
    """What came back; `status` is 0 when the connection ended first, with the reason as the body."""

    sent: Sent
    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


class Connection:
    """One connection, opened when it is needed and anew when it has ended."""

    def __init__(self, port: int, *, timeout: float = _GIVE_UP_SECONDS) -> None:
        self._port = port
        self._timeout = timeout
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, sent: Sent) -> Got:
        """Send one request and read its answer."""
        try:
            return await asyncio.wait_for(self._ask(sent), self._timeout)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.close()
            return Got(sent, 0, repr(error).encode(), {})

    def close(self) -> None:
        """End it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, sent: Sent) -> Got:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        reader, writer = self._streams
        fields = {"host": f"127.0.0.1:{self._port}", "content-length": str(len(sent.body)), **sent.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"POST {sent.path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + sent.body)
        await writer.drain()
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return Got(sent, int(first.split()[1]), body, headers)


async def ask_all(port: int, requests: Iterable[Sent], *, connections: int) -> AsyncIterator[Got]:
    """Send all requests, `connections` at a time; the answers as they come.

    Args:
        port: of the service, on 127.0.0.1.
        requests: taken one by one.
        connections: kept open.
    """
    waiting = iter(requests)
    answers: asyncio.Queue[Got | None] = asyncio.Queue(maxsize=4 * connections)

    async def work() -> None:
        connection = Connection(port)
        try:
            for sent in waiting:
                await answers.put(await connection.ask(sent))
        finally:
            connection.close()
            await answers.put(None)

    workers = [asyncio.ensure_future(work()) for _ in range(connections)]
    try:
        ended = 0
        while ended < connections:
            got = await answers.get()
            if got is None:
                ended += 1
            else:
                yield got
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def ask_many(port: int, requests: Iterable[Sent], each: Callable[[Got], Awaitable[None] | None], *, connections: int) -> Counter[int]:
    """Send all requests and hand each answer to `each`; how many had which status."""

    async def run() -> Counter[int]:
        statuses: Counter[int] = Counter()
        async for got in ask_all(port, requests, connections=connections):
            statuses[got.status] += 1
            done = each(got)
            if done is not None:
                await done
        return statuses

    return asyncio.run(run())
