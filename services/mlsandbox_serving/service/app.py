"""The ASGI application of a model service.

It stands where BentoML's application stood, and answers every HTTP request itself: only the lifespan goes through to BentoML's.
BentoML's own routes (its /predict, its pickle bodies, its /schema.json, its metrics) are not reachable behind it, and so none of
them can answer past the schema check or without an event.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from types import FrameType
from typing import Any, Final

from mlsandbox_serving import metrics
from mlsandbox_serving.contract import ErrorCode, Header, Route
from mlsandbox_serving.record import Facts, stack_trace
from mlsandbox_serving.service import openapi
from mlsandbox_serving.service.exchange import (
    JSON,
    Answer,
    AsgiApp,
    ClientGone,
    Message,
    Receive,
    Send,
    facts_of,
    headers_of,
    json_answer,
    read_body,
    send_answer,
)
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.runtime import Runtime

_log = logging.getLogger(__name__)
_CLIENT_GONE: Final = 499
_GET: Final = ("GET", "HEAD")

Handler = Callable[[Facts, Mapping[str, str], Receive], Awaitable[Answer]]


class App:
    """Answers HTTP for one worker.

    Args:
        inner: BentoML's application; it gets the lifespan, nothing else.
        runtime: the model.
        render_metrics: the text of /metrics.
    """

    def __init__(self, inner: AsgiApp | None, runtime: Runtime, render_metrics: Callable[[], bytes]) -> None:
        self._inner = inner
        self._runtime = runtime
        self._render_metrics = render_metrics
        self._routes: dict[str, tuple[tuple[str, ...], Handler]] = {
            Route.PREDICT: (("POST",), self._predict),
            Route.FEEDBACK: (("POST",), self._feedback),
            Route.SCHEMA: (_GET, self._schema),
            Route.OPENAPI: (_GET, self._openapi),
            Route.LIVE: (_GET, self._live),
            Route.READY: (_GET, self._ready),
            Route.METRICS: (_GET, self._metrics),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One connection's scope, as ASGI says."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        facts = facts_of(scope, headers)
        measures = self._runtime.measures
        status = _CLIENT_GONE
        measures.in_flight.inc()
        try:
            answer = await self._answer(facts, headers, receive)
            status = answer.status
        except ClientGone:
            return
        finally:
            measures.in_flight.dec()
            measures.answered(facts.path, status, (time.perf_counter_ns() - facts.started) / 1e9)
        own = {Header.REQUEST_ID: facts.request_id, Header.MODEL_VERSION: self._runtime.identity.version}
        await send_answer(send, answer, own, head=facts.method == "HEAD")

    async def _answer(self, facts: Facts, headers: Mapping[str, str], receive: Receive) -> Answer:
        try:
            return await self._route(facts)(facts, headers, receive)
        except RequestRefused as refused:
            refusal = refused
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - a client gets JSON whatever happens
            stack = stack_trace(error, texts=False)
            _log.error("a fault of the service, not of the model:\n%s", stack)
            message = f"the service failed with {type(error).__name__}; the event of this request holds the traceback"
            refusal = RequestRefused(500, ErrorCode.INTERNAL, message, stack=stack)
        self._runtime.failed(facts, refusal.failure)
        return json_answer(refusal.failure.status, refusal.body(facts.request_id), refusal.headers)

    def _route(self, facts: Facts) -> Handler:
        if facts.path not in self._routes:
            raise RequestRefused(404, ErrorCode.NOT_FOUND, f"no such route; there are {', '.join(self._routes)}")
        methods, handler = self._routes[facts.path]
        if facts.method not in methods:
            allowed = ", ".join(methods)
            raise RequestRefused(405, ErrorCode.METHOD_NOT_ALLOWED, f"{facts.path} takes {allowed}", headers={"allow": allowed})
        return handler

    async def _predict(self, facts: Facts, headers: Mapping[str, str], receive: Receive) -> Answer:
        self._runtime.refuse_unless_served()
        return await self._runtime.predict(facts, await self._body(headers, receive))

    async def _feedback(self, facts: Facts, headers: Mapping[str, str], receive: Receive) -> Answer:
        return await self._runtime.feedback(facts, await self._body(headers, receive))

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        _refuse_other_content(headers)
        limit = self._runtime.settings.max_body
        body = await read_body(receive, headers, limit)
        if body is None:
            # The rest of the body is not read: the connection cannot be used again.
            raise RequestRefused(
                413,
                ErrorCode.BODY_TOO_LARGE,
                f"the body is larger than {limit} bytes: send fewer rows at once",
                details={"limit": limit},
                headers={"connection": "close"},
            )
        return body

    async def _schema(self, _facts: Facts, _headers: Mapping[str, str], _receive: Receive) -> Answer:
        identity = self._runtime.identity
        return json_answer(200, {"model": identity.model, "version": identity.version, **self._runtime.package.public_schema})

    async def _openapi(self, _facts: Facts, _headers: Mapping[str, str], _receive: Receive) -> Answer:
        return json_answer(200, openapi.document(self._runtime.package))

    async def _live(self, _facts: Facts, _headers: Mapping[str, str], _receive: Receive) -> Answer:
        return json_answer(200, {"live": True, "stack_id": self._runtime.settings.stack_id})

    async def _ready(self, _facts: Facts, _headers: Mapping[str, str], _receive: Receive) -> Answer:
        state = self._runtime.state()
        return json_answer(200 if state.ready else 503, state.body(self._runtime.identity, self._runtime.settings.stack_id))

    async def _metrics(self, _facts: Facts, _headers: Mapping[str, str], _receive: Receive) -> Answer:
        return Answer(200, await asyncio.to_thread(self._render_metrics), metrics.CONTENT_TYPE)

    async def _lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        async def watched() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._announce_stop()
                self._runtime.start()
            elif message["type"] == "lifespan.shutdown":
                self._runtime.stop()
            return message

        await (self._inner or _no_lifespan)(scope, watched, send)

    def _announce_stop(self) -> None:
        """Let /readyz say STOPPING from SIGTERM on; the server's own handler, which lets requests finish, still runs."""
        if threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGTERM)

        def stop(number: int, frame: FrameType | None) -> None:
            self._runtime.begin_stop()
            if callable(previous):
                previous(number, frame)

        if callable(previous):
            signal.signal(signal.SIGTERM, stop)


def _refuse_other_content(headers: Mapping[str, str]) -> None:
    """Only what is called JSON: a page of another site cannot make a browser send that unasked, but bodies without a type it can."""
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != JSON and not content_type.endswith("+json"):
        raise RequestRefused(
            415,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"the body must be {JSON} (curl: -H 'content-type: {JSON}')",
            headers={"accept": JSON},
        )
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise RequestRefused(
            415, ErrorCode.UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed", headers={"accept-encoding": "identity"}
        )


async def _no_lifespan(_scope: Any, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
