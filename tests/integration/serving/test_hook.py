"""The installed BentoML lets our application stand in front of its own."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest

from mlsandbox_serving.service.app import no_lifespan
from mlsandbox_serving.service.exchange import AsgiApp, Message, Receive, Send, json_answer, send_answer
from mlsandbox_serving.service.hook import put_in_front
from support.asgi import Client, Response

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what BentoML imports


class Front:
    """Answers /ours itself."""

    def __init__(self, inner: AsgiApp | None) -> None:
        self.inner = inner
        self.seen: list[str] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.seen.append(scope["type"])
        if scope.get("path") == "/ours":
            await send_answer(send, json_answer(200, "ours"), [])
        elif self.inner is not None:
            await self.inner(scope, receive, send)
        elif scope["type"] == "lifespan":
            await no_lifespan(receive, send)
        else:
            await send_answer(send, json_answer(404, "nobody's"), [])


@pytest.fixture
def service() -> Any:
    bentoml: Any = importlib.import_module("bentoml")

    @bentoml.service(name="hooked", metrics={"enabled": False}, logging={"access": {"enabled": False}})  # type: ignore[untyped-decorator, unused-ignore]
    class Hooked:
        """Nothing of its own."""

    return Hooked


def ask(app: Any) -> tuple[Response, Response]:
    async def conversation() -> tuple[Response, Response]:
        async with Client(app) as client:
            return await client.get("/ours"), await client.get("/livez")

    return asyncio.run(conversation())


def test_to_asgi_gives_our_application(service: Any) -> None:
    """The service stays what bentoml.service made, and what its worker serves is our application alone."""
    hooked = put_in_front(service, Front)
    app = hooked.to_asgi(is_main=True)

    ours, theirs = ask(app)

    assert hooked is service
    assert isinstance(app, Front)
    assert (ours.status, ours.json(), theirs.status) == (200, "ours", 404)
    assert "lifespan" in app.seen
    assert app.inner is None


def test_without_the_hook_the_application_is_a_middleware(service: Any) -> None:
    """Where BentoML no longer has the hook, its public middleware interface is used, and works."""

    class Unhooked:
        """What is left of a service without `to_asgi`."""

        add_asgi_middleware = staticmethod(service.add_asgi_middleware)

    fronts: list[Front] = []

    def make(inner: AsgiApp | None) -> AsgiApp:
        fronts.append(Front(inner))
        return fronts[-1]

    put_in_front(Unhooked(), make)

    ours, theirs = ask(service.to_asgi())

    assert (ours.status, ours.json(), theirs.status) == (200, "ours", 200)
    assert "lifespan" in fronts[0].seen
