"""The service over HTTP, driven without a socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mlsandbox_serving.contract import Env, ErrorCode, Field, NotReady
from mlsandbox_serving.service.app import App
from mlsandbox_serving.service.measures import Measures
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.service.runtime import Runtime
from mlsandbox_serving.service.settings import Settings
from support.asgi import Client, NoResponse, Response
from support.served import Laid, fitted, lay, people

CANARY = "canary@example.org"


class StandInSpool:
    """Stands in for the spool's files: keeps events in memory, and can be told to be unwritable."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.written = 0
        self.dropped: dict[str, int] = {}
        self.reason: str | None = None
        self.closed = False

    def append(self, record: Mapping[str, object], timestamp: float) -> None:
        json.dumps([record, timestamp])
        self.events.append(dict(record))
        self.written += 1

    def writable(self) -> str | None:
        return self.reason

    def close(self) -> None:
        self.closed = True


@dataclass
class Served:
    """An application and what is around it."""

    app: App
    spool: StandInSpool
    runtime: Runtime
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.app)

    def run(self, talk: Callable[[Client], Awaitable[Any]], *, wait: bool = True) -> Any:
        """Run `talk` with the service started, by default once it is ready or has given up."""

        async def conversation() -> Any:
            async with self.client as client:
                if wait:
                    await loaded(client)
                return await talk(client)

        return asyncio.run(asyncio.wait_for(conversation(), 60))

    def post(self, content: Any = None, **options: Any) -> Response:
        """One request to /predict."""
        answer = self.run(lambda client: client.post("/predict", content, **options))
        assert isinstance(answer, Response)
        return answer


async def loaded(client: Client) -> None:
    """Wait until the service is ready or has given up."""
    while (await client.get("/readyz")).json()["code"] == NotReady.LOADING:  # noqa: ASYNC110 - a probe, as the engine's
        await asyncio.sleep(0.005)


async def metrics_of(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples of /metrics without the labels that are always the same."""
    text = (await client.get("/metrics")).body.decode()
    return {
        (
            sample.name,
            tuple(sorted((name, value) for name, value in sample.labels.items() if name not in {"model", "version"})),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def serve(laid: Laid, **environ: str) -> Served:
    spool = StandInSpool()
    package = Package.read(laid.root)
    registry = CollectorRegistry()
    measures = Measures(package.identity, "sklearn", registry)
    settings = Settings.read({Env.STACK_ID: "nonce", **environ})
    runtime = Runtime(package, settings, model_folder=lambda: laid.model, spool=spool, measures=measures)
    return Served(App(None, runtime, lambda: generate_latest(registry)), spool, runtime)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """A package without guarded columns."""
    frame = people()
    return lay(tmp_path_factory.mktemp("plain"), fitted(frame), frame)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """A package with a private and a hashed column."""
    frame = people()
    return lay(tmp_path_factory.mktemp("guarded"), fitted(frame), frame, manifest={"private": ["email"], "hashed": ["age"]})


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A key file for hashed columns."""
    file = tmp_path / "key"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    return str(file)


def rows_of(count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(people().head(count).to_json(orient="records"))
    return rows


def test_predictions_are_the_models_own(plain: Laid) -> None:
    """Labels and probabilities of an answer are what the model says in the interpreter in which it was trained."""
    frame = people()
    model = fitted(frame)

    answer = serve(plain).post({"rows": rows_of(50)}).json()

    assert answer["predictions"] == model.predict(frame.head(50)).tolist()
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(frame.head(50)), rtol=1e-9)
    assert (answer["model"], answer["version"]) == ("toy", "v1")


def test_one_row_rows_and_columns_answer_the_same(plain: Laid) -> None:
    """The three forms of a request get the same predictions."""
    row = rows_of(1)[0]

    answers = [serve(plain).post(content).json() for content in (row, {"rows": [row]}, {"columns": {name: [row[name]] for name in row}})]

    assert len({json.dumps(answer["predictions"] + answer["probabilities"]) for answer in answers}) == 1


def test_the_event_is_written_before_the_answer_leaves(plain: Laid) -> None:
    """When the first byte of an answer is sent, its event is in the spool, with the same request id."""
    served = serve(plain)
    at_answer: list[int] = []
    inner = served.app

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watched_send(message: Any) -> None:
            if scope.get("path") == "/predict" and message["type"] == "http.response.start":
                at_answer.append(len(served.spool.events))
            await send(message)

        await inner(scope, receive, watched_send)

    served.client = Client(watched)

    answer = served.post(rows_of(1)[0]).json()

    assert at_answer == [1]
    assert served.spool.events[0][Field.REQUEST_ID] == answer["request_id"]
    assert served.spool.events[0][Field.PREDICTIONS] == answer["predictions"]


def test_a_sane_request_id_is_kept(plain: Laid) -> None:
    """A client's request id is answered and logged; one that no header may hold, or that is too long, is replaced."""
    row = rows_of(1)[0]

    for sent, kept in (
        ("order 4711/a", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("evil\r\nset-cookie: a", False),
        ("ü", False),
        (" ", False),
    ):
        served = serve(plain)
        response = served.post(row, headers={"x-request-id": sent})

        answered = response.headers["x-request-id"]
        assert (answered == sent) is kept
        assert answered == response.json()["request_id"] == served.spool.events[0][Field.REQUEST_ID]
        assert response.headers["x-model-version"] == "v1"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", "0af7651916cd43dd8448eb211c80319c"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", None),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", None),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", None),
        ("nonsense", None),
    ],
)
def test_a_trace_is_continued(plain: Laid, header: str, trace: str | None) -> None:
    """The trace id of a valid traceparent is in the event; an invalid one is as none."""
    served = serve(plain)

    served.post(rows_of(1)[0], headers={"traceparent": header})

    assert served.spool.events[0].get(Field.TRACE_ID) == trace


