"""Labels that clients hand in: what is taken, what is refused, and that nothing is taken that is not kept."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.contract import Dataset, Env, ErrorCode, Field, Route
from mlsandbox_serving.record import Label
from mlsandbox_serving.service.feedback import MAX_FAULTS, decode_feedback
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.spool.writer import SpoolWriter
from support.asgi import Client, Response
from support.served import Laid
from support.service import Served, metrics_of, rows_of, serve

LABEL = {"request_id": "order 4711", "row": 2, "label": "yes"}


def post(served: Served, content: Any = None, **options: Any) -> Response:
    answer = served.run(lambda client: client.post(Route.FEEDBACK, content, **options))
    assert isinstance(answer, Response)
    return answer


def refusal(body: bytes, max_items: int = 10) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        decode_feedback(body, max_items=max_items)
    return caught.value


@pytest.mark.parametrize("content", [LABEL, [LABEL], {"labels": [LABEL]}])
def test_the_three_forms_are_one(plain: Laid, content: Any) -> None:
    """One label, a list of them and the envelope must become the same event, and be answered with 202 and how many were taken."""
    served = serve(plain)

    response = post(served, content)

    assert response.status == 202
    assert response.json() == {"accepted": 1, "model": "toy", "version": "v1", "request_id": response.headers["x-request-id"]}
    (event,) = served.spool.events
    assert event[Field.EVENT_DATASET] == Dataset.FEEDBACK
    assert (event[Field.REQUEST_ID], event[Field.FEEDBACK_ROW], event[Field.FEEDBACK_LABEL]) == ("order 4711", 2, "yes")
    assert (event[Field.STATUS], event[Field.PATH], event[Field.EVENT_OUTCOME], event[Field.EVENT_SEQUENCE]) == (
        202,
        "/feedback",
        "success",
        0,
    )


def test_each_label_is_an_event(plain: Laid) -> None:
    """Labels of one request must be events of their own, numbered in their order; without a row it is row 0."""
    served = serve(plain)

    assert post(served, [{"request_id": "a", "label": label} for label in (1, 2.5, True, "x")]).json()["accepted"] == 4

    events = served.spool.events
    assert [(event[Field.EVENT_SEQUENCE], event[Field.FEEDBACK_LABEL]) for event in events] == [(0, 1), (1, 2.5), (2, True), (3, "x")]
    assert {event[Field.FEEDBACK_ROW] for event in events} == {0}
    assert len({event[Field.EVENT_ID] for event in events}) == 4


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (3, None),
        ({**LABEL, "requestId": "a"}, None),
        ({"row": 0, "label": 1}, "request_id"),
        ({**LABEL, "request_id": 7}, "request_id"),
        ({**LABEL, "request_id": ""}, "request_id"),
        ({**LABEL, "request_id": "x" * 129}, "request_id"),
        ({**LABEL, "request_id": "ü"}, "request_id"),
        ({**LABEL, "row": -1}, "row"),
        ({**LABEL, "row": 1.5}, "row"),
        ({**LABEL, "row": True}, "row"),
        ({**LABEL, "row": None}, "row"),
        ({"request_id": "a"}, "label"),
        ({**LABEL, "label": None}, "label"),
        ({**LABEL, "label": ["yes"]}, "label"),
        ({**LABEL, "label": {"yes": 1}}, "label"),
        ({**LABEL, "label": "x" * 1025}, "label"),
        ({**LABEL, "label": 2**63}, "label"),
    ],
)
def test_what_is_no_label_is_named(plain: Laid, item: Any, field: str | None) -> None:
    """An item that is no label must refuse the whole request with 422, naming the item and its field; nothing of it is kept."""
    served = serve(plain)

    response = post(served, [LABEL, item])

    error = response.json()["error"]
    assert (response.status, error["code"]) == (422, ErrorCode.FEEDBACK_INVALID)
    assert [(fault["item"], fault["field"]) for fault in error["details"]["faults"]] == [(1, field)]
    assert error["message"].startswith("item 1")
    (event,) = served.spool.events
    assert (event[Field.EVENT_DATASET], event[Field.STATUS], event[Field.PATH]) == (Dataset.ERROR, 422, "/feedback")


def test_faults_are_counted_and_the_first_told() -> None:
    """Of many faults the first must be told, and all counted."""
    refused = refusal(b"[" + b",".join([b"1"] * 30) + b"]", max_items=100)

    assert (len(refused.details["faults"]), refused.details["total"]) == (MAX_FAULTS, 30)
    assert refused.message.endswith("; and 27 more")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, ErrorCode.UNREADABLE_BODY),
        (b"{", 400, ErrorCode.UNREADABLE_BODY),
        (b"[" * 100_000, 400, ErrorCode.UNREADABLE_BODY),
        (b'{"request_id": "a", "label": NaN}', 400, ErrorCode.UNREADABLE_BODY),
        (b'"a"', 422, ErrorCode.FEEDBACK_INVALID),
        (b'{"labels": {}}', 422, ErrorCode.FEEDBACK_INVALID),
        (b"[1,1,1,1,1,1,1,1,1,1,1]", 413, ErrorCode.TOO_MANY_ROWS),
    ],
)
def test_what_is_not_read_is_refused(body: bytes, status: int, code: str) -> None:
    """What is no JSON, of another form, or too much must be refused as predictions are."""
    failure = refusal(body).failure

    assert (failure.status, failure.code) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        b'{"request_id":"a","label":1,"label":2}',
        b'[{"request_id":"a","label":1},{"request_id":"b","label":"x","lab\\u0065l":"y"}]',
        b'{"labels":[],"labels":[{"request_id":"a","label":1}]}',
    ],
)
def test_a_field_that_is_sent_twice_is_refused(body: bytes) -> None:
    """Of two labels of one item neither must silently be dropped."""
    refused = refusal(body)

    assert (refused.failure.status, refused.failure.code) == (422, ErrorCode.FEEDBACK_INVALID)


def test_more_labels_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON of many more lists and objects than labels are taken must be refused without being read."""
    monkeypatch.setattr("mlsandbox_serving.service.feedback.parse", pytest.fail)

    assert refusal(b'{"labels":[' + b"[]," * 4_000 + b"[]]}").failure.status == 413


