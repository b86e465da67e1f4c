"""Random texts in every part of a request where somebody might put what may not be written."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import secrets
import string
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from support.bodies import as_arrow, as_csv, as_npy, as_stream
from support.many import Sent

MAX_BODY: Final = 100_000
JSON: Final = {"content-type": "application/json"}
INFER: Final = "/v2/models/moody/infer"
MOODS: Final = ("fine", "value", "runtime", "key", "chained", "context", "noted", "group", "exit", "numpy")
"""What the model of these requests is asked to do: its column "mood"."""


@dataclass
class Canaries:
    """Texts that nobody else writes, and the requests that hold them."""

    sent: list[Sent] = field(default_factory=list)
    known: list[str] = field(default_factory=list)

    def new(self) -> str:
        """One more."""
        text = "".join(secrets.choice(string.ascii_lowercase) for _ in range(24))
        self.known.append(text)
        return text

    def add(self, body: bytes | Any, headers: dict[str, str] | None = None, path: str = "/predict", *, told: bool = False) -> None:
        """One more request.

        Args:
            body: of it; JSON unless it is bytes.
            headers: of it.
            path: of it.
            told: whether the answer may show the canary: a name that the client chose is named to it.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.sent.append(Sent(content, path, JSON if headers is None else headers, told))

    def found_in(self, content: bytes) -> list[str]:
        """Those of which there is a half, plain or in base64."""
        return [
            text
            for text in self.known
            if any(part.encode() in content for part in (text[:12], text[12:], base64.b64encode(text[:12].encode()).decode()))
        ]


def row(canaries: Canaries, **changed: Any) -> dict[str, Any]:
    """A right row, but for what is changed."""
    return {"mood": "fine", "email": canaries.new(), "town": "here", "age": 40, "income": 1.5, **changed}


def everything() -> Canaries:
    """Every way to send a text to where it does not belong, and where it does."""
    canaries = Canaries()
    in_json(canaries)
    in_other_formats(canaries)
    in_tensors(canaries)
    around_the_body(canaries)
    return canaries