@pytest.mark.parametrize(
    ("request_of", "status", "code"),
    [
        (lambda client: client.post("/predict", body=b"{"), 400, ErrorCode.UNREADABLE_BODY),
        (lambda client: client.get("/nothing"), 404, ErrorCode.NOT_FOUND),
        (lambda client: client.get("/predict/"), 404, ErrorCode.NOT_FOUND),
        (lambda client: client.get("/schema.json"), 404, ErrorCode.NOT_FOUND),
        (lambda client: client.get("/predict"), 405, ErrorCode.METHOD_NOT_ALLOWED),
        (lambda client: client.post("/schema", {}), 405, ErrorCode.METHOD_NOT_ALLOWED),
        (lambda client: client.post("/predict", body=b"x" * 5_001), 413, ErrorCode.BODY_TOO_LARGE),
        (lambda client: client.request("POST", "/predict", parts=[b"x" * 3_000] * 2), 413, ErrorCode.BODY_TOO_LARGE),
        (lambda client: client.post("/predict", {}, headers={"content-length": "5001"}), 413, ErrorCode.BODY_TOO_LARGE),
        (lambda client: client.post("/predict", {"rows": [{}] * 21}), 413, ErrorCode.TOO_MANY_ROWS),
        (
            lambda client: client.post("/predict", {}, headers={"content-type": "application/octet-stream"}),
            415,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            lambda client: client.post("/predict", {}, headers={"content-type": "application/vnd.bentoml+pickle"}),
            415,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            lambda client: client.post("/predict", {}, headers={"content-type": "application/x-www-form-urlencoded"}),
            415,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        ),
        (lambda client: client.post("/predict", {}, headers={"content-encoding": "gzip"}), 415, ErrorCode.UNSUPPORTED_MEDIA_TYPE),
        (lambda client: client.post("/predict", {"age": 1}), 422, ErrorCode.SCHEMA_MISMATCH),
        (lambda client: client.post("/predict", []), 422, ErrorCode.SCHEMA_MISMATCH),
    ],
)
def test_whatever_is_refused_is_json_and_logged(
    plain: Laid, request_of: Callable[[Client], Awaitable[Response]], status: int, code: str
) -> None:
    """Every refusal has the same JSON form and is an event with the same request id."""
    served = serve(plain, **{Env.MAX_BODY_BYTES: "5000", Env.MAX_ROWS: "20"})

    response = served.run(request_of)

    error = response.json()["error"]
    assert (response.status, error["code"]) == (status, code)
    assert error.keys() == {"code", "message", "details", "request_id"}
    assert response.headers["content-type"] == "application/json"
    (event,) = served.spool.events
    assert (event[Field.STATUS], event[Field.ERROR_CODE], event[Field.REQUEST_ID]) == (status, code, error["request_id"])


def test_a_json_content_type_with_parameters_is_json(plain: Laid) -> None:
    """A charset beside application/json does no harm, nor does a missing content type."""
    body = json.dumps(rows_of(1)[0]).encode()

    assert serve(plain).post(body=body, headers={"content-type": "Application/JSON; charset=utf-8"}).status == 200
    assert serve(plain).run(lambda client: client.request("POST", "/predict", parts=[body[:10], body[10:]])).status == 200