def test_labels_that_look_like_names_are_labels() -> None:
    """A text with quotes and colons in it must be taken as it is."""
    assert decode_feedback(json.dumps([{"request_id": "a", "label": '":"label":'}]).encode(), max_items=1) == [Label("a", 0, '":"label":')]


@pytest.mark.parametrize("form", [b'{"request_id":"a","label":%b}', b'{"label":1,"label":%b}', b'{"labels":[%b]}'])
def test_every_depth_is_refused(form: bytes) -> None:
    """A label that is nested must be refused however deeply it is: no depth is a fault of the service."""
    for depth in range(700, 1_001):
        assert refusal(form % (b'{"x":[' * (depth // 2) + b"]}" * (depth // 2))).failure.status in {400, 422}


def test_messages_repeat_no_value() -> None:
    """A refused label may be private: neither answer nor log may repeat it."""
    refused = refusal(b'[{"request_id": "a", "label": ["secret"]}, {"request_id": "s\\u00e9cret", "label": 1}]')

    assert "cret" not in refused.failure.message
    assert "cret" not in str(refused.details)


def test_another_field_is_named_to_its_client_alone() -> None:
    """A field that is not taken must be named, shortened, in the answer, and not in the log."""
    refused = refusal(b'{"request_id": "a", "label": 1, "%b": 1}' % (b"id" * 100))

    assert refused.message == f"item 0: expected no other fields than request_id, row and label, got '{'id' * 20}…'"
    assert refused.failure.message.endswith("got others")


def test_a_negative_place_is_called_so() -> None:
    """A row before the first must be told as that."""
    assert refusal(b'{"request_id": "a", "label": 1, "row": -1}').message.endswith("from 0, got a negative number")


SCALARS = st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ITEMS = st.dictionaries(st.sampled_from(["request_id", "row", "label", "labels", "other"]), SCALARS | st.lists(SCALARS))


@given(SCALARS | ITEMS | st.lists(ITEMS | SCALARS))
@settings(max_examples=200)
def test_any_json_is_taken_or_refused(content: Any) -> None:
    """Whatever JSON is sent, it must be labels or an error of the client."""
    assert outcome(json.dumps(content).encode()) in {202, 400, 413, 422}


def outcome(body: bytes) -> int:
    """The status that a body gets."""
    try:
        labels = decode_feedback(body, max_items=100)
    except RequestRefused as refused:
        return refused.failure.status
    return 202 if all(isinstance(label, Label) for label in labels) else 500


def test_what_cannot_be_kept_is_not_taken(plain: Laid) -> None:
    """When the spool takes no events, labels must be answered with 503 and when to try again: they would be lost."""
    served = serve(plain)

    async def talk(client: Client) -> Response:
        served.spool.reason = "cannot write events: No space left on device"
        return await client.post(Route.FEEDBACK, LABEL)

    response = served.run(talk)

    error = response.json()["error"]
    assert (response.status, error["code"], error["details"]["code"]) == (503, "NOT_READY", "SPOOL_UNWRITABLE")
    assert response.headers["retry-after"] == "1"
    assert "No space left on device" in error["message"]


def test_a_full_spool_tells_how_many_it_took(tmp_path: Path) -> None:
    """The spool must say how many events it wrote: in a folder that is none, none."""
    (tmp_path / "file").touch()
    events = [({"n": number}, 1.0) for number in range(3)]

    good, bad = (SpoolWriter(tmp_path / name, max_bytes=10**6, worker="w") for name in ("spool", "file"))

    assert (good.append_many(events), bad.append_many(events), bad.dropped["io_error"]) == (3, 0, 3)


def test_labels_are_taken_while_the_model_loads(plain: Laid) -> None:
    """Labels are of earlier predictions: they must be taken before the model is ready, and when it never will be."""
    served = serve(plain)

    response = served.run(lambda client: client.post(Route.FEEDBACK, LABEL), wait=False)

    assert response.status == 202


def test_other_content_is_refused(plain: Laid) -> None:
    """As for predictions: a page of another site cannot hand in labels, and bodies are bounded."""

    async def talk(client: Client) -> list[int]:
        return [
            (await client.post(Route.FEEDBACK, LABEL, headers={"content-type": "text/plain"})).status,
            (await client.post(Route.FEEDBACK, body=b"x" * 101)).status,
            (await client.get(Route.FEEDBACK)).status,
        ]

    assert serve(plain, **{Env.MAX_BODY_BYTES: "100"}).run(talk) == [415, 413, 405]


def test_requests_are_counted_by_route(plain: Laid) -> None:
    """Requests must be counted under a route of their own."""

    async def talk(client: Client) -> Any:
        await client.post(Route.FEEDBACK, LABEL)
        return await metrics_of(client)

    samples = serve(plain).run(talk)

    assert samples["sandbox_requests_total", (("code", "202"), ("route", "/feedback"))] == 1


def test_predictions_say_their_classes(plain: Laid) -> None:
    """The event of a classifier's prediction must hold its classes in the order of the probabilities."""
    served = serve(plain)

    served.post({"rows": rows_of(3)})

    assert served.spool.events[0][Field.CLASSES] == ["no", "yes"]


def test_the_document_describes_it(plain: Laid) -> None:
    """OpenAPI must describe the route, its three forms and its label."""
    document = asyncio.run(_document(serve(plain)))

    forms = document["paths"]["/feedback"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert len(forms) == 3
    assert document["components"]["schemas"]["Label"]["required"] == ["request_id", "label"]
    assert document["components"]["schemas"]["Label"]["properties"]["label"]["examples"] == ["no", "yes"]


async def _document(served: Served) -> Any:
    async with served.client as client:
        return (await client.get(Route.OPENAPI)).json()
