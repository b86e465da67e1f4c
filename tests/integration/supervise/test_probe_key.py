"""What a probe sends to a service that tells all only to who has a key."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mlsandbox.supervise.probe import Verdict, ask
from mlsandbox.supervise.spec import HttpProbe


async def asked(key_file: str | None) -> tuple[str, Verdict]:
    """The head of the request, and what the answer meant."""
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b'HTTP/1.0 200 OK\r\nContent-Length: 20\r\n\r\n{"stack_id": "ours"}')
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await ask(HttpProbe("127.0.0.1", port, "/readyz", key_file=key_file), "ours")
    return heads[0], found.verdict


@pytest.mark.parametrize(("text", "sent"), [("# ours\nsandbox: 0123456789abcdef\n", True), ("no key\n", False), (None, False)])
def test_the_first_key_is_sent(tmp_path: Path, text: str | None, *, sent: bool) -> None:
    """The first key of the file must be sent; without one the probe must ask all the same."""
    file = tmp_path / "api-keys"
    if text is not None:
        file.write_text(text)

    head, verdict = asyncio.run(asked(str(file)))

    assert verdict is Verdict.READY
    assert ("\r\nx-api-key: 0123456789abcdef\r\n" in head) is sent
    assert ("x-api-key" in head) is sent


def test_no_key_where_none_is_needed() -> None:
    """A service without keys must be sent none."""
    head, _ = asyncio.run(asked(None))

    assert "x-api-key" not in head
