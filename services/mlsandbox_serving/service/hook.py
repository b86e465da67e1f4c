"""How our application comes to stand in front of BentoML's, inside of BentoML's server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlsandbox_serving.service.exchange import AsgiApp, Message, Receive, Send

MakeApp = Callable[[AsgiApp | None], AsgiApp]
"""Given what gets the lifespan, if anything does."""


def put_in_front(service: Any, make_app: MakeApp) -> Any:
    """Make `service` serve what `make_app` makes.

    `to_asgi` is what BentoML's worker calls for the application it serves; it is semi-private, so BentoML is pinned and a test
    holds the installed one to it. BentoML's own application is not even built: it takes a fifth of a second, and nobody would ask it.
    Without `to_asgi` ours becomes a middleware, which is public, and slower: BentoML's own middlewares come first.

    Args:
        service: what `bentoml.service` made.
        make_app: called in the worker only; gets BentoML's application when it is a middleware of it, else None.
    """
    original = getattr(type(service), "to_asgi", None)
    if not callable(original):
        service.add_asgi_middleware(_Middleware, make_app=make_app)
        return service

    def to_asgi(_self: Any, *_args: Any, **_keywords: Any) -> AsgiApp:
        return make_app(None)

    # The object stays the one that BentoML made and remembers; only its class knows one method more.
    service.__class__ = type("SandboxService", (type(service),), {"__slots__": (), "__hash__": type(service).__hash__, "to_asgi": to_asgi})
    return service


class _Middleware:
    def __init__(self, app: AsgiApp, make_app: MakeApp) -> None:
        self._app = make_app(app)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
