"""Bytes that are almost requests, against a running service: it answers or hangs up, always in time, and stays as it was.

By hand, with more: FUZZ_REQUESTS=100000 FUZZ_SEED=7 pytest -s tests/integration/serving/test_fuzz.py
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from mlsandbox_serving.contract import Env
from support.bento import Service, build, serve
from support.fuzzing import Field, Sent, mutated
from support.raw_http import Raw, read_answer
from support.served import Laid, fitted, lay, people

REQUESTS = int(os.environ.get("FUZZ_REQUESTS") or 5_000)
SEED = int(os.environ.get("FUZZ_SEED") or 20_261_126)
AT_ONCE = 48
SERVICE_SECONDS = 5
"""The service's own limit for one request."""
MAX_BODY = 200_000
MANY_FIELDS = 100
PATIENCE_SECONDS = 40
"""Until a conversation has hung: far past every deadline of the service, also on a slow machine."""
MOST_GROWTH = 64_000_000
"""Bytes by which a worker may grow: room for an allocator's moods, none for keeping something of each request."""
WARM = 0.2
"""The share of requests after which all caches are full."""
JSON: Field = (b"Content-Type", b"application/json")
_PROBE = Sent(b"GET", b"/livez", ((b"X-Request-Id", b"the-last"),), b"")


@dataclass
class Findings:
    """What conversations brought to light."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=["mixed", "numbers"])
def laid(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """A model of a category, a date, a text and numbers, and one of numbers alone, whose requests go other ways."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "mixed":
        frame = people().assign(since=pd.date_range("2020-01-01", periods=200, freq="D"), member=np.arange(200) % 3 == 0)
        return lay(folder, fitted(frame), frame, manifest={"private": ["email"]})
    frame = pd.DataFrame(np.random.default_rng(5).normal(size=(200, 6)), columns=[f"x{place}" for place in range(6)])
    return lay(folder, LogisticRegression().fit(frame, frame["x0"] > 0), frame)


