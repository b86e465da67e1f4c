"""What a worker keeps of its requests: nothing. By hand, over more of them and with a larger model: bench/serving_memory.py."""

from __future__ import annotations

import json
from pathlib import Path

from mlsandbox_serving.contract import Env
from support.bento import build, serve
from support.many import Sent, ask_many
from support.served import fitted, lay, people

REQUESTS = 20_000
WARM = 5_000
"""Requests after which whatever is made once is there."""
GROWTH = 20_000_000
"""Bytes: room for an allocator's moods, none for a kilobyte of each request after the first ones, or two."""
CONNECTIONS = 32


def test_requests_leave_nothing_in_memory(tmp_path: Path) -> None:
    """Over many thousand requests, right and wrong ones, a worker must not grow by what it kept of each."""
    frame = people()
    bento = build(lay(tmp_path / "laid", fitted(frame), frame), tmp_path)
    rows = [{"age": 16 + number % 70, "sex": "male", "hours": 1.5 * number, "email": "x" * (number % 500)} for number in range(1_000)]
    bodies = [json.dumps(row if number % 10 else {**row, "age": "old"}).encode() for number, row in enumerate(rows)]
    requests = (Sent(bodies[number % len(bodies)]) for number in range(REQUESTS))
    with serve(bento, tmp_path / "run", **{Env.SPOOL_BYTES: "5000000"}) as service:
        service.wait()
        (worker,) = service.workers()
        first = ask_many(service.port, (next(requests) for _ in range(WARM)), lambda _got: None, connections=CONNECTIONS)
        before = worker.memory_info().rss
        rest = ask_many(service.port, requests, lambda _got: None, connections=CONNECTIONS)
        grown = worker.memory_info().rss - before

    print(f"grown by {grown / 1e6:.1f} MB from {before / 1e6:.0f}")  # noqa: T201 - shown when it fails
    assert dict(first + rest) == {200: REQUESTS * 9 // 10, 422: REQUESTS // 10}
    assert grown < GROWTH