def test_a_mismatch_is_told_by_row_column_and_value(plain: Laid) -> None:
    """A client that sends a wrong value learns which, in a form that programs read."""
    row = rows_of(1)[0]

    error = serve(plain).post({"rows": [row, {**row, "sex": "other"}]}).json()["error"]

    assert error["details"] == {
        "total": 1,
        "faults": [
            {"row": 1, "column": "sex", "value": "other", "expected": "one of 'female', 'male'", "problem": "not a known category"},
        ],
    }
    assert "row 1, column 'sex'" in error["message"]


def test_readiness_says_loading_then_ready(plain: Laid) -> None:
    """Until the golden rows are reproduced /readyz is 503 and a prediction refused; /livez, /schema and /docs.json answer meanwhile."""
    served = serve(plain)

    async def talk(client: Client) -> list[Response]:
        early = [await client.get("/readyz"), await client.post("/predict", rows_of(1)[0])]
        early += [await client.get("/livez"), await client.get("/schema")]
        await loaded(client)
        return [*early, await client.get("/readyz")]

    before, refused, live, schema, after = served.run(talk, wait=False)

    assert (before.status, before.json()["code"], before.json()["final"]) == (503, NotReady.LOADING, False)
    assert (refused.status, refused.json()["error"]["code"], refused.headers["retry-after"]) == (503, ErrorCode.NOT_READY, "1")
    assert (live.status, live.json()) == (200, {"live": True, "stack_id": "nonce"})
    assert [column["name"] for column in schema.json()["columns"]] == ["age", "sex", "hours", "email"]
    assert after.json() == {
        "ready": True,
        "stack_id": "nonce",
        "model": "toy",
        "version": "v1",
        "code": None,
        "reason": None,
        "final": False,
        "details": {},
        "golden": {"rows": 50, "bit_equal": 50},
    }


def own_copy(tmp_path: Path, **manifest: Any) -> Laid:
    frame = people()
    return lay(tmp_path, fitted(frame), frame, manifest=manifest)


