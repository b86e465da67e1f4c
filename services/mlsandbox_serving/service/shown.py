"""What a model service shows: itself, its state and its numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mlsandbox_serving import metrics
from mlsandbox_serving.contract import Header, Route
from mlsandbox_serving.service import openapi, page
from mlsandbox_serving.service.access import Access
from mlsandbox_serving.service.exchange import Answer, Request, json_answer
from mlsandbox_serving.service.runtime import Runtime


class Shown:
    """Answers each GET, but those of the Open Inference Protocol.

    Args:
        runtime: the model.
        access: who may be shown more than how the service is.
        render_metrics: the text of /metrics.
    """

    def __init__(self, runtime: Runtime, access: Access, render_metrics: Callable[[], bytes]) -> None:
        self._runtime = runtime
        self._access = access
        self._render_metrics = render_metrics
        self._rendering: asyncio.Task[bytes] | None = None

    def routes(self) -> dict[str, Callable[[Request], Awaitable[Answer]]]:
        """Who answers which route."""
        return {
            Route.SCHEMA: self._schema,
            Route.OPENAPI: self._openapi,
            Route.PAGE: self._page,
            Route.LIVE: self._live,
            Route.READY: self._ready,
            Route.METRICS: self._metrics,
        }

    async def _schema(self, _request: Request) -> Answer:
        identity = self._runtime.identity
        return json_answer(200, {"model": identity.model, "version": identity.version, **self._runtime.package.public_schema})

    async def _openapi(self, _request: Request) -> Answer:
        return json_answer(200, openapi.document(self._runtime.package, keys=self._access.required))

    async def _page(self, request: Request) -> Answer:
        package = self._runtime.package
        shown = page.render(package, keys=self._access.required) if has_key(self._access, request) else page.locked(package)
        return Answer(200, shown, page.CONTENT_TYPE, page.HEADERS)

    async def _live(self, _request: Request) -> Answer:
        return json_answer(200, {"live": True, "stack_id": self._runtime.settings.stack_id})

    async def _ready(self, request: Request) -> Answer:
        state = self._runtime.state()
        shown = state if has_key(self._access, request) else state.concealed()
        return json_answer(200 if state.ready else 503, shown.body(self._runtime.identity, self._runtime.settings.stack_id))

    async def _metrics(self, _request: Request) -> Answer:
        """Rendered once for all that ask meanwhile: anybody may."""
        self._runtime.flush_measures()
        if self._rendering is None or self._rendering.done():
            self._rendering = asyncio.ensure_future(asyncio.to_thread(self._render_metrics))
        return Answer(200, await asyncio.shield(self._rendering), metrics.CONTENT_TYPE)


def has_key(access: Access, request: Request) -> bool:
    """Whether a request has a key, or needs none."""
    return access.allows(request.headers.get(Header.AUTHORIZATION), request.headers.get(Header.API_KEY))