@pytest.fixture(scope="module")
def running(laid: Laid, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("running")
    limits = {
        Env.TIMEOUT_SECONDS: str(SERVICE_SECONDS),
        Env.MAX_BODY_BYTES: str(MAX_BODY),
        Env.MAX_ROWS: "500",
        Env.SPOOL_BYTES: "20000000",
    }
    with serve(build(laid, folder / "bento"), folder / "run", **limits) as service:
        service.wait()
        yield service


def test_no_bytes_harm_the_service(running: Service, laid: Laid) -> None:
    """Whatever bytes come, each answer is HTTP, an error is JSON and never the service's own, every connection ends in time; the service
    does not grow, prints no traceback, and answers a right row as before.
    """
    corpus = corpus_of(laid)
    (worker,) = running.workers()
    before = good_row(running, laid)
    count = REQUESTS // 2
    print(f"FUZZ_SEED={SEED} FUZZ_REQUESTS={REQUESTS}")  # noqa: T201 - shown when it fails

    findings = Findings()
    asyncio.run(talk(running.port, corpus, findings, range(int(count * WARM))))
    warm = worker.memory_info().rss
    asyncio.run(talk(running.port, corpus, findings, range(int(count * WARM), count)))

    print(dict(sorted(findings.statuses.items())), f"grown by {(worker.memory_info().rss - warm) / 1e6:.1f} MB")  # noqa: T201 - as above
    assert not findings.wrong, f"{len(findings.wrong)} went wrong\n" + "\n\n".join(findings.wrong[:10])
    assert {200, 400, 404, 405, 413, 415, 422} <= set(findings.statuses)
    assert good_row(running, laid) == before
    assert [process.pid for process in running.workers()] == [worker.pid]
    assert worker.memory_info().rss - warm < MOST_GROWTH
    assert "Traceback" not in running.log.read_text()


def good_row(running: Service, laid: Laid) -> dict[str, Any]:
    """The answer to the example."""
    status, answer = running.post("/predict", laid.manifest()["example"])
    assert status == 200
    return {name: value for name, value in answer.items() if name != "request_id"}


def corpus_of(laid: Laid) -> list[Sent]:
    """A right request of each form that the service takes."""
    columns = {name: values[:3] for name, values in laid.golden()["columns"].items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    frame = pd.DataFrame(columns)
    contents: list[tuple[bytes, bytes, bytes]] = [
        (b"/predict", b"application/json", json.dumps(rows[0]).encode()),
        (b"/predict", b"application/json", json.dumps({"rows": rows}).encode()),
        (b"/predict", b"application/json; charset=utf-8", json.dumps({"columns": columns}).encode()),
        (b"/predict", b"text/csv", frame.to_csv(index=False).encode()),
        (b"/predict", b"application/vnd.apache.arrow.stream", arrow(rows)),
        (b"/predict", b"application/x-npy", npy(frame)),
        (b"/v2/models/toy/infer", b"application/json", json.dumps(tensors(rows)).encode()),
        (
            b"/v2/models/toy/versions/v1/infer",
            b"application/json",
            json.dumps({**tensors(rows), "outputs": [{"name": "predict"}]}).encode(),
        ),
        (b"/feedback", b"application/json", b'{"request_id": "r1", "row": 0, "label": "yes"}'),
        (
            b"/feedback",
            b"application/json",
            b'{"labels": [{"request_id": "r1", "label": 1.5}, {"request_id": "r2", "row": 3, "label": true}]}',
        ),
    ]
    sent = [Sent(b"POST", target, ((b"Content-Type", kind),), body) for target, kind, body in contents]
    sent.append(binary(frame))
    reads = (b"/", b"/schema", b"/docs.json", b"/livez", b"/readyz", b"/metrics", b"/v2", b"/v2/health/ready", b"/v2/models/toy")
    return sent * 3 + [Sent(b"GET", target, (), b"") for target in reads]


async def talk(port: int, corpus: Sequence[Sent], findings: Findings, numbers: range) -> None:
    """Hold conversations, some at a time, until each of the requests was sent."""
    waiting = iter(range(numbers.start, numbers.stop, 3))

    async def some() -> None:
        for number in waiting:
            random = Random(f"{SEED}/{number}")
            sent = conversation(random, corpus, min(3, numbers.stop - number))
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await converse(port, random, sent, findings)
            except (AssertionError, TimeoutError, ConnectionError) as wrong:
                shown = "\n".join(f"{each.encode()[:400]!r}" for each in sent)
                findings.wrong.append(f"conversation {number}: {type(wrong).__name__} {wrong}\n{shown}")

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def conversation(random: Random, corpus: Sequence[Sent], length: int) -> list[Sent]:
    """Requests of one connection; where one is broken it is not known which answer belongs to a HEAD."""
    sent = [mutated(random, corpus) for _ in range(length)]
    if not all(each.framed for each in sent):
        sent = [without_head(each) for each in sent]
    return [*sent, _PROBE]


def without_head(sent: Sent) -> Sent:
    """The same, with a GET in the place of a HEAD."""
    method = b"GET" if sent.method == b"HEAD" else sent.method
    return replace(sent, method=method, raw=None if sent.raw is None else sent.raw.replace(b"HEAD ", b"GET "))


def closes(sent: Sent) -> bool:
    """Whether the connection ends with this request: its body is too large, its head is, or its target is no URI."""
    return (
        len(sent.body) > MAX_BODY
        or len(sent.fields) > MANY_FIELDS
        or not sent.target.isascii()
        or any(each[0] == b"Expect" for each in sent.fields)
    )


async def converse(port: int, random: Random, sent: Sequence[Sent], findings: Findings) -> None:
    """Send all on one connection, at once or bit by bit, and check what comes until the last answer or the connection's end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    framed = all(each.framed for each in sent)
    # After some requests the service closes the connection, and what was sent behind them is not read: then a reset overtakes the answer.
    may_reset = not framed or any(closes(each) for each in sent)
    sending = asyncio.create_task(send(random, writer, b"".join(each.encode() for each in sent)))
    try:
        for number in range(1_000):
            try:
                answer = await read_answer(reader, sent[number].method if framed else b"GET")
            except ConnectionError:
                assert may_reset, "reset"
                return
            if answer is None:
                assert not framed, "hung up without a word"
                return
            findings.statuses[answer.status] += 1
            check(answer, head=framed and sent[number].method == b"HEAD")
            if answer.closes:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read(1) == b"", "more came after the last answer"
                return
            if answer.headers.get("x-request-id") == "the-last":
                assert not framed or number == len(sent) - 1, "an answer is missing"
                return
        raise AssertionError("more answers than requests")
    finally:
        sending.cancel()
        writer.close()


async def send(random: Random, writer: asyncio.StreamWriter, data: bytes) -> None:
    """All at once, or in pieces."""
    try:
        if random.random() < 0.7:
            writer.write(data)
        else:
            step = random.choice((1, 7, 100, 1_000)) if len(data) < 10_000 else 1_000
            for place in range(0, len(data), step):
                writer.write(data[place : place + step])
                await writer.drain()
                await asyncio.sleep(0)
        await writer.drain()
    except ConnectionError:
        return


def check(answer: Raw, *, head: bool) -> None:
    """An error is JSON with a code and without anything of the service's inside; the service itself never fails."""
    text = answer.body.decode("latin-1")
    assert answer.status < 500, f"{answer.status} {text[:500]}"
    assert not re.search(r"Traceback|File \"|\.py\b", text) or answer.status < 400, text[:500]
    if head:
        assert answer.body == b""
    elif answer.status >= 400:
        assert answer.headers["content-type"] == "application/json", answer.headers
        error = json.loads(answer.body)
        code = error["code"] if isinstance(error["error"], str) else error["error"]["code"]
        assert re.fullmatch("[A-Z_]+", code), error
        assert answer.headers["x-request-id"]


def arrow(rows: list[dict[str, Any]]) -> bytes:
    """Rows as an Arrow stream."""
    table = pa.Table.from_pylist(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def npy(frame: pd.DataFrame) -> bytes:
    """The columns of numbers as one array."""
    file = io.BytesIO()
    np.save(file, frame.select_dtypes("number").to_numpy(np.float64))
    return file.getvalue()


def datatype(value: Any) -> str:
    return {bool: "BOOL", int: "INT64", float: "FP64"}.get(type(value), "BYTES")


def tensors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as an inference request."""
    inputs = [
        {"name": name, "shape": [len(rows), 1], "datatype": datatype(value), "data": [row[name] for row in rows]}
        for name, value in rows[0].items()
    ]
    return {"id": "i1", "inputs": inputs}


def binary(frame: pd.DataFrame) -> Sent:
    """Numbers as one tensor whose bytes follow the JSON."""
    values = frame.select_dtypes("number").to_numpy(np.float64)
    tensor = {"name": "x", "shape": list(values.shape), "datatype": "FP64", "parameters": {"binary_data_size": values.nbytes}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    length = (b"Inference-Header-Content-Length", b"%d" % len(head))
    return Sent(b"POST", b"/v2/models/toy/infer", ((b"Content-Type", b"application/octet-stream"), length), head + values.tobytes())
