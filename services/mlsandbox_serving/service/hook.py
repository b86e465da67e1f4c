"""How our application comes to stand in front of BentoML's, inside of BentoML's server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlsandbox_serving.service.exchange import AsgiApp, Message, Receive, Send

MakeApp = Callable[[AsgiApp], AsgiApp]


def put_in_front(service: Any, make_app: MakeApp) -> Any:
    """Make `service` serve `make_app(BentoML's application)`.

    `to_asgi` is what BentoML's worker calls for the application it serves; it is semi-private, so BentoML is pinned and a test
    holds the installed one to it. Without it the application becomes a middleware, which is public, and slower: BentoML's own
    middlewares come first.

    Args:
        service: what `bentoml.service` made.
        make_app: gets BentoML's application; called in the worker only.
    """
    original = getattr(type(service), "to_asgi", None)
    if not callable(original):
        service.add_asgi_middleware(_Middleware, make_app=make_app)
        return service

    def to_asgi(self: Any, *args: Any, **keywords: Any) -> AsgiApp:
        return make_app(original(self, *args, **keywords))

    # The object stays the one that BentoML made and remembers; only its class knows one method more.
    service.__class__ = type("SandboxService", (type(service),), {"__slots__": (), "__hash__": type(service).__hash__, "to_asgi": to_asgi})
    return service


class _Middleware:
    def __init__(self, app: AsgiApp, make_app: MakeApp) -> None:
        self._app = make_app(app)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
