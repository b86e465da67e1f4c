"""A champion and its challenger: what both are asked, and challengers that fail in every way."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from sklearn.base import BaseEstimator, ClassifierMixin

from mlsandbox_serving.contract import Env, Metrics, Traffic
from support.guarded import Reply, read_reply
from support.rival import KEY, PROOF, Asked, proven, reply
from support.served import Laid
from support.service import rows_of
from support.waiting import wait_for
from support.wired import Wired, wired

ROWS = rows_of(100)
FLIPPED = 17
"""Rows of these that the challenger answers otherwise."""


class Flipping(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # untyped bases
    """Answers as another model does, but for people of some ages."""

    def __init__(self, model: Any = None, ages: tuple[int, ...] = ()) -> None:
        self.model = model
        self.ages = ages

    @property
    def classes_(self) -> Any:
        return self.model.classes_

    def predict(self, frame: Any) -> Any:
        answers = self.model.predict(frame)
        flips = np.isin(frame["age"], self.ages)
        return np.where(flips, np.where(answers == "yes", "no", "yes"), answers)


@dataclass
class Pair:
    """A champion, and the file that tells it of its challenger."""

    champion: Wired
    file: Path
    connection: socket.socket

    def ask(self, content: Any, *, headers: str = "", path: str = "/predict", chunked: bool = False) -> Reply:
        """One answer, over one connection for all."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        if "content-type" not in headers:
            headers += "content-type: application/json\r\n"
        length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
        sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
        self.connection.sendall(f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}{length}\r\n\r\n".encode() + sent)
        return read_reply(self.connection)

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        """Samples of a metric that are not 0, by their labels' values without model and champion."""
        self.connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        text = read_reply(self.connection).body.decode()
        return {
            tuple(value for label, value in sorted(sample.labels.items()) if label not in {"model", "version"}): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and sample.value
        }

    @property
    def requests(self) -> dict[str, float]:
        """What became of requests and copies, by the result."""
        return {result: count for (_challenger, _mode, result), count in self.counted(Metrics.CHALLENGER_REQUESTS.name).items()}

    @property
    def rows(self) -> dict[str, float]:
        """Compared rows, by the result."""
        return {result: count for (_challenger, result), count in self.counted(Metrics.SHADOW_ROWS.name).items()}

    @property
    def contest(self) -> Any:
        return self.champion.served.app._challenge.contest

    def tell(self, port: int | None, **changed: Any) -> None:
        """Write the document anew, and wait until the champion acts by it."""
        before = self.contest
        write(self.file, port, **changed)
        wait_for(lambda: self.contest is not before, what="the new document")


def write(file: Path, port: int | None, *, percent: float = 100, shadow: bool = False, champion: str = "v1") -> None:
    beside = {Traffic.VERSION: "v2", Traffic.ADDRESS: f"127.0.0.1:{port}", Traffic.PERCENT: percent, Traffic.SHADOW: shadow}
    new = file.with_suffix(".new")
    file.parent.mkdir(exist_ok=True)
    new.write_text(json.dumps({Traffic.CHAMPION: champion, Traffic.CHALLENGER: beside if port else None}), encoding="utf-8")
    new.replace(file)


def key_beside(file: Path) -> Path:
    """The file with the key of the stack."""
    key = file.with_name("traffic-key")
    key.write_bytes(KEY)
    return key


@contextmanager
def pair(laid: Laid, file: Path, port: int | None, *, environ: dict[str, str] | None = None, **traffic: Any) -> Iterator[Pair]:
    write(file, port, **traffic)
    with (
        wired(laid, environ={Env.TRAFFIC_FILE: str(file), Env.TRAFFIC_KEY_FILE: str(key_beside(file)), **(environ or {})}) as champion,
        champion.connect() as connection,
    ):
        yield Pair(champion, file, connection)


CSV = "age,sex,hours,email\r\n41,female,,a@example.org\r\n"
INFER = {
    "inputs": [
        {"name": "age", "shape": [1, 1], "datatype": "INT64", "data": [41]},
        {"name": "sex", "shape": [1, 1], "datatype": "BYTES", "data": ["female"]},
        {"name": "hours", "shape": [1, 1], "datatype": "FP64", "data": [30.5]},
        {"name": "email", "shape": [1, 1], "datatype": "BYTES", "data": ["a@example.org"]},
    ]
}
WAYS: dict[str, dict[str, Any]] = {
    "express": {"content": ROWS[0]},
    "chunked": {"content": ROWS[0], "chunked": True},
    "large": {"content": {"rows": ROWS * 10}},
    "csv": {"content": CSV.encode(), "headers": "content-type: text/csv\r\naccept: text/csv\r\n"},
    "infer": {"content": INFER, "path": "/v2/models/toy/infer"},
}


PREDICTED = {"express": "predictions", "chunked": "predictions", "infer": "outputs"}


def raw(content: Any) -> bytes:
    body = json.dumps(content).encode()
    return b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def crash(_asked: Asked) -> bytes:
    raise OSError


HUGE = reply(body=b'{"predictions":["no"]}', headers={"x-filler": "x" * 4_000_000})
LARGE = reply(body=b'{"predictions":["no"]}' + b" " * 400_000)
CRUMBS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-model-version: v2\r\n%btransfer-encoding: chunked\r\n\r\n" % PROOF
    + b"1\r\n \r\n" * 10_000
    + b'16\r\n{"predictions":["no"]}\r\n0\r\n\r\n'
)
FAULTS: dict[str, tuple[Callable[[Asked], bytes | None], str]] = {
    "stalls": (lambda _asked: None, "timeout"),
    "hangs up": (crash, "failed"),
    "talks garbage": (lambda _asked: b"\x00\xff garbage\r\n\r\n", "failed"),
    "cuts its answer short and stalls": (lambda _asked: reply(["yes"])[:-3], "timeout"),
    "answers 500": (lambda _asked: reply(status=500), "failed"),
    "answers 503": (lambda _asked: reply(status=503), "failed"),
    "answers 204": (lambda _asked: reply(status=204, body=b""), "failed"),
    "answers 422": (lambda _asked: reply(status=422), "refused"),
    "answers 401": (lambda _asked: reply(status=401), "refused"),
    "is another version": (lambda _asked: reply(["yes"], version="v3"), "failed"),
    "is another program": (lambda _asked: reply(["yes"], version=None), "failed"),
    "redirects": (lambda _asked: reply(status=302, headers={"location": "http://example.org/"}), "failed"),
    "upgrades": (lambda _asked: b"HTTP/1.1 101 Yes\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "failed"),
    "proves nothing": (lambda _asked: reply(["yes"]).replace(PROOF, b""), "failed"),
    "names the request and proves nothing": (lambda _asked: reply(["yes"]).replace(b"@code@", b"0" * 64), "failed"),
    "has another key": (lambda asked: proven(reply(["yes"]), asked, key=b"o" * 43), "failed"),
    "refuses and proves nothing": (lambda _asked: reply(status=422).replace(PROOF, b""), "failed"),
    "answers in crumbs": (lambda _asked: CRUMBS, "failed"),
    "tells to wait again and again": (lambda _asked: b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + reply(["yes"]), "failed"),
    "has too many headers": (lambda _asked: reply(["yes"], headers={f"x-{number}": "1" for number in range(300)}), "failed"),
    "has a head without end": (lambda _asked: HUGE, "failed"),
    "has too large a body": (lambda _asked: LARGE, "failed"),
}
