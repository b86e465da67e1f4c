"""A model service on a real port of this process: uvicorn, the guard, what goes before it, and the application, in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.config import HTTP_PROTOCOLS

from mlsandbox_serving.contract import NotReady
from mlsandbox_serving.service.app import App
from mlsandbox_serving.service.exchange import Answer, Request
from mlsandbox_serving.service.express import Release, SendAnswer, taking
from mlsandbox_serving.service.protocol import install
from mlsandbox_serving.service.refusal import RequestRefused
from support.served import Laid
from support.service import Served, serve
from support.waiting import HANG_SECONDS, wait_for

SWEEP_SECONDS = 0.02


class Watched:
    """An application whose requests are counted, and whose answers can be held back; express.Taker.

    Args:
        app: that answers.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.express_requests = 0
        """That were taken from the parser."""
        self.asgi_paths: list[str] = []
        """That came as ASGI's."""
        self.holding = False
        self.held: list[Callable[[], None]] = []
        """Sends the answers that are held back."""
        self.released = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.asgi_paths.append(scope["path"])
        await self._app(scope, receive, send)

    @property
    def takes_express(self) -> bool:
        return self._app.takes_express

    def began(self, headers: Mapping[str, str]) -> Request:
        self.express_requests += 1
        return self._app.began(headers)

    def express(self, request: Request, body: bytes, send: SendAnswer) -> None:
        self._app.express(request, body, self._held_back(send))

    def refuse(self, request: Request, refused: RequestRefused, send: SendAnswer) -> None:
        self._app.refuse(request, refused, self._held_back(send))

    def hung_up(self, request: Request) -> None:
        self._app.hung_up(request)

    def head_of(self, request: Request, answer: Answer) -> list[tuple[bytes, bytes]]:
        return self._app.head_of(request, answer)

    def _held_back(self, send: SendAnswer) -> SendAnswer:
        def held(answer: Answer, release: Release) -> None:
            def counted() -> None:
                self.released += 1
                release()

            if self.holding:
                self.held.append(lambda: send(answer, counted))
            else:
                send(answer, counted)

        return held


class Wired:
    """A running server.

    Args:
        served: the application, its runtime and its spool.
        watched: what stands before the application.
        server: uvicorn's.
    """

    def __init__(self, served: Served, watched: Watched, server: uvicorn.Server) -> None:
        self.served = served
        self.watched = watched
        self.server = server
        self.loop: asyncio.AbstractEventLoop
        self.port = 0

    def connect(self, *, receives: int | None = None) -> socket.socket:
        """A connection; with `receives` its system takes no more than about so many bytes that nobody reads."""
        connection = socket.socket()
        connection.settimeout(HANG_SECONDS)
        if receives is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def let_go(self) -> None:
        """Send the answers that are held back."""
        self.watched.holding = False
        held, self.watched.held = self.watched.held, []
        for send in held:
            self.loop.call_soon_threadsafe(send)

    @property
    def open(self) -> int:
        """Connections that the server has."""
        return len(self.server.server_state.connections)


@contextmanager
def wired(
    laid: Laid,
    *,
    timeout: float = 30.0,
    keep_alive: int = 60,
    send_buffer: int | None = None,
    ready: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Wired]:
    """Serve a package until the end of the block.

    Args:
        laid: the package.
        timeout: of requests, in seconds.
        keep_alive: seconds that a connection may be idle.
        send_buffer: of each connection in the system, in bytes.
        ready: wait until there is a model.
        environ: of the service.
    """
    served = serve(laid, **(environ or {}))
    watched = Watched(served.app)
    kind = taking(watched)
    if send_buffer is not None:
        kind = _with_buffer(kind, send_buffer)
    before = HTTP_PROTOCOLS["auto"]
    assert install(timeout, head_seconds=30.0, sweep_seconds=SWEEP_SECONDS, told=served.app.refused_unread, over_httptools=kind)
    config = uvicorn.Config(watched, host="127.0.0.1", port=0, log_config=None, lifespan="on", timeout_keep_alive=keep_alive)
    config.load()
    HTTP_PROTOCOLS["auto"] = before
    running = Wired(served, watched, uvicorn.Server(config))

    async def run() -> None:
        running.loop = asyncio.get_running_loop()
        await running.server.serve()

    thread = threading.Thread(target=_run, args=(config, run))
    thread.start()
    try:
        wait_for(lambda: running.server.started or not thread.is_alive(), what="the server")
        running.port = running.server.servers[0].sockets[0].getsockname()[1]
        if ready:
            wait_for(lambda: served.runtime.state().code != NotReady.LOADING, what="the model")
            assert served.runtime.state().ready
        yield running
    finally:
        running.let_go()
        running.server.should_exit = True
        thread.join()


def _run(config: uvicorn.Config, run: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())


def _with_buffer(kind: type[Any], size: int) -> type[Any]:
    class Small(kind):  # type: ignore[misc] # a class that is chosen above
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
            super().connection_made(transport)

    return Small
