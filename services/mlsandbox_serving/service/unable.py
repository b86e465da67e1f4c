"""What stands in for the service when it cannot even be put together: it says why, so that nobody waits for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlsandbox_serving.contract import Env, ErrorCode, NotReady, Route
from mlsandbox_serving.service.exchange import JSON, AsgiApp, Message, Receive, Send


def unable(problem: Exception, environ: Mapping[str, str]) -> AsgiApp:
    """An application that is alive, never ready, and answers everything else with 503.

    BentoML's arbiter starts a worker that ended again and again; one that stays and answers /readyz is refused at once instead.

    Args:
        problem: what went wrong; its type and text are shown.
        environ: the process's environment.
    """
    reason = f"the service could not be started: {type(problem).__name__}: {problem}"
    not_ready = {
        "ready": False,
        "stack_id": environ.get(Env.STACK_ID, ""),
        "model": environ.get(Env.MODEL, ""),
        "version": environ.get(Env.VERSION, ""),
        "code": NotReady.LOAD_FAILED,
        "reason": reason,
        "final": True,
        "details": {},
        "golden": None,
    }
    facts = {"code": ErrorCode.NOT_READY, "details": {}, "request_id": ""}
    refusal = {"error": {**facts, "message": reason}}
    refusal_v2 = {**facts, "error": reason}  # the Open Inference Protocol has a text there

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            path = scope["path"]
            alive = path in {Route.LIVE, Route.V2_LIVE}
            body = {"live": True} if alive else not_ready if path == Route.READY else refusal_v2 if path.startswith(Route.V2) else refusal
            await _answer(send, 200 if alive else 503, body)

    return application


async def _live(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _answer(send: Send, status: int, body: Mapping[str, Any]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", JSON.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
