"""What may not be written is not written: random texts in guarded columns, sent in every way, are in no file and no answer afterwards."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pandas as pd
import pytest

from mlsandbox_serving.contract import Env, Field
from mlsandbox_serving.spool.segment import segments
from support.bento import Bento, Service, build, serve
from support.canaries import MAX_BODY, Canaries, everything, say
from support.event_processes import LogStore, ShipperProcess, get
from support.many import Got, ask_many
from support.pipeline import SINK, delivered
from support.served import lay
from support.waiting import wait_for

MOODY = """
class Moody:
    classes_ = ("a", "b")
    def predict(self, frame):
        mood, email = frame["mood"].iloc[0], frame["email"].iloc[0]
        local = {"rows": frame.to_dict("records"), "email": email}
        if mood == "value":
            raise ValueError(f"cannot digest {email}", email)
        if mood == "runtime":
            raise RuntimeError(local)
        if mood == "key":
            return local[email]
        if mood == "chained":
            try:
                raise KeyError(email)
            except KeyError as error:
                raise ValueError(f"no {email}") from error
        if mood == "context":
            try:
                int(email)
            except ValueError:
                raise RuntimeError(f"no {email}")
        if mood == "noted":
            error = ValueError(email)
            error.add_note(f"it was {email}")
            raise error
        if mood == "group":
            raise ExceptionGroup(email, [ValueError(email), KeyError(email)])
        if mood == "exit":
            raise SystemExit(email)
        if mood == "numpy":
            import numpy
            return numpy.asarray([email]).astype(float)
        return ["a"] * len(frame)
"""


def pickled_by_value(model: Any, file: Path) -> None:
    """Write the model with its class, which no module holds."""
    file.write_bytes(cloudpickle.dumps(model))


@pytest.fixture(scope="module", params=["private", "hashed"])
def guard(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def bento(guard: str, tmp_path_factory: pytest.TempPathFactory) -> Bento:
    """A model that fails as its input says, with the guarded values in its words."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(MOODY, namespace)  # noqa: S102 - a class that is pickled by value
    count = 20
    frame = pd.DataFrame(
        {
            "mood": ["fine", "well"] * (count // 2),
            "email": [f"person{number}@example.org" for number in range(count)],
            "town": pd.Categorical(["here", "there"] * (count // 2)),
            "age": range(20, 20 + count),
            "income": [1.5 * number for number in range(count)],
        }
    )
    folder = tmp_path_factory.mktemp(guard)
    laid = lay(
        folder / "laid", namespace["Moody"](), frame, name="moody", manifest={guard: ["email", "town", "income"]}, dump=pickled_by_value
    )
    return build(laid, folder)


@dataclass(frozen=True)
class Left:
    """What all processes left, by its place."""

    canaries: Canaries
    answers: list[Got]
    places: dict[str, bytes]
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def left(bento: Bento, guard: str, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """Everything is asked, then delivered, then looked at."""
    folder = tmp_path_factory.mktemp("run")
    key = folder / "key"
    key.write_text(secrets.token_hex(32))
    canaries = everything()
    answers: list[Got] = []
    places: dict[str, bytes] = {}
    log_store = LogStore(folder)
    shipper = ShipperProcess(folder, {SINK: log_store.forward_port})
    try:
        with serve(bento, folder, **{Env.HASH_KEY_FILE: str(key), Env.MAX_BODY_BYTES: str(MAX_BODY)}) as service:
            service.wait()
            for connections in (1, 16):
                ask_many(service.port, canaries.sent, answers.append, connections=connections)
            asyncio.run(say(service.port, canaries))
            wait_for(lambda: in_flight(service) == 0, what="everything is answered")
            places["/metrics"] = service.get("/metrics")[1].encode()
            spool = folder / "spool"
            places |= {f"spool {found.name}": (spool / found.name).read_bytes() for found in segments(spool)}
            log_store.start()
            shipper.start()
            delivered(spool)
            events = log_store.events()
            for name, each in (("shipper", shipper), ("log store", log_store)):
                places |= {f"{name} {path}": get(each.probe_port, path)[1].encode() for path in ("/metrics", "/readyz")}
            places |= files(folder)
        shipper.stop()
        log_store.stop()
    finally:
        shipper.kill()
        log_store.kill()
    key.unlink()
    places |= files(folder)
    return Left(canaries, answers, places, events)


def test_no_file_holds_a_guarded_value(left: Left) -> None:
    """Neither spool nor log store nor output nor metrics may hold what was sent in guarded columns, or in anything that is not one."""
    found = {place: left.canaries.found_in(content) for place, content in left.places.items()}

    assert {place: [what(left, text) for text in texts] for place, texts in found.items() if texts} == {}
    assert any(place.startswith("spool ") for place in found)
    assert any(place.endswith("events.sqlite3") for place in found)
    assert {"/metrics", "shipper /metrics", "log store /metrics"} <= set(found)
    assert sum(place.endswith(".log") for place in found) >= 3


def test_no_answer_shows_a_guarded_value(left: Left) -> None:
    """Answers end up in logs of clients and gateways: they may show the names that a client chose, and no value."""
    shown = {
        (got.status, got.sent.path, got.sent.body[:200], got.body[:500])
        for got in left.answers
        if not got.sent.key and left.canaries.found_in(got.body + repr(got.headers).encode())
    }

    assert shown == set()
    assert {200, 400, 404, 413, 415, 422, 500} <= {got.status for got in left.answers}


def test_each_request_is_in_the_log_all_the_same(left: Left, guard: str) -> None:
    """What was sent is missing from the events, not the events: of each answer there must be one."""
    ids = {event[Field.REQUEST_ID] for event in left.events}

    assert {got.headers["x-request-id"] for got in left.answers} <= ids
    written = [event[Field.INPUTS] for event in left.events if Field.INPUTS in event]
    assert written
    assert all(("email" in inputs) == (guard == "hashed") for inputs in written)


def what(left: Left, text: str) -> str:
    """A request that held the text, for the message of a failure."""
    for sent in left.canaries.sent:
        if text.encode() in sent.body or text in sent.path or text in repr(sent.headers):
            return f"{text}: {sent.path} {sent.headers} {sent.body[:300]!r}"
    return text


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def in_flight(service: Service) -> int:
    """Requests that are answered just now, without the one that asks this."""
    lines = service.get("/metrics")[1].splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("sandbox_requests_in_flight{"))) - 1