def test_a_flipped_byte_is_never_loaded(tmp_path: Path) -> None:
    """A model file that is not the packaged one is not loaded; /readyz names it and both digests, and says that waiting is useless."""
    laid = own_copy(tmp_path)
    file = laid.model / "model.joblib"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    async def talk(client: Client) -> tuple[Response, Response]:
        return await client.get("/readyz"), await client.post("/predict", rows_of(1)[0])

    ready, refused = serve(laid).run(talk)

    body = ready.json()
    assert (ready.status, body["code"], body["final"]) == (503, NotReady.MODEL_DIGEST_MISMATCH, True)
    assert "model.joblib" in body["reason"]
    assert body["details"]["expected"] == laid.manifest()["files"][0]["sha256"] != body["details"]["found"]
    assert (refused.status, refused.headers.get("retry-after")) == (503, None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A model file that is gone is named like one that was changed."""
    laid = own_copy(tmp_path)
    (laid.model / "model.joblib").unlink()

    body = serve(laid).run(lambda client: client.get("/readyz")).json()

    assert (body["code"], body["details"]["found"]) == (NotReady.MODEL_DIGEST_MISMATCH, None)


def test_changed_code_of_the_user_is_never_imported(tmp_path: Path) -> None:
    """Code that was handed over with the model is pinned as the model is."""
    laid = own_copy(tmp_path, code=[{"path": "features.py", "sha256": "0" * 64}])
    (laid.root / "package" / "code").mkdir()
    (laid.root / "package" / "code" / "features.py").write_text("raise SystemExit\n")

    body = serve(laid).run(lambda client: client.get("/readyz")).json()

    assert (body["code"], body["details"]["file"]) == (NotReady.MODEL_DIGEST_MISMATCH, "features.py")


def test_other_predictions_than_captured_are_not_served(tmp_path: Path) -> None:
    """A model that does not reproduce its golden rows stays not ready for good, and the reason names row, values and library versions."""
    laid = own_copy(tmp_path, libraries={"scikit-learn": "1.0.1"}, roots=["scikit-learn"], private=["email"])

    def flip(golden: dict[str, Any]) -> None:
        golden["predictions"][3] = "maybe"

    laid.change("golden.json", flip)
    served = serve(laid)

    async def talk(client: Client) -> tuple[Response, Response]:
        return await client.get("/readyz"), await client.post("/predict", rows_of(1)[0])

    ready, refused = served.run(talk)

    body = ready.json()
    assert (ready.status, body["code"], body["final"], body["golden"]) == (
        503,
        NotReady.GOLDEN_MISMATCH,
        True,
        {"rows": 50, "bit_equal": 49},
    )
    assert "row 3: prediction" in body["reason"]
    assert "scikit-learn 1.0.1 when captured" in body["reason"]
    assert body["details"]["differences"][0]["expected"] == "maybe"
    assert "@example.org" not in json.dumps(body)
    assert refused.json()["error"]["code"] == ErrorCode.NOT_READY


def test_a_file_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    """What loading raised is the reason, beside the libraries that differ."""
    laid = own_copy(tmp_path, libraries={"numpy": "0.9"})
    laid.change("package.json", lambda manifest: manifest["load"].update(kind="lightgbm"))

    body = serve(laid).run(lambda client: client.get("/readyz")).json()

    assert (body["code"], body["final"]) == (NotReady.LOAD_FAILED, True)
    assert "numpy 0.9 when captured" in body["reason"]


def test_hashed_columns_need_a_key(guarded: Laid) -> None:
    """Without a key nothing is served, rather than values be logged in the clear."""
    body = serve(guarded).run(lambda client: client.get("/readyz")).json()

    assert (body["code"], body["final"]) == (NotReady.LOAD_FAILED, True)
    assert Env.HASH_KEY_FILE in body["reason"]


def test_without_golden_rows_a_loaded_model_is_ready(tmp_path: Path) -> None:
    """A model that was packaged without reference data is ready once it is loaded."""
    laid = own_copy(tmp_path)
    (laid.root / "package" / "golden.json").unlink()

    body = serve(laid).run(lambda client: client.get("/readyz")).json()

    assert (body["ready"], body["golden"]) == (True, None)


def test_an_unwritable_spool_is_not_ready_but_still_answers(plain: Laid) -> None:
    """While events cannot be written /readyz says so, for as long as it is so, and predictions are answered all the same."""
    served = serve(plain)
    served.spool.reason = "cannot write events: No space left on device"

    async def talk(client: Client) -> tuple[Response, Response, Response]:
        unready = await client.get("/readyz")
        answered = await client.post("/predict", rows_of(1)[0])
        served.spool.reason = None
        return unready, answered, await client.get("/readyz")

    unready, answered, ready = served.run(talk)

    assert (unready.status, unready.json()["code"], unready.json()["final"]) == (503, NotReady.SPOOL_UNWRITABLE, False)
    assert "No space left" in unready.json()["reason"]
    assert (answered.status, ready.status) == (200, 200)


def test_a_stopping_service_says_so_and_finishes(plain: Laid) -> None:
    """Once it stops, /readyz is 503 and requests in hand are answered; at the end the spool is closed."""
    served = serve(plain)

    async def talk(client: Client) -> tuple[Response, Response]:
        served.runtime.begin_stop()
        return await client.get("/readyz"), await client.post("/predict", rows_of(1)[0])

    ready, answered = served.run(talk)

    assert (ready.status, ready.json()["code"], answered.status) == (503, NotReady.STOPPING, 200)
    assert served.spool.closed


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


def test_the_clients_own_answer_shows_its_value(guarded: Laid, key: str) -> None:
    """A client sees what it sent, also of a private column: it is only the log that must not hold it."""
    served = serve(guarded, **{Env.HASH_KEY_FILE: key})

    response = served.post({"age": 41, "sex": "male", "hours": 1.0, "email": 12345678})

    assert "12345678" in response.body.decode()
    assert "12345678" not in json.dumps(served.spool.events)


def test_a_hashed_column_is_logged_as_a_hash(guarded: Laid, key: str) -> None:
    """A prediction's event has a hash where the column is hashed, and no private column."""
    served = serve(guarded, **{Env.HASH_KEY_FILE: key})

    served.post({"age": 41, "sex": "male", "hours": None, "email": CANARY})

    inputs = served.spool.events[0][Field.INPUTS]
    assert inputs.keys() == {"age", "sex", "hours"}
    assert len(inputs["age"][0]) == 32


def test_the_example_of_the_documentation_predicts(plain: Laid, guarded: Laid) -> None:
    """The example row in /docs.json is accepted as it stands, and holds no guarded value of the reference data."""
    document = serve(plain).run(lambda client: client.get("/docs.json")).json()
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]["row"]["value"]
    other = serve(guarded).run(lambda client: client.get("/docs.json")).json()

    assert serve(plain).post(example).status == 200
    assert document["openapi"] == "3.1.0"
    assert "@example.org" not in json.dumps(other)


