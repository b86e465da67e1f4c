"""What a model raises is told without bringing guarded values into the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlsandbox_serving.contract import Env, ErrorCode, Field
from support.asgi import Client, Response
from support.served import Laid, lay
from support.service import Served, serve

CANARY = "canary@example.org"


class Moody:
    """A model that raises what its input asks for."""

    classes_ = ("a", "b")

    def predict(self, frame: pd.DataFrame) -> Any:
        mood = frame["mood"].iloc[0]
        if mood == "rejects":
            raise ValueError(f"cannot digest {frame['email'].iloc[0]}")
        if mood == "breaks":
            raise KeyError(frame["email"].iloc[0])
        if mood == "exits":
            raise SystemExit(frame["email"].iloc[0])
        if mood == "forgets":
            return ["a"]
        return ["a"] * len(frame)


def moody(tmp_path: Path, **manifest: Any) -> Served:
    frame = pd.DataFrame({"mood": ["fine", "well"], "email": ["a@example.org", "b@example.org"]})
    return serve(lay(tmp_path, Moody(), frame, manifest=manifest))


@pytest.mark.parametrize(
    ("mood", "status", "code"),
    [
        ("rejects", 422, ErrorCode.MODEL_REJECTED_INPUT),
        ("breaks", 500, ErrorCode.MODEL_FAILED),
        ("exits", 500, ErrorCode.MODEL_FAILED),
        ("forgets", 500, ErrorCode.MODEL_FAILED),
    ],
)
def test_a_models_exception_is_told_and_traced(tmp_path: Path, mood: str, status: int, code: str) -> None:
    """What a model raises becomes an error with a code; the traceback is in the event and never in the answer; the service lives on."""
    served = moody(tmp_path)

    async def talk(client: Client) -> tuple[Response, Response]:
        bad = await client.post("/predict", {"rows": [{"mood": mood, "email": CANARY}] * 2})
        return bad, await client.post("/predict", {"mood": "fine", "email": "x"})

    bad, good = served.run(talk)

    assert (bad.status, bad.json()["error"]["code"], good.status) == (status, code, 200)
    assert "Traceback" not in bad.body.decode()
    assert served.spool.events[0][Field.ERROR_STACK].startswith("Traceback")


@pytest.mark.parametrize("mood", ["rejects", "breaks", "exits"])
@pytest.mark.parametrize("settings", [{}, {Env.LOG_INPUTS: "0"}], ids=["private", "no inputs"])
def test_an_exception_does_not_leak_what_is_guarded(tmp_path: Path, mood: str, settings: dict[str, str]) -> None:
    """A model's exception that repeats a guarded value does not bring it into an event."""
    manifest = {} if settings else {"private": ["email"]}
    frame = pd.DataFrame({"mood": ["fine", "well"], "email": ["a@example.org", "b@example.org"]})
    served = serve(lay(tmp_path, Moody(), frame, manifest=manifest), **settings)

    served.post({"mood": mood, "email": CANARY})

    assert served.spool.events[0][Field.ERROR_STACK]
    assert CANARY not in json.dumps(served.spool.events)


@pytest.mark.parametrize(
    "content",
    [
        {"age": 41, "sex": "male", "hours": 1.0, "email": CANARY},
        {"age": 41, "sex": "male", "hours": "x", "email": CANARY},
        {"age": CANARY, "sex": "male", "hours": 1.0, "email": "x"},
        {"age": 41, "sex": "male", "hours": 1.0, "email": [CANARY]},
        {"age": 41, "sex": "male", "hours": 1.0, "email": 1, CANARY: 1},
        {"age": 41, "sex": "male", "hours": 1.0, "e-mail": CANARY},
        {"rows": [CANARY]},
        {"rows": CANARY},
        {"columns": {"email": CANARY}},
        {"columns": {"email": [CANARY, 1]}},
        [CANARY],
        CANARY,
    ],
)
def test_no_event_holds_a_guarded_value(guarded: Laid, key: str, content: Any) -> None:
    """However a request is malformed, no guarded value comes into its event."""
    served = serve(guarded, **{Env.HASH_KEY_FILE: key})

    served.post(content)

    (event,) = served.spool.events
    assert CANARY not in json.dumps(event)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"age": 41, "sex": "male", "hours": 1.0, "email": 12345678}, False),
        ({"age": "12345678", "sex": "male", "hours": 1.0, "email": "x"}, False),
        ({"columns": {"email": "12345678"}}, False),
        ("12345678", False),
        ({"age": 41, "sex": "male", "hours": "12345678", "email": "x"}, True),
    ],
)
def test_an_answer_shows_no_guarded_value(guarded: Laid, key: str, content: Any, *, shown: bool) -> None:
    """Error answers end up in logs of clients and gateways: they must show the values of columns that are not guarded, and no other."""
    served = serve(guarded, **{Env.HASH_KEY_FILE: key})

    response = served.post(content)

    assert response.status == 422
    assert ("12345678" in response.body.decode()) is shown


