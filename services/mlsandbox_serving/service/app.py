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
from mlsandbox_serving.service import openapi, page
from mlsandbox_serving.service.access import Access, is_open
from mlsandbox_serving.service.admission import Admission
from mlsandbox_serving.service.answers import Encode
from mlsandbox_serving.service.batching import Outcome
from mlsandbox_serving.service.codecs import encoder_for, media_type
from mlsandbox_serving.service.deadlines import Deadlines
from mlsandbox_serving.service.exchange import (
    JSON,
    Answer,
    AsgiApp,
    ClientGone,
    Message,
    Receive,
    Request,
    Send,
    facts_of,
    json_answer,
    known_headers,
    read_body,
    send_answer,
    sent_headers,
)
from mlsandbox_serving.service.oip import Inference, error_body, header_length, is_protocol, refuse_other_content
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.runtime import Runtime

_log = logging.getLogger(__name__)
_CLIENT_GONE: Final = 499
_GET: Final = ("GET", "HEAD")
_OTHER: Final = "other"

Handler = Callable[[Request], Awaitable[Answer]]


class App:
    """Answers HTTP for one worker.

    Args:
        inner: BentoML's application; it gets the lifespan, nothing else.
        runtime: the model.
        render_metrics: the text of /metrics.
        access: who may ask.
    """

    def __init__(self, inner: AsgiApp | None, runtime: Runtime, render_metrics: Callable[[], bytes], access: Access) -> None:
        self._inner = inner
        self._runtime = runtime
        self._render_metrics = render_metrics
        self._access = access
        settings = runtime.settings
        self._inference = Inference(runtime.package)
        self._admission = Admission(settings.requests_per_worker, settings.max_body)
        self._deadlines = Deadlines(settings.timeout)
        self._flushing = False
        self._version = (Header.MODEL_VERSION.encode(), runtime.identity.version.encode("latin-1"))
        self._routes: dict[str, tuple[tuple[str, ...], Handler]] = {
            Route.PREDICT: (("POST",), self._predict),
            Route.FEEDBACK: (("POST",), self._feedback),
            Route.SCHEMA: (_GET, self._schema),
            Route.OPENAPI: (_GET, self._openapi),
            Route.PAGE: (_GET, self._page),
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

    def refused_unread(self, refused: RequestRefused, request_id: str) -> None:
        """Count and log what was refused before it was a request: it could not be read, or came on one connection too many."""
        failure = refused.failure
        self._runtime.failed(Facts("", "", request_id), failure)
        self._runtime.measures.answered(_OTHER, failure.status, 0.0, received=0, sent=0)
        self._flush_soon()

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = known_headers(scope["headers"])
        request = Request(facts_of(scope["method"], scope["path"], headers), headers, receive)
        self._enter()
        try:
            answer = await self._answer(request)
        except ClientGone:
            self._leave(request, _CLIENT_GONE)
            return
        except BaseException:
            self._leave(request, _CLIENT_GONE)
            raise
        self._leave(request, answer.status, len(answer.body))
        await send_answer(send, answer, self.head_of(request, answer), head=request.facts.method == "HEAD")

    @property
    def takes_express(self) -> bool:
        """Whether there is a model to ask: see express.Taker."""
        return self._runtime.answers

    def began(self, headers: Mapping[str, str]) -> Request:
        """See express.Taker."""
        request = Request(facts_of("POST", Route.PREDICT, headers), headers)
        request.route = Route.PREDICT
        return request

    def express(self, request: Request, body: bytes, send: Callable[[Answer], None]) -> None:
        """See express.Taker."""
        request.received = len(body)
        self._enter()
        held: int | None = None

        def tell(outcome: Outcome) -> None:
            if held is not None:
                self._admission.leave(held)
            answer = outcome if isinstance(outcome, Answer) else self._failed(request, outcome)
            self._leave(request, answer.status, len(answer.body))
            send(answer)

        try:
            if not self._allowed(request):
                raise self._access.refuse()  # noqa: TRY301 - one place tells all of it
            media, encode = _formats(request)
            held = self._admit(request)
            self._runtime.predict_soon(request.facts, media, body, encode, tell)
        except Exception as error:  # noqa: BLE001 - a client gets JSON whatever happens
            tell(error)

    def refuse(self, request: Request, refused: RequestRefused, send: Callable[[Answer], None]) -> None:
        """See express.Taker."""
        self._enter()
        answer = self._failed(request, refused)
        self._leave(request, answer.status, len(answer.body))
        send(answer)

    def hung_up(self, request: Request) -> None:
        """See express.Taker."""
        self._enter()
        self._leave(request, _CLIENT_GONE)

    def head_of(self, request: Request, answer: Answer) -> list[tuple[bytes, bytes]]:
        """See express.Taker."""
        return [(b"x-request-id", request.facts.request_id.encode("latin-1")), self._version, *sent_headers(answer)]

    def _enter(self) -> None:
        self._runtime.measures.in_flight += 1
        self._flush_soon()  # what is in flight shows even while the model is at work for long

    def _leave(self, request: Request, status: int, sent: int = 0) -> None:
        measures = self._runtime.measures
        measures.in_flight -= 1
        seconds = (time.perf_counter_ns() - request.facts.started) / 1e9
        measures.answered(request.route or _OTHER, status, seconds, received=request.received, sent=sent)
        self._flush_soon()

    def _flush_soon(self) -> None:
        """Once for all requests of a turn of the event loop."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._runtime.flush_measures()

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._route(request)(request)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - a client gets JSON whatever happens
            return self._failed(request, error)

    def _failed(self, request: Request, error: Exception) -> Answer:
        """What is answered instead of what was asked for; it is logged first."""
        if isinstance(error, RequestRefused):
            refusal = error
        else:
            stack = stack_trace(error, texts=False)
            _log.error("a fault of the service, not of the model:\n%s", stack)
            message = f"the service failed with {type(error).__name__}; the event of this request holds the traceback"
            refusal = RequestRefused(500, ErrorCode.INTERNAL, message, stack=stack)
        facts = request.facts
        self._runtime.failed(facts if request.route else self._runtime.without_path(facts), refusal.failure)
        body = error_body(refusal, facts.request_id) if is_protocol(facts.path) else refusal.body(facts.request_id)
        return json_answer(refusal.failure.status, body, refusal.headers)

    def _route(self, request: Request) -> Handler:
        """Who answers; what has no key is told nothing else.

        Raises:
            RequestRefused: 401, 404, 405.
        """
        facts = request.facts
        found = self._routes.get(facts.path)
        if found is None and is_protocol(facts.path):
            found = self._v2(request)
        if found is not None:
            request.route = request.route or facts.path
        if not is_open(request.route) and not self._allowed(request):
            raise self._access.refuse()
        if found is None:
            raise RequestRefused(404, ErrorCode.NOT_FOUND, f"no such route; there are {', '.join([*self._routes, Route.V2])}")
        methods, handler = found
        if facts.method not in methods:
            allowed = ", ".join(methods)
            raise RequestRefused(405, ErrorCode.METHOD_NOT_ALLOWED, f"{facts.path[:256]} takes {allowed}", headers={"allow": allowed})
        return handler

    def _v2(self, request: Request) -> tuple[tuple[str, ...], Handler] | None:
        found = self._inference.find(request.facts.path)
        if found is None:
            return None
        request.route = found.route
        if found.route == Route.V2_INFER:
            return found.methods, self._infer

        async def answer(_request: Request) -> Answer:
            return self._inference.answer(found, self._runtime.state())

        return found.methods, answer

    def _allowed(self, request: Request) -> bool:
        headers = request.headers
        return self._access.allows(headers.get(Header.AUTHORIZATION), headers.get(Header.API_KEY))

    async def _predict(self, request: Request) -> Answer:
        self._runtime.refuse_unless_served()
        media, encode = _formats(request)
        held = self._admit(request)
        try:
            return await self._runtime.predict(request.facts, media, await self._body(request), encode)
        finally:
            self._admission.leave(held)

    async def _infer(self, request: Request) -> Answer:
        self._runtime.refuse_unless_served()
        refuse_other_content(request.headers)
        length = header_length(request.headers)
        held = self._admit(request)
        try:
            return await self._runtime.infer(request.facts, await self._body(request), length)
        finally:
            self._admission.leave(held)

    async def _feedback(self, request: Request) -> Answer:
        media_type(request.headers.get("content-type", ""), (JSON,))
        held = self._admit(request)
        try:
            return await self._runtime.feedback(request.facts, await self._body(request))
        finally:
            self._admission.leave(held)

    def _admit(self, request: Request) -> int:
        encoding = request.headers.get("content-encoding")
        if encoding is not None and encoding.strip().lower() != "identity":
            raise RequestRefused(
                415, ErrorCode.UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed", headers={"accept-encoding": "identity"}
            )
        return self._admission.enter(request.announced)

    async def _body(self, request: Request) -> bytes:
        settings = self._runtime.settings
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        late = _Late(task)
        spent = (time.perf_counter_ns() - request.facts.started) / 1e9
        self._deadlines.add(late, asyncio.get_running_loop().time() + settings.timeout - spent, late.expire)
        try:
            assert request.receive is not None  # noqa: S101 - of requests that come as ASGI's
            body = await read_body(request.receive, request.announced, settings.max_body)
        except asyncio.CancelledError:
            if not late.expired or task.uncancel() > 0:
                raise
            message = f"the body did not arrive within {settings.timeout:g} s"
            raise RequestRefused(408, ErrorCode.TIMEOUT, message, headers={"connection": "close"}) from None
        finally:
            self._deadlines.discard(late)
        if body is None:
            # The rest of the body is not read: the connection cannot be used again.
            raise RequestRefused(
                413,
                ErrorCode.BODY_TOO_LARGE,
                f"the body is larger than {settings.max_body} bytes: send fewer rows at once",
                details={"limit": settings.max_body},
                headers={"connection": "close"},
            )
        request.received = len(body)
        return body

    async def _schema(self, _request: Request) -> Answer:
        identity = self._runtime.identity
        return json_answer(200, {"model": identity.model, "version": identity.version, **self._runtime.package.public_schema})

    async def _openapi(self, _request: Request) -> Answer:
        return json_answer(200, openapi.document(self._runtime.package, keys=self._access.required))

    async def _page(self, request: Request) -> Answer:
        package = self._runtime.package
        shown = page.render(package, keys=self._access.required) if self._allowed(request) else page.locked(package)
        return Answer(200, shown, page.CONTENT_TYPE, page.HEADERS)

    async def _live(self, _request: Request) -> Answer:
        return json_answer(200, {"live": True, "stack_id": self._runtime.settings.stack_id})

    async def _ready(self, request: Request) -> Answer:
        state = self._runtime.state()
        body = state.body(self._runtime.identity, self._runtime.settings.stack_id)
        if self._access.required and not self._allowed(request):
            body["details"] = {}  # they may hold rows of the reference data
        return json_answer(200 if state.ready else 503, body)

    async def _metrics(self, _request: Request) -> Answer:
        self._runtime.flush_measures()
        return Answer(200, await asyncio.to_thread(self._render_metrics), metrics.CONTENT_TYPE)

    async def _lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        async def watched() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._announce_stop()
                self._runtime.start()
                await self._runtime.wait_behind_others()
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


def _formats(request: Request) -> tuple[str, Encode]:
    """In which format the body is, and how the answer is written."""
    headers = request.headers
    return media_type(headers.get("content-type", "")), encoder_for(headers.get("accept"))


class _Late:
    """Stops the reading of a body that takes too long."""

    __slots__ = ("_task", "expired")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.expired = False

    def expire(self) -> None:
        self.expired = True
        self._task.cancel()


async def _no_lifespan(_scope: Any, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