def test_openapi_describes_the_columns(plain: Laid) -> None:
    """The document has one property per column with its JSON type, its categories and whether it may be null."""
    row = serve(plain).run(lambda client: client.get("/docs.json")).json()["components"]["schemas"]["Row"]

    assert {name: value.get("type", value.get("enum")) for name, value in row["properties"].items()} == {
        "age": "integer",
        "sex": ["female", "male"],
        "hours": ["number", "null"],
        "email": "string",
    }
    assert row["additionalProperties"] is False


def test_metrics_count_what_happened(plain: Laid) -> None:
    """Requests by code, rows, classes, scores, events and golden rows are counted under the contract's names."""
    served = serve(plain)

    async def talk(client: Client) -> tuple[Any, Any]:
        answer = (await client.post("/predict", {"rows": rows_of(20)})).json()
        await client.post("/predict", {"age": 1})
        served.spool.dropped = {"disk_full": 2}
        await client.get("/nothing")
        return answer, await metrics_of(client)

    answer, samples = served.run(talk)

    assert samples["sandbox_requests_total", (("code", "200"), ("route", "/predict"))] == 1
    assert samples["sandbox_requests_total", (("code", "422"), ("route", "/predict"))] == 1
    assert samples["sandbox_requests_total", (("code", "404"), ("route", "other"))] == 1
    assert samples["sandbox_request_duration_seconds_count", (("route", "/predict"),)] == 2
    assert samples["sandbox_request_rows_sum", ()] == 20
    for label in ("no", "yes"):
        assert samples["sandbox_predictions_total", (("class", label),)] == answer["predictions"].count(label)
    assert samples["sandbox_prediction_score_count", ()] == 20
    assert samples["sandbox_prediction_score_sum", ()] == pytest.approx(sum(max(row) for row in answer["probabilities"]))
    assert samples["sandbox_events_written_total", ()] == 3
    assert samples["sandbox_events_dropped_total", (("reason", "disk_full"),)] == 2
    assert samples["sandbox_golden_rows", (("result", "bit_equal"),)] == 50
    assert samples["sandbox_requests_in_flight", ()] == 1
    assert samples["sandbox_model_ready", ()] == 1


def test_a_slow_prediction_does_not_stop_probes(plain: Laid) -> None:
    """While the model computes /livez answers, and a client that hangs up meanwhile does not lose the prediction's event."""
    served = serve(plain)
    go_on = threading.Event()

    async def talk(client: Client) -> tuple[Response, Response]:
        original = served.runtime._served
        assert original is not None
        answer = original.answer

        def slow(body: bytes, *, max_rows: int) -> Any:
            go_on.wait(30)
            return answer(body, max_rows=max_rows)

        original.answer = slow  # type: ignore[method-assign]
        prediction = asyncio.ensure_future(client.post("/predict", rows_of(1)[0]))
        await asyncio.sleep(0)
        live = await client.get("/livez")
        assert not prediction.done()
        go_on.set()
        return live, await prediction

    live, answered = served.run(talk)

    assert (live.status, answered.status, len(served.spool.events)) == (200, 200, 1)


def test_a_client_that_hangs_up_is_counted(plain: Laid) -> None:
    """A request whose client is gone before it is whole gets no answer and is counted as 499."""
    served = serve(plain)

    async def talk(client: Client) -> Any:
        with pytest.raises(NoResponse):
            await client.request("POST", "/predict", parts=[b'{"age":', None])
        return await metrics_of(client)

    assert served.run(talk)["sandbox_requests_total", (("code", "499"), ("route", "/predict"))] == 1


def test_head_is_get_without_a_body(plain: Laid) -> None:
    """HEAD answers the headers of GET."""
    response = serve(plain).run(lambda client: client.request("HEAD", "/livez"))

    assert (response.status, response.body) == (200, b"")
    assert int(response.headers["content-length"]) > 0


def test_answers_never_hold_nan(tmp_path: Path) -> None:
    """A model that answers NaN or infinity is answered as null, in the event too."""
    served = serve(lay(tmp_path, Gaps(), pd.DataFrame({"x": [1.0, 2.0]})))

    response = served.post({"rows": [{"x": 0.0}, {"x": -1.0}, {"x": 4.0}]})

    assert response.json()["predictions"] == [None, None, 2.0]
    assert served.spool.events[0][Field.PREDICTIONS] == [None, None, 2.0]


class Gaps:
    """A model with holes."""

    def predict(self, frame: pd.DataFrame) -> Any:
        return np.array([np.inf if x == 0 else np.nan if x < 0 else x**0.5 for x in frame["x"]])
