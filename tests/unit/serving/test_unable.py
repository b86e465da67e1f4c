"""A service that cannot be put together says so."""

from __future__ import annotations

import asyncio

from mlsandbox_serving.contract import Env, Route
from mlsandbox_serving.service.unable import unable
from support.asgi import Client


def test_a_service_that_cannot_start_must_refuse_for_good() -> None:
    """A worker that cannot be put together must be alive, say why it will never be ready, and refuse predictions."""

    async def ask() -> None:
        async with Client(unable(ImportError("no module named numpy"), {Env.STACK_ID: "s1", Env.MODEL: "churn"})) as client:
            ready, live, predicted = await client.get(Route.READY), await client.get(Route.LIVE), await client.post(Route.PREDICT, {})
        assert ready.status == 503
        assert ready.json()["final"] is True
        assert ready.json()["stack_id"] == "s1"
        assert "no module named numpy" in ready.json()["reason"]
        assert live.status == 200
        assert predicted.status == 503
        error = predicted.json()["error"]
        assert error["code"] == "NOT_READY"
        assert error["request_id"] == predicted.headers["x-request-id"] != ready.headers["x-request-id"]

    asyncio.run(ask())


def test_clients_of_the_inference_protocol_are_told_as_they_expect() -> None:
    """Under /v2 a worker that cannot be put together must be live, and give its reason as the text that the protocol has."""

    async def ask() -> None:
        async with Client(unable(ImportError("no module named numpy"), {})) as client:
            live, ready, other = await client.get(Route.V2_LIVE), await client.get(Route.V2_READY), await client.get("/v2x")
        assert (live.status, live.json()) == (200, {"live": True})
        assert ready.status == 503
        assert "no module named numpy" in ready.json()["error"]
        assert ready.json()["request_id"] == ready.headers["x-request-id"]
        assert other.json()["error"]["code"] == "NOT_READY"

    asyncio.run(ask())


def test_heads_alone() -> None:
    """HEAD must get the headers of GET, and no body."""

    async def ask() -> None:
        async with Client(unable(ImportError("no module named numpy"), {})) as client:
            got, head = await client.get(Route.LIVE), await client.request("HEAD", Route.LIVE)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", got.headers["content-length"])

    asyncio.run(ask())
