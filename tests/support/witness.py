"""Clients that go on asking while versions change, and remember when each answer came and who gave it, to be held against the ledger."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from support.many import Connection, Sent
from support.waiting import HANG_SECONDS, wait_for

LIMIT: Final = 400_000
"""Requests of one witness."""
_ANSWERING: Final = frozenset({"deployed", "promoted", "rolled-back", "started"})
_MILLISECOND: Final = 0.001


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer.

    Args:
        sent: epoch seconds before its request was written.
        received: epoch seconds after it was read.
        status: of HTTP; 0 when the connection ended first.
        version: that says it answered.
        digest: of the package that says it answered.
        why: of what is no 200.
    """

    sent: float
    received: float
    status: int
    version: str
    digest: str
    why: str = ""


class Witness:
    """Asks over connections that are kept open and never tries anything again, in a thread, until left.

    Args:
        port: of the front, on 127.0.0.1.
        row: that is asked for.
        connections: each asks again as soon as it is answered.
    """

    def __init__(self, port: int, row: Mapping[str, object], *, connections: int = 32) -> None:
        self.seen: list[Seen] = []
        self._port = port
        self._body = json.dumps(row).encode()
        self._connections = connections
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.more(2 * self._connections)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(HANG_SECONDS)
        if error is None:
            assert not self._thread.is_alive(), "requests hang"
            if self._error is not None:
                raise self._error

    def more(self, count: int) -> None:
        """Wait until so many more answers came."""
        wanted = len(self.seen) + count
        wait_for(lambda: len(self.seen) >= wanted or not self._thread.is_alive(), what=f"{count} answers")
        assert len(self.seen) >= wanted, f"the clients ended: {self._error!r}"

    @property
    def failed(self) -> list[Seen]:
        """What is no answer."""
        return [each for each in self.seen if each.status != 200]

    @property
    def versions(self) -> list[str]:
        """Those that answered, in the order in which they first did."""
        return list(dict.fromkeys(each.version for each in self.seen))

    def _run(self) -> None:
        try:
            asyncio.run(self._ask_all())
        except BaseException as error:  # noqa: BLE001 - told where the block ends
            self._error = error

    async def _ask_all(self) -> None:
        await asyncio.gather(*(self._ask() for _ in range(self._connections)))

    async def _ask(self) -> None:
        connection = Connection(self._port)
        try:
            while not self._ended.is_set() and len(self.seen) < LIMIT:
                sent = time.time()
                got = await connection.ask(Sent(self._body))
                why = "" if got.status == 200 else got.body[:300].decode("utf-8", "replace")
                headers = got.headers
                version, digest = headers.get("x-model-version", ""), headers.get("x-package-digest", "")
                self.seen.append(Seen(sent, time.time(), got.status, version, digest, why))
        finally:
            connection.close()


def ledger(root: Path) -> list[dict[str, Any]]:
    """The entries of a project's ledger."""
    return [json.loads(line)["entry"] for line in (root / ".sandbox" / "ledger.jsonl").read_text("utf-8").splitlines()]


def contradictions(seen: Sequence[Seen], entries: Sequence[Mapping[str, Any]], model: str) -> list[Seen]:
    """The answers that the version they name could not have given by the ledger, to the millisecond that it is written in."""
    lives = _lives([entry for entry in entries if entry["model"] == model])
    return [
        each
        for each in seen
        if not any(
            each.version == version
            and each.digest == digest
            and each.received >= since - _MILLISECOND
            and each.sent <= until + _MILLISECOND
            for version, digest, since, until in lives
        )
    ]


def _lives(entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, float, float]]:
    """When each version may have answered: from the beginning of its switch to the end of the next one."""
    lives: list[tuple[str, str, float, float]] = []
    for entry in entries:
        ends = entry["action"] in _ANSWERING or entry["action"] == "stopped"
        if ends and lives and lives[-1][3] == float("inf"):
            lives[-1] = (*lives[-1][:3], _seconds(entry["time"]))
        if entry["action"] in _ANSWERING:
            lives.append((entry["version"], entry["digest"], _seconds(entry.get("began", entry["time"])), float("inf")))
    return lives


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