def in_json(canaries: Canaries) -> None:
    new, add = canaries.new, canaries.add
    for mood in MOODS:
        add(row(canaries, mood=mood))
        add({"rows": [row(canaries, mood=mood), row(canaries, mood=mood)]})
        add({"columns": {name: [value] for name, value in row(canaries, mood=mood).items()}})
    wrong: list[Any] = [
        [new()],
        {new(): new()},
        {"a": [{"b": new()}]},
        [[new()], new()],
        [f"{new()}\x00{new()}"],
    ]
    for value in wrong:
        for column in ("email", "town", "income"):
            add(row(canaries, **{column: value}))
            add({"rows": [row(canaries, **{column: value})]})
            add({"columns": {name: [one] for name, one in row(canaries, **{column: value}).items()}})
    for column in ("town", "income"):
        add(row(canaries, **{column: new()}))
        add({"rows": [row(canaries), row(canaries, **{column: new()})]})
        add({"columns": {name: [one, one] for name, one in row(canaries, **{column: new()}).items()}})
    for content in (
        [new()],
        new(),
        {"rows": new()},
        {"rows": [new()]},
        {"rows": {"email": new()}},
        {"columns": new()},
        {"columns": [new()]},
    ):
        add(content)
    add({"columns": {"email": new()}})
    add({"columns": {"email": [new(), new()], "age": [1]}})
    add({"columns": {**{name: [one] for name, one in row(canaries).items()}, "email": [new(), new()]}})
    add({"rows": [row(canaries), {"email": new()}]})
    add({**row(canaries), new(): new()}, told=True)
    add({"rows": [{**row(canaries), new(): 1}]}, told=True)
    add({"columns": {new(): [1]}}, told=True)
    add({new(): new()}, told=True)
    whole = json.dumps(row(canaries)).encode()
    for body in (
        whole[:-1],
        whole + whole,
        whole.replace(b'"email"', b'"email", '),
        whole.replace(b"40", new().encode()),
        b'{"email": ' + new().encode() + b"}",
        b'{"email": "' + new().encode() + b'\xff\xfe"}',
        b'{"email": "' + new().encode() + b'\\ud800"}',
        b'{"email": "\\x' + new().encode() + b'"}',
        b'{"email": "' + new().encode(),
        b'{"email": "a", "email": "' + new().encode() + b'"}',
        f'{{"email": "{new()}"}}'.encode("utf-16"),
        b"[" * 5_000 + new().encode(),
        b'{"a":' * 3_000 + b'"' + new().encode() + b'"' + b"}" * 3_000,
        new().encode(),
    ):
        add(body)
    add({**row(canaries), "email": canaries.new() * (MAX_BODY // 20)})
    add(b'{"email": "' + new().encode() + b" " * MAX_BODY * 5)
    add(b'{"email": "' + new().encode() + b'"' + b" " * 40_000)  # read in another thread
    add(row(canaries, mood="value", email=new() + " " * 40_000))


def in_other_formats(canaries: Canaries) -> None:
    new, add = canaries.new, canaries.add
    csv, arrow = {"content-type": "text/csv"}, {"content-type": "application/vnd.apache.arrow.stream"}

    def columns(**changed: Any) -> dict[str, list[Any]]:
        return {name: [value] for name, value in row(canaries, **changed).items()}

    for mood in MOODS:
        add(as_csv(columns(mood=mood)), csv)
        add(as_arrow(columns(mood=mood), {}), arrow)
    for changed in ({"town": new()}, {"income": new()}, {"income": f"{new()},1"}):
        add(as_csv(columns(**changed)), csv)
        add(as_arrow(columns(**changed), {}), arrow)
    right = as_csv(columns())
    add(right + new().encode(), csv)
    add(right + f'"{new()}\r\nfine,"{new()}""'.encode(), csv)
    add(right + b"fine," + new().encode() + b"\xff,here,1,1\r\n", csv)
    add(right.replace(b"1.5", b"1.5," + new().encode()), csv)
    add(new().encode(), csv)
    add(new().encode() + b"," + new().encode() + b"\r\n1,2\r\n", csv, told=True)
    add(as_csv({**columns(), new(): [1]}), csv, told=True)
    stream = as_arrow(columns(), {})
    add(stream[: len(stream) // 2], arrow)
    add(stream.replace(b"email", b"\xff\xff\xff\xff\xff"), arrow, told=True)
    add(new().encode() * 4, arrow)
    add(as_arrow({**columns(), new(): [1]}, {}), arrow, told=True)
    add(as_stream(pa.table({**columns(), "email": [[new()]]})), arrow)
    add(as_stream(pa.table({**columns(), "email": [{new(): new()}]})), arrow)
    add(as_stream(pa.table({**columns(), "income": pa.array([new()]).dictionary_encode()})), arrow)
    add(as_stream(pa.table(columns()).replace_schema_metadata({new(): new()})), arrow)
    npy = {"content-type": "application/x-npy"}
    add(as_npy(np.array([[new()]])), npy)
    add(as_npy(np.array([[{new(): new()}]], dtype=object)), npy)
    file = io.BytesIO()
    np.save(file, np.zeros(1, dtype=[(new(), "f8")]))
    add(file.getvalue(), npy)
    add(b"\x93NUMPY\x01\x00\x76\x00" + new().encode() * 9, npy)


def in_tensors(canaries: Canaries) -> None:
    new, add = canaries.new, canaries.add

    def tensors(**changed: Any) -> list[dict[str, Any]]:
        kinds = {"age": "INT64", "income": "FP64"}
        return [
            {"name": name, "shape": [1, 1], "datatype": kinds.get(name, "BYTES"), "data": [value]}
            for name, value in row(canaries, **changed).items()
        ]

    for mood in MOODS:
        add({"inputs": tensors(mood=mood)}, path=INFER)
    for changed in ({"town": new()}, {"income": new()}, {"email": [new()]}, {"email": {new(): new()}}):
        add({"inputs": tensors(**changed)}, path=INFER)
    add({"inputs": new()}, path=INFER)
    add({"inputs": [new()]}, path=INFER)
    add({"inputs": [{**tensors()[0], "datatype": new()}]}, path=INFER, told=True)
    add({"inputs": [{**tensors()[0], "shape": new()}]}, path=INFER)
    add({"inputs": [{**tensors()[0], "shape": [new()]}]}, path=INFER)
    add({"inputs": [*tensors(), {"name": new(), "shape": [1], "datatype": "BYTES", "data": [new()]}]}, path=INFER, told=True)
    add({"inputs": tensors(), "outputs": [{"name": new()}]}, path=INFER, told=True)
    add({"inputs": tensors(), "parameters": {new(): new()}, new(): new()}, path=INFER)
    add({"inputs": tensors(), "id": [new()]}, path=INFER)
    add(new().encode(), path=INFER)
    add(json.dumps({"inputs": tensors()}).encode()[:-2], path=INFER)
    text = new().encode()
    head = json.dumps(
        {
            "inputs": [
                *(each for each in tensors() if each["name"] != "email"),
                {"name": "email", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(text) + 4}},
            ]
        }
    ).encode()
    binary = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    add(head + len(text).to_bytes(4, "little") + text, binary, INFER)
    add(head + (len(text) + 5).to_bytes(4, "little") + text, binary, INFER)
    add(head + text, binary, INFER)
    add(head + text, {**binary, "inference-header-content-length": "3"}, INFER)


def around_the_body(canaries: Canaries) -> None:
    new, add = canaries.new, canaries.add
    for name in (
        *("traceparent", "tracestate", "accept", "content-encoding", "user-agent", "referer", "cookie", "authorization", "x-api-key"),
        *("inference-header-content-length", "x-sandbox-origin", "origin", "x-forwarded-for", "expect", "accept-encoding"),
    ):
        add(row(canaries), {**JSON, name: new()})
        add(row(canaries), {**JSON, name: new()}, INFER)
    for kind in (f"application/{new()}", f"application/json; charset={new()}", f"{new()}", f"text/csv; header={new()}"):
        add(row(canaries), {"content-type": kind})
        add(row(canaries), {"content-type": kind}, INFER)
    add(row(canaries), {**JSON, "accept": f"application/json;{new()}={new()}, text/{new()}"})
    add(row(canaries), {**JSON, "x-request-id": "x" * 200 + new()})
    for path in (
        *(
            f"/predict?email={new()}",
            f"/predict?{new()}",
            f"/predict/{new()}",
            f"/{new()}",
            f"/predict;{new()}",
            f"/schema?{new()}={new()}",
        ),
        *(f"/schema/{new()}", f"/v2/models/{new()}/infer", f"/v2/models/moody/versions/{new()}/infer", f"/v2/models/moody/{new()}"),
        *(f"/v2/{new()}", f"/v2/models/moody/infer?{new()}", f"/%{new()}", f"//{new()}/predict", f"/feedback?{new()}", f"/readyz?{new()}"),
    ):
        add(row(canaries), path=path)
    for label in ({new(): new()}, [new()], {"request_id": [new()], "label": 1}, {"request_id": "r", "label": 1, new(): new()}):
        add(label, path="/feedback", told=True)
    add(new().encode(), path="/feedback")


async def say(port: int, canaries: Canaries) -> None:
    """What is no request of HTTP, and clients that do not wait for their answer."""

    def failing(mood: str) -> bytes:
        body = json.dumps(row(canaries, mood=mood)).encode()
        return b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    words = [
        f"{canaries.new()} /predict HTTP/1.1\r\n\r\n".encode(),
        f"GET /{canaries.new()} {canaries.new()}\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{canaries.new()}\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\ncontent-length: {canaries.new()}\r\n\r\n".encode(),
        f"GET /{canaries.new() * 4_000} HTTP/1.1\r\n\r\n".encode(),
        f"GET http://{canaries.new()}/ HTTP/1.1\r\nhost: {canaries.new()}\r\n\r\n".encode(),
        f"{canaries.new()}\r\n".encode(),
        *(failing(mood) for mood in MOODS),
        *(failing(mood)[:-5] for mood in MOODS),
    ]
    for word in words:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(word)
        await writer.drain()
        writer.close()
