"""What the champion does about its challenger: fetches its answer to some requests, or sends it copies of all.

A challenger can fail, be slow or talk nonsense: then the champion answers itself, within the time of the request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import quote

from mlsandbox_serving.contract import Header, Origin
from mlsandbox_serving.service.batching import Outcome
from mlsandbox_serving.service.breaker import Breaker
from mlsandbox_serving.service.challenger_measures import ChallengerMeasures, Mode, Result
from mlsandbox_serving.service.exchange import Answer, AnsweredBy, Request
from mlsandbox_serving.service.link import Belongs, Link, Reply, Trouble
from mlsandbox_serving.service.seal import Seal
from mlsandbox_serving.service.shadow import Bounds, Copy, Shadow, is_answer_of
from mlsandbox_serving.service.shadow_rows import Tolerance, Written
from mlsandbox_serving.service.traffic import Challenger, place_of

AT_ONCE: Final = 32
"""Requests that a challenger answers at a time, see `at_once`; the champion answers more itself."""
LEAST_SECONDS: Final = 0.05
"""Where a challenger would have less than this, it is not asked, which says nothing about it."""
MOST_SECONDS: Final = 2.0
"""That a challenger has for a request; less where the champion would not have as much time left for its own answer."""
_IDLE: Final = 8
LARGEST_ANSWER: Final = 8 * 1024 * 1024
MOST_HELD: Final = 32 * 1024 * 1024
"""Bytes of all answers that are being read."""
_PASSED_ON: Final = (
    "accept",
    "content-type",
    Header.ENTITY,
    Header.INFERENCE_LENGTH,
    Header.TRACEPARENT,
)
"""Of a request; a model service reads no other, but for those that are written anew and those that its champion has acted by.

Never a key: who has the challenger's port may be another program by now."""
_WRITTEN_ANEW: Final = frozenset(
    {
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authenticate"),  # of the connection
        *("content-length", "content-type", "date", "server", "x-content-type-options"),
        *(Header.FORWARDED, Header.REQUEST_ID, Header.MODEL_VERSION, Header.PACKAGE_DIGEST),
    }
)
"""Of an answer."""

Tell = Callable[[Outcome], None]