@pytest.mark.parametrize("path", [f"/predict/{CANARY}", f"/{CANARY}", f"/v2/models/{CANARY}/infer", f"/v2/{CANARY}"])
def test_a_path_that_is_no_route_is_not_written(guarded: Laid, plain: Laid, key: str, path: str) -> None:
    """A value in the path of no route must not come into an event, unless nothing is guarded; the path of a route is written always."""

    async def talk(client: Client) -> tuple[Response, Response]:
        return await client.post(path, {}), await client.post("/predict", {})

    hiding, showing = serve(guarded, **{Env.HASH_KEY_FILE: key}), serve(plain)

    missing, _ = hiding.run(talk)
    showing.run(talk)

    assert missing.status == 404
    assert CANARY not in json.dumps(hiding.spool.events) + missing.body.decode()
    assert [served.spool.events[1][Field.PATH] for served in (hiding, showing)] == ["/predict", "/predict"]
    assert showing.spool.events[0][Field.PATH] == path


def test_a_first_line_of_csv_that_names_nothing_is_not_shown(guarded: Laid, key: str) -> None:
    """Without a line of names the first row stands in their place: neither answer nor event may show it as a name."""
    served = serve(guarded, **{Env.HASH_KEY_FILE: key})

    answer = served.run(
        lambda client: client.post("/predict", body=f"41,male,1.5,{CANARY}\r\n".encode(), headers={"content-type": "text/csv"})
    )

    assert answer.status == 422
    assert "a first line that names the columns" in answer.json()["error"]["message"]
    assert CANARY not in answer.body.decode() + json.dumps(served.spool.events)


def test_a_models_rejection_is_told_by_its_type_alone(tmp_path: Path) -> None:
    """An exception that repeats a guarded value must not bring it into the answer; without guarded columns it is told whole."""
    told = moody(tmp_path).post({"mood": "rejects", "email": CANARY}).body.decode()
    (tmp_path / "guarded").mkdir()
    kept = moody(tmp_path / "guarded", private=["email"]).post({"mood": "rejects", "email": CANARY}).body.decode()

    assert CANARY in told
    assert CANARY not in kept
    assert "ValueError" in kept


def test_the_range_of_a_guarded_column_is_not_published(guarded: Laid, key: str) -> None:
    """The lowest and highest value of a guarded column are values of somebody: neither /schema nor /docs.json may hold them."""
    served = serve(guarded, **{Env.HASH_KEY_FILE: key})

    async def read(client: Client) -> tuple[Response, Response]:
        return await client.get("/schema"), await client.get("/docs.json")

    schema, docs = served.run(read)

    ranges = {column["name"]: (column["minimum"], column["maximum"]) for column in schema.json()["columns"]}
    assert ranges["age"] == (None, None)
    assert ranges["hours"] != (None, None)
    age = docs.json()["components"]["schemas"]["Row"]["properties"]["age"]
    assert "reference data" not in age.get("description", "")


def test_a_hashed_column_is_logged_as_a_hash(guarded: Laid, key: str) -> None:
    """A prediction's event has a hash where the column is hashed, and no private column."""
    served = serve(guarded, **{Env.HASH_KEY_FILE: key})

    served.post({"age": 41, "sex": "male", "hours": None, "email": CANARY})

    inputs = served.spool.events[0][Field.INPUTS]
    assert inputs.keys() == {"age", "sex", "hours"}
    assert len(inputs["age"][0]) == 32
