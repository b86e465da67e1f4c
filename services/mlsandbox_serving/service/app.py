"""The ASGI application of a model service.

It stands where BentoML's application would stand, and answers every HTTP request itself; BentoML's is not even built.
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
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Final

from mlsandbox_serving.contract import ErrorCode, Header, Origin, Route
from mlsandbox_serving.hosts import is_named_here
from mlsandbox_serving.record import Facts, Failure, stack_trace
from mlsandbox_serving.service.access import Access, is_open
from mlsandbox_serving.service.answers import Encode
from mlsandbox_serving.service.batching import Outcome
from mlsandbox_serving.service.challenge import Challenge
from mlsandbox_serving.service.challenger_measures import Mode
from mlsandbox_serving.service.codecs import encoder_for, media_type
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
    send_answer,
    sent_headers,
)
from mlsandbox_serving.service.intake import Intake
from mlsandbox_serving.service.oip import Inference, error_body, header_length, is_protocol, refuse_other_content
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.route_cells import FORWARDED, OTHER
from mlsandbox_serving.service.runtime import Runtime
from mlsandbox_serving.service.seal import Seal
from mlsandbox_serving.service.shown import Shown, has_key
from mlsandbox_serving.service.throttle import Throttle

_log = logging.getLogger(__name__)
_CLIENT_GONE: Final = 499
_GET: Final = ("GET", "HEAD")
_FLUSH_SECONDS: Final = 0.002
"""What was counted shows so much later, and so much of it is lost with a killed worker."""
_AS_CALLED: Final = (b"x-content-type-options", b"nosniff")
"""An answer in CSV that repeats what somebody sent is no page."""
_UNKNOWN_EVENTS_PER_SECOND: Final = 20

Handler = Callable[[Request], Awaitable[Outcome]]
"""Answers a request, or says or raises why not."""


class App:
    """Answers HTTP for one worker.

    Args:
        inner: BentoML's application, where there is one; it gets the lifespan, nothing else.
        runtime: the model.
        render_metrics: the text of /metrics.
        access: who may ask.
    """

    def __init__(self, inner: AsgiApp | None, runtime: Runtime, render_metrics: Callable[[], bytes], access: Access) -> None:
        self._inner = inner
        self._runtime = runtime
        self._access = access
        settings = runtime.settings
        self._inference = Inference(runtime.package)
        self._intake = Intake(settings)
        self._local_names = settings.local_names
        self._unknown = Throttle(_UNKNOWN_EVENTS_PER_SECOND, 10 * _UNKNOWN_EVENTS_PER_SECOND)
        self._flushing = False
        self._seal = Seal.read(settings.traffic_key_file)
        self._challenge = Challenge(settings, self._seal, runtime.package, runtime.measures)
        self._named = [
            (Header.MODEL_VERSION.encode(), runtime.identity.version.encode("latin-1")),
            (Header.PACKAGE_DIGEST.encode(), runtime.identity.digest.encode("latin-1")),
        ]
        self._routes: dict[str, tuple[tuple[str, ...], Handler]] = {
            Route.PREDICT: (("POST",), self._predict),
            Route.FEEDBACK: (("POST",), self._feedback),
            **{route: (_GET, answer) for route, answer in Shown(runtime, access, render_metrics).routes().items()},
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
        self._log_stranger(Facts("", "", request_id), failure)
        self._runtime.measures.answered(OTHER, failure.status, 0.0, received=0, sent=0)
        self._flush_soon()

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = known_headers(scope["headers"])
        request = self._taken(scope["method"], scope["path"], headers, receive)
        self._enter()
        try:
            answer = await self._answer(request)
        except BaseException as error:
            self._leave(request, _CLIENT_GONE)
            self._intake.release(request)
            if isinstance(error, ClientGone):
                return
            raise
        if not request.whole and "expect" not in headers:
            self._intake.release(request)  # what came of it is gone: others need the room
            await self._intake.discard(request)
        head = request.facts.method == "HEAD"
        self._leave(request, answer.status, 0 if head else len(answer.body))
        try:
            await send_answer(send, answer, self.head_of(request, answer), head=head)
        finally:
            self._intake.release(request)
        if request.afterwards is not None:
            request.afterwards()

    @property
    def takes_express(self) -> bool:
        """Whether there is a model to ask: see express.Taker."""
        return self._runtime.answers

    def began(self, headers: Mapping[str, str]) -> Request:
        """See express.Taker."""
        request = self._taken("POST", Route.PREDICT, headers)
        request.route = Route.PREDICT
        return request

    def express(self, request: Request, body: bytes, send: Callable[[Answer, Callable[[], None]], None]) -> None:
        """See express.Taker."""
        self._enter()

        def tell(outcome: Outcome) -> None:
            answer = outcome if isinstance(outcome, Answer) else self._failed(request, outcome)
            self._leave(request, answer.status, len(answer.body))
            send(answer, lambda: self._intake.release(request))

        try:
            self._refuse_strangers(request)
            media, encode = _formats(request)
            self._intake.take(request, len(body))
            contest = self._challenge.contest
            if contest is None:
                self._runtime.predict_soon(request.facts, media, body, encode, tell)
            else:
                contest.answer_soon(request, body, partial(self._runtime.predict_soon, request.facts, media, body, encode), tell)
        except Exception as error:  # noqa: BLE001 - a client gets JSON whatever happens
            tell(error)

    def refuse(self, request: Request, refused: RequestRefused, send: Callable[[Answer, Callable[[], None]], None]) -> None:
        """See express.Taker."""
        self._enter()
        answer = self._failed(request, refused)
        self._leave(request, answer.status, len(answer.body))
        send(answer, lambda: self._intake.release(request))

    def hung_up(self, request: Request) -> None:
        """See express.Taker."""
        self._enter()
        self._leave(request, _CLIENT_GONE)

    def head_of(self, request: Request, answer: Answer) -> list[tuple[bytes, bytes]]:
        """See express.Taker."""
        named = self._named if request.answered_by is None else request.answered_by.headers
        headers = [(b"x-request-id", request.facts.request_id.encode("latin-1")), *named, _AS_CALLED, *sent_headers(answer)]
        if request.forwarded is not None and self._seal is not None:
            proof = self._seal.answered(self._runtime.identity.version, request.headers[Header.FORWARDED], request.facts.request_id)
            headers.append((Header.FORWARDED.encode(), proof.encode()))
        if "expect" in request.headers and not request.received and "connection" not in answer.headers:
            # Whether its client sends the body now nobody knows (RFC 9110, section 10.1.1): what comes next must not be taken for it.
            headers.append((b"connection", b"close"))
        return headers

    def _taken(self, method: str, path: str, headers: Mapping[str, str], receive: Receive | None = None) -> Request:
        """A request, and whether it was sent on to this version."""
        facts = facts_of(method, path, headers)
        carried = headers.get(Header.FORWARDED)
        mode = (
            None if carried is None or self._seal is None else self._seal.opened(self._runtime.identity.version, carried, facts.request_id)
        )
        request = Request(replace(facts, origin=Origin.SHADOW) if mode is Mode.SHADOW else facts, headers, receive)
        request.forwarded = mode
        return request

    def _enter(self) -> None:
        self._runtime.measures.in_flight += 1
        self._flush_soon()  # what is in flight shows even while the model is at work for long

    def _leave(self, request: Request, status: int, sent: int = 0) -> None:
        measures = self._runtime.measures
        measures.in_flight -= 1
        seconds = (time.perf_counter_ns() - request.facts.started) / 1e9
        if request.answered_by is None:
            route = FORWARDED if request.forwarded is not None else request.route or OTHER
            measures.answered(route, status, seconds, received=request.received, sent=sent)
        else:
            request.answered_by.measures.routes(request.route).one(request.route, status, seconds, request.received, sent)
        self._flush_soon()

    def _flush_soon(self) -> None:
        """Once for all requests of a moment."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._runtime.flush_measures()

    async def _answer(self, request: Request) -> Answer:
        try:
            outcome = await self._route(request)(request)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - a client gets JSON whatever happens
            return self._failed(request, error)
        return outcome if isinstance(outcome, Answer) else self._failed(request, outcome)

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
        shown = facts if request.route else self._runtime.without_path(facts)
        if refusal.failure.status == 401:
            self._log_stranger(shown, refusal.failure)
        else:
            self._runtime.failed(shown, refusal.failure)
        body = error_body(refusal, facts.request_id) if is_protocol(facts.path) else refusal.body(facts.request_id)
        return json_answer(refusal.failure.status, body, refusal.headers)

    def _log_stranger(self, facts: Facts, failure: Failure) -> None:
        """Write the event of what anybody can send, but not so many of them that they drive others out of the spool."""
        if self._unknown.passes():
            self._runtime.failed(facts, failure)
        else:
            self._runtime.unlogged()

    def _route(self, request: Request) -> Handler:
        """Who answers; what has no key is told nothing else.

        Raises:
            RequestRefused: 401, 404, 405.
        """
        facts = request.facts
        if not is_open(facts.path):
            self._refuse_strangers(request)
        found = self._routes.get(facts.path)
        if found is None and is_protocol(facts.path):
            found = self._v2(request)
        if found is not None:
            request.route = request.route or facts.path
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

        async def answer(request: Request) -> Answer:
            state = self._runtime.state()
            return self._inference.answer(found, state if self._allowed(request) else state.concealed())

        return found.methods, answer

    def _allowed(self, request: Request) -> bool:
        return request.forwarded is not None or has_key(self._access, request)

    def _refuse_strangers(self, request: Request) -> None:
        """Raise unless the request may ask for more than how the service is.

        Raises:
            RequestRefused: 401, it has no key; 421, it was sent to a name that is not this service's.
        """
        if not self._allowed(request):
            raise self._access.refuse()
        if self._local_names and not is_named_here(request.headers.get("host", "")):
            message = "this service is asked by an address, or a name without a domain: with API keys it may be asked by any"
            raise RequestRefused(421, ErrorCode.MISDIRECTED, message)

    async def _predict(self, request: Request) -> Outcome:
        self._runtime.refuse_unless_served()
        media, encode = _formats(request)
        body = await self._intake.read(request)
        return await self._asked(request, body, partial(self._runtime.predict, request.facts, media, body, encode))

    async def _infer(self, request: Request) -> Outcome:
        self._runtime.refuse_unless_served()
        refuse_other_content(request.headers)
        length = header_length(request.headers)
        body = await self._intake.read(request)
        return await self._asked(request, body, partial(self._runtime.infer, request.facts, body, length))

    async def _asked(self, request: Request, body: bytes, ask: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """What the model answers, or the challenger in its place."""
        contest = self._challenge.contest
        return await (ask() if contest is None else contest.answer(request, body, ask))

    async def _feedback(self, request: Request) -> Answer:
        media_type(request.headers.get("content-type", ""), (JSON,))
        return await self._runtime.feedback(request.facts, await self._intake.read(request))

    async def _lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        async def watched() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._announce_stop()
                self._runtime.start()
                self._challenge.start()
                await self._runtime.wait_behind_others()
            elif message["type"] == "lifespan.shutdown":
                await self._challenge.stop()
                self._runtime.stop()
            return message

        if self._inner is None:
            await no_lifespan(watched, send)
        else:
            await self._inner(scope, watched, send)

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


async def no_lifespan(receive: Receive, send: Send) -> None:
    """The lifespan of an application that has nothing to begin or end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