class _Sent(NamedTuple):
    head: bytes
    belongs: Belongs


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change with the challenger.

    Args:
        model: that is served.
        timeout: seconds of a request.
        tolerance: see Shadow.
        at_once: requests that a challenger answers at a time.
        seal: proves what is sent on; without it nothing is.
        bounds: of copies.
    """

    model: str
    timeout: float
    tolerance: Tolerance | None
    at_once: int
    seal: Seal | None
    bounds: Bounds = Bounds()  # noqa: RUF009 - frozen


def at_once(requests: int) -> int:
    """How many requests may wait for a challenger, of so many that its champion takes: they keep their places meanwhile."""
    return min(AT_ONCE, max(1, requests // 4))


class Contest:
    """One challenger, as long as the traffic document has it.

    Args:
        challenger: as the document has it.
        setting: the champion's.
        measures: count what becomes of requests.
    """

    def __init__(self, challenger: Challenger, setting: Setting, measures: ChallengerMeasures) -> None:
        self._challenger = challenger
        self._setting = setting
        self._measures = measures
        self._link = Link(challenger.host, challenger.port, idle=_IDLE, held=MOST_HELD)
        self._host = f"[{challenger.host}]" if ":" in challenger.host else challenger.host
        self._breaker = Breaker()
        self._asked = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.shadow: Final = (
            Shadow(self._link, challenger.version, measures, setting.tolerance, setting.bounds) if challenger.shadow else None
        )

    def answer_soon(self, request: Request, body: bytes, ask: Callable[[Tell], None], tell: Tell) -> None:
        """Tell the answer to a request, now or later, in the event loop's thread.

        Args:
            request: with its head.
            body: of it.
            ask: the champion; what it raises before it returns passes through.
            tell: takes the outcome.
        """
        if not _is_meant(request):
            ask(tell)
        elif self.shadow is not None:

            def told(outcome: Outcome) -> None:
                tell(outcome)
                self._offer(self._copied(request, body, outcome))

            ask(told)
        elif self._takes(request):
            task = asyncio.get_running_loop().create_task(self._fetched_first(request, body, ask, tell))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            ask(tell)

    async def answer(self, request: Request, body: bytes, ask: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """As `answer_soon`; a copy is left in `request.afterwards`, for whoever has sent the answer."""
        if _is_meant(request):
            if self.shadow is not None:
                outcome = await ask()
                copy = self._copied(request, body, outcome)
                if copy is not None:
                    request.afterwards = lambda: self._offer(copy)
                return outcome
            if self._takes(request):
                answer = await self._fetched(request, body)
                if answer is not None:
                    return answer
        return await ask()

    async def close(self) -> None:
        """It is the challenger no more: the champion answers what was asked of it."""
        self._link.close()
        if self.shadow is not None:
            await self.shadow.close()

    def _takes(self, request: Request) -> bool:
        """Whether the challenger is to answer: of an entity always or never, as long as the share is the same."""
        name = request.headers.get(Header.ENTITY, "").strip() or request.facts.request_id
        return place_of(self._setting.model, name) < self._challenger.share

    async def _fetched_first(self, request: Request, body: bytes, ask: Callable[[Tell], None], tell: Tell) -> None:
        answer = await self._fetched(request, body)
        if answer is not None:
            tell(answer)
            return
        try:
            ask(tell)
        except Exception as error:  # noqa: BLE001 - a client gets JSON whatever happens
            tell(error)

    async def _fetched(self, request: Request, body: bytes) -> Answer | None:
        """The challenger's answer; None when the champion has to answer."""
        measures = self._measures
        began = time.perf_counter_ns()
        seconds = min((self._setting.timeout - (began - request.facts.started) / 1e9) / 2, MOST_SECONDS)
        full = self._asked >= self._setting.at_once
        if full:
            self._breaker.failed()  # an answer to any of those that wait makes up for it
        sent = None if full or seconds < LEAST_SECONDS or not self._breaker.passes() else self._sent(request, len(body), Mode.SPLIT)
        if sent is None:
            measures.count(Mode.SPLIT, Result.DROPPED)
            return None
        self._asked += 1
        try:
            reply = await self._link.ask(sent.head, body, seconds=seconds, most=LARGEST_ANSWER, belongs=sent.belongs)
        finally:
            self._asked -= 1
        if isinstance(reply, Trouble):
            result = Result(reply.value)
        elif is_answer_of(reply, self._challenger.version):
            result = Result.ANSWERED
        else:
            result = Result.REFUSED if 400 <= reply.status < 500 else Result.FAILED
        measures.count(Mode.SPLIT, result)
        if result in {Result.FAILED, Result.TIMEOUT}:
            self._breaker.failed()
        else:
            self._breaker.worked()
        if isinstance(reply, Trouble) or result is not Result.ANSWERED:
            return None
        measures.took(Mode.SPLIT, (time.perf_counter_ns() - began) / 1e9)
        named: dict[str, str] = {
            name: reply.headers[name] for name in (Header.MODEL_VERSION, Header.PACKAGE_DIGEST) if name in reply.headers
        }
        request.answered_by = AnsweredBy(measures, _encoded(named))
        others = {name: value for name, value in reply.headers.items() if name not in _WRITTEN_ANEW}
        return Answer(200, reply.body, reply.headers.get("content-type", ""), others)

    def _copied(self, request: Request, body: bytes, outcome: Outcome) -> Copy | None:
        """A copy of a request that was answered with a prediction; None when there is no room for it."""
        shadow = self.shadow
        if shadow is None or not isinstance(outcome, Answer) or outcome.status != 200:
            return None
        if not shadow.has_room(len(body) + len(outcome.body)):
            return None
        answer = Written(outcome.content_type, outcome.body, outcome.headers)
        sent = self._sent(request, len(body), Mode.SHADOW)
        return None if sent is None else Copy(sent.head, body, answer, sent.belongs)

    def _offer(self, copy: Copy | None) -> None:
        if copy is not None and self.shadow is not None:
            self.shadow.offer(copy)

    def _sent(self, request: Request, length: int, mode: Mode) -> _Sent | None:
        """The head of a request as it is sent on, and what an answer to it is; None without a seal."""
        facts, headers, seal, version = request.facts, request.headers, self._setting.seal, self._challenger.version
        if seal is None:
            return None
        carried = seal.sent(version, mode, facts.request_id)

        def belongs(reply: Reply) -> bool:
            named = reply.headers.get(Header.REQUEST_ID) == facts.request_id
            return named and seal.is_answer(version, carried, facts.request_id, reply.headers.get(Header.FORWARDED, ""))

        fields = {name: headers[name] for name in _PASSED_ON if name in headers}
        origin = Origin.SHADOW if mode is Mode.SHADOW else facts.origin
        if origin is not None:
            fields[Header.ORIGIN] = origin
        fields |= {Header.REQUEST_ID: facts.request_id, Header.FORWARDED: carried, "content-length": str(length)}
        lines = [f"{facts.method} {quote(facts.path)} HTTP/1.1", f"host: {self._host}:{self._challenger.port}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return _Sent("\r\n".join([*lines, "", ""]).encode("latin-1"), belongs)


def _is_meant(request: Request) -> bool:
    """Whether a request is one of a challenger's: not what was sent on already, shows whether this version answers, or names a version."""
    facts = request.facts
    return request.forwarded is None and facts.origin != Origin.EXAMPLE and "/versions/" not in facts.path


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
