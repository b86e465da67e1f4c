"""What stands in for the service when it cannot even be put together: it says why, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Mapping

from mlsandbox_serving.contract import Env, ErrorCode, NotReady, Route
from mlsandbox_serving.packaged import served_version
from mlsandbox_serving.record import new_id
from mlsandbox_serving.service.exchange import Answer, AsgiApp, Message, Receive, Send, json_answer, send_answer, sent_headers
from mlsandbox_serving.service.oip import error_body, is_protocol
from mlsandbox_serving.service.refusal import RequestRefused


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
        "version": served_version(environ),
        "code": NotReady.LOAD_FAILED,
        "reason": reason,
        "final": True,
        "details": {},
        "golden": None,
    }
    refused = RequestRefused(503, ErrorCode.NOT_READY, reason)

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            request_id = new_id()
            answer = answer_of(scope["path"], request_id)
            headers = [(b"x-request-id", request_id.encode()), *sent_headers(answer)]
            await send_answer(send, answer, headers, head=scope["method"] == "HEAD")

    def answer_of(path: str, request_id: str) -> Answer:
        if path in {Route.LIVE, Route.V2_LIVE}:
            return json_answer(200, {"live": True})
        if path == Route.READY:
            return json_answer(503, not_ready)
        return json_answer(503, error_body(refused, request_id) if is_protocol(path) else refused.body(request_id))

    return application


async def _live(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
