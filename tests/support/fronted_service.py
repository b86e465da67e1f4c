"""A version of a model, without a model: uvicorn with the guarded protocol and a front; run by path.

TOY_PORT         its own port, of 127.0.0.1
FRONTED_LOOP     asyncio | uvloop
FRONTED_WORKERS  processes that answer
FRONTED_HEAD     seconds for the head of a request
FRONTED_MOST     connections that may ask anything
FRONTED_GATE     a folder: /slow is answered once it holds a file "open", and leaves a file "asked-…" there first
FRONTED_EXPRESS  1: small predictions are answered from the parser's callbacks
FRONTED_FAULT    deaf: comes for its front and never serves; one-deaf: so does one of its workers; own-protocol: uvicorn's own, which
                 can hand nothing on

/awhile is answered after a moment, in which the application looks whether its client is gone. SIGUSR1 makes a worker's channel useless.

Each answer says in x-model-version the service, and in x-worker the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn

from mlsandbox_serving.contract import Env, Handover, Route
from mlsandbox_serving.service import front, protocol
from mlsandbox_serving.service.exchange import Answer, Request, facts_of, json_answer, sent_headers
from mlsandbox_serving.service.express import SendAnswer, taking
from mlsandbox_serving.service.refusal import RequestRefused

FAULT = os.environ.get("FRONTED_FAULT", "")
AWHILE_SECONDS = 0.05
GATE = Path(os.environ.get("FRONTED_GATE", "/nowhere"))


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer everything, once its body is there."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    if scope["path"] == "/slow":
        tempfile.mkstemp(prefix="asked-", dir=GATE)
        while not (GATE / "open").exists():  # noqa: ASYNC110 - a test is another process
            await asyncio.sleep(0.01)
    if scope["path"] == "/awhile":
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(receive(), AWHILE_SECONDS)
    if scope["path"].startswith("/bytes/"):
        body = b"x" * int(scope["path"].removeprefix("/bytes/"))
    else:
        body = json.dumps({"stack_id": os.environ[Env.STACK_ID], "service": os.environ[Env.SERVICE], "ready": True, "size": size}).encode()
    fields = {"content-length": str(len(body)), "x-model-version": os.environ[Env.SERVICE], "x-worker": str(os.getpid())}
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class AtOnce:
    """Answers small predictions where they are read."""

    takes_express = True

    def began(self, headers: Mapping[str, str]) -> Request:
        return Request(facts_of("POST", Route.PREDICT, headers), headers)

    def express(self, request: Request, body: bytes, send: SendAnswer) -> None:
        del request
        send(json_answer(200, {"size": len(body)}), lambda: None)

    def refuse(self, request: Request, refused: RequestRefused, send: SendAnswer) -> None:
        send(json_answer(refused.failure.status, refused.body(request.facts.request_id)), lambda: None)

    def hung_up(self, request: Request) -> None:
        """Nothing is kept of it."""

    def head_of(self, request: Request, answer: Answer) -> list[tuple[bytes, bytes]]:
        del request
        named = {"x-model-version": os.environ[Env.SERVICE], "x-worker": str(os.getpid())}
        return [*sent_headers(answer), *((name.encode(), value.encode()) for name, value in named.items())]


def is_first() -> bool:
    """Of the workers of this version."""
    try:
        (GATE / f"first-{os.environ[Env.SERVICE]}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def serve(listening: socket.socket) -> None:
    """Be one worker."""
    over = taking(AtOnce()) if os.environ.get("FRONTED_EXPRESS") else protocol.HttptoolsGuard
    if FAULT != "own-protocol":
        head_seconds = float(os.environ.get("FRONTED_HEAD", "30"))
        most = int(os.environ.get("FRONTED_MOST", "1000"))
        assert protocol.install(30.0, connections=most, head_seconds=head_seconds, sweep_seconds=0.05, over_httptools=over)
    if FAULT == "deaf" or (FAULT == "one-deaf" and is_first()):
        holder = socket.socket(socket.AF_UNIX)
        holder.connect(os.environ[Env.FRONT_SOCKET])
        hello = {Handover.DO: Handover.HELLO, "front": os.environ[Env.FRONT], "service": os.environ[Env.SERVICE], "pid": os.getpid()}
        holder.sendall(json.dumps(hello).encode() + b"\n")
    else:
        assert front.install(os.environ)
    loop: Any = os.environ.get("FRONTED_LOOP", "uvloop")
    config = uvicorn.Config(application, log_config=None, lifespan="off", loop=loop, timeout_keep_alive=30)
    server = uvicorn.Server(config)

    def garble(_number: int, _frame: object) -> None:
        for each in server.servers:
            if isinstance(each, front.Front):
                each._channel.send({})  # type: ignore[union-attr] # a fault from within, of one that has joined

    signal.signal(signal.SIGUSR1, garble)
    server.run(sockets=[listening])


def main() -> None:
    """Serve, or have as many workers serve as there are to be."""
    if len(sys.argv) > 1:
        serve(socket.socket(fileno=int(sys.argv[1])))
        return
    listening = socket.create_server(("127.0.0.1", int(os.environ["TOY_PORT"])), backlog=1_024)
    workers = int(os.environ.get("FRONTED_WORKERS", "1"))
    if workers == 1:
        serve(listening)
        return
    number = listening.fileno()
    processes = [subprocess.Popen([sys.executable, __file__, str(number)], pass_fds=[number]) for _ in range(workers)]
    listening.close()

    def end(_number: int, _frame: object) -> None:
        for process in processes:
            process.terminate()

    signal.signal(signal.SIGTERM, end)
    while any(process.poll() is None for process in processes):
        time.sleep(0.05)


if __name__ == "__main__":
    main()
