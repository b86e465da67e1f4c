"""The bodies of requests: read within their limits, counted while they are held."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Final

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.service.admission import Admission
from mlsandbox_serving.service.codecs.media_types import refuse_compressed
from mlsandbox_serving.service.deadlines import Deadlines
from mlsandbox_serving.service.exchange import DRAINED, Request, read_body
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.settings import Settings

_DISCARD_SECONDS: Final = 5.0


class Intake:
    """Takes bodies in for one worker.

    Args:
        settings: of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admission = Admission(settings.requests_per_worker, settings.max_body)
        self._deadlines = Deadlines(settings.timeout)

    def take(self, request: Request, size: int) -> None:
        """Count a request whose body is there, in one piece, until `release`.

        Raises:
            RequestRefused: 413, it is too large; 415, it is compressed; 503, there are too many.
        """
        refuse_compressed(request.headers)
        if size > self._settings.max_body:
            raise _too_large(self._settings.max_body)
        request.received = size
        self._hold(request, size)
        self._enter(request)

    async def read(self, request: Request) -> bytes:
        """The body, counted until `release`.

        Raises:
            RequestRefused: 408, 413, 415, 503.
            ClientGone: the connection was closed first.
        """
        refuse_compressed(request.headers)
        settings = self._settings
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        late = _Late(task)
        spent = (time.perf_counter_ns() - request.facts.started) / 1e9
        self._deadlines.add(late, asyncio.get_running_loop().time() + settings.timeout - spent, late.expire)
        try:
            assert request.receive is not None  # noqa: S101 - of requests that come as ASGI's
            body = await read_body(request.receive, request.announced, settings.max_body, lambda size: self._hold(request, size))
        except asyncio.CancelledError:
            if not late.expired or task.uncancel() > 0:
                raise
            message = f"the body did not arrive within {settings.timeout:g} s"
            request.whole = True  # what is left of it is not waited for
            raise RequestRefused(408, ErrorCode.TIMEOUT, message, headers={"connection": "close"}) from None
        finally:
            self._deadlines.discard(late)
        request.whole = True
        if body is None:
            raise _too_large(settings.max_body)
        request.received = len(body)
        self._enter(request)
        return body

    async def discard(self, request: Request) -> None:
        """Read what is left of the body: a client that is still sending when the connection is closed never sees the answer."""
        assert request.receive is not None  # noqa: S101 - of requests that come as ASGI's
        left = DRAINED * self._settings.max_body
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_SECONDS):
                while left > 0:
                    message = await request.receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    def _enter(self, request: Request) -> None:
        """Count a request whose body is there, until `_release`.

        Raises:
            RequestRefused: 503, there are too many.
        """
        self._admission.enter()
        request.inside = True

    def _hold(self, request: Request, size: int) -> None:
        """Count bytes of its body, until `_release`.

        Raises:
            RequestRefused: 503, there are too many.
        """
        self._admission.hold(size)
        request.held += size

    def release(self, request: Request) -> None:
        """Its answer is read, or it is given up."""
        if request.inside:
            request.inside = False
            self._admission.leave()
        self._admission.drop(request.held)
        request.held = 0


def _too_large(limit: int) -> RequestRefused:
    # Of a body that was not read to its end the rest would be taken for the next request.
    headers = {"connection": "close"}
    message = f"the body is larger than {limit} bytes: send fewer rows at once"
    return RequestRefused(413, ErrorCode.BODY_TOO_LARGE, message, details={"limit": limit}, headers=headers)


class _Late:
    """Stops the reading of a body that takes too long."""

    __slots__ = ("_task", "expired")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.expired = False

    def expire(self) -> None:
        self.expired = True
        self._task.cancel()
