"""Requests and answers of the service, without a socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlsandbox.endpoint import request_of
from mlsandbox_serving.contract import Env, ErrorCode, Field
from mlsandbox_serving.service.batching import Outcome, Question
from mlsandbox_serving.service.exchange import Message, read_body
from support.asgi import Client, NoResponse, Response
from support.served import Laid, fitted, lay, people
from support.service import metrics_of, rows_of, serve

JSON = {"content-type": "application/json"}


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
        assert response.headers["x-package-digest"] == plain.manifest()["digest"] == served.spool.events[0][Field.DIGEST]


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
        (lambda client: client.post("/predict", body=b"x", headers={"content-length": "9" * 5_000}), 413, ErrorCode.BODY_TOO_LARGE),
        (lambda client: client.request("POST", "/predict", parts=[b"{}"]), 415, ErrorCode.UNSUPPORTED_MEDIA_TYPE),
        (lambda client: client.request("POST", "/predict", parts=[b"x" * 3_000] * 2, headers=JSON), 413, ErrorCode.BODY_TOO_LARGE),
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
    """A charset beside application/json does no harm, nor does a body that arrives in parts."""
    body = json.dumps(rows_of(1)[0]).encode()

    assert serve(plain).post(body=body, headers={"content-type": "Application/JSON; charset=utf-8"}).status == 200
    assert serve(plain).run(lambda client: client.request("POST", "/predict", parts=[body[:10], body[10:]], headers=JSON)).status == 200


@pytest.mark.parametrize(("parts", "read"), [(6, 6), (40, 17)])
def test_a_body_past_the_limit_is_read_for_a_while(parts: int, read: int) -> None:
    """A client that is still sending must get to read its answer, unless it sends many times what it may."""
    left = list(range(parts))

    async def receive() -> Message:
        left.pop()
        return {"type": "http.request", "body": b"x" * 250, "more_body": bool(left)}

    assert asyncio.run(read_body(receive, None, 1_000, lambda _size: None)) is None
    assert parts - len(left) == read


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


def test_the_example_of_the_documentation_predicts(plain: Laid, guarded: Laid) -> None:
    """The example row in /docs.json is accepted as it stands, and holds no guarded value of the reference data."""
    document = serve(plain).run(lambda client: client.get("/docs.json")).json()
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]["row"]["value"]
    other = serve(guarded).run(lambda client: client.get("/docs.json")).json()

    assert serve(plain).post(example).status == 200
    assert document["openapi"] == "3.1.0"
    assert "@example.org" not in json.dumps(other)


def test_categories_of_guarded_columns_are_shown_to_nobody(tmp_path: Path) -> None:
    """Of a guarded column /schema, /docs.json, the page and a refusal must say that it takes categories, and name none of them."""
    frame = people()
    laid = lay(tmp_path, fitted(frame), frame, manifest={"private": ["sex"]})
    served = serve(laid)

    async def talk(client: Client) -> list[Response]:
        asked = [await client.get(path) for path in ("/schema", "/docs.json", "/", "/v2/models/toy")]
        return [*asked, await client.post("/predict", {**rows_of(1)[0], "sex": "other"})]

    schema, document, shown, protocol, refused = served.run(talk)

    assert not [answer.body for answer in (schema, document, shown, protocol, refused) if b"male" in answer.body]
    (column,) = [column for column in schema.json()["columns"] if column["name"] == "sex"]
    assert (column["type"], column["categories"], column["categories_types"]) == ("category", None, ["string"])
    assert document.json()["components"]["schemas"]["Row"]["properties"]["sex"]["type"] == ["string"]
    assert "one of its categories" in refused.json()["error"]["message"]
    assert "male" not in json.dumps(served.spool.events)


def test_a_column_called_rows(tmp_path: Path) -> None:
    """A model with a column named like an envelope must be documented, and asked by the host tool, with envelopes alone."""
    frame = people().assign(rows=1.0)
    laid = lay(tmp_path, fitted(frame), frame)
    content = serve(laid).run(lambda client: client.get("/docs.json")).json()["paths"]["/predict"]["post"]["requestBody"]["content"]
    request = content["application/json"]
    row = request["examples"]["rows"]["value"]["rows"][0]

    assert set(request["examples"]) == {"rows", "columns"}
    assert {"$ref": "#/components/schemas/Row"} not in request["schema"]["anyOf"]
    assert serve(laid).post(row).status == 422
    assert serve(laid).post(request_of(row)).status == 200


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
        answers = served.runtime._answers
        assert answers is not None
        answer = answers.answer

        def slow(questions: Sequence[Question]) -> Sequence[Outcome]:
            go_on.wait(30)
            return answer(questions)

        answers.answer = slow  # type: ignore[method-assign]
        answers.inline = False
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
            await client.request("POST", "/predict", parts=[b'{"age":', None], headers=JSON)
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
