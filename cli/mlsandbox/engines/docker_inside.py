"""Runs a service's Python once more inside of its container."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import Final

from mlsandbox.engines.asking import Answered, Request, silent
from mlsandbox.errors import CommandFailed, ProgramMissing
from mlsandbox.run import run, stream

_MARK: Final = "SANDBOX_RUN"
"""An environment variable that tells one run from everything else in the container."""
_END_SECONDS: Final = 10.0
_MORE_SECONDS: Final = 10.0
"""Until a program that asks with a limit of its own has begun and ended: the engine may never say that it did, when its container ends."""
_ASK: Final = """
import base64, http.client, json, sys
wanted = json.loads(sys.stdin.readline())
connection = http.client.HTTPConnection("127.0.0.1", wanted["port"], timeout=wanted["timeout"])
try:
    connection.request(wanted["method"], wanted["path"], base64.b64decode(wanted["body"]) or None, wanted["headers"])
    answer = connection.getresponse()
    said = {"status": answer.status, "headers": dict(answer.getheaders()), "body": base64.b64encode(answer.read()).decode()}
except (OSError, http.client.HTTPException) as error:
    said = {"error": str(error) or type(error).__name__}
print(json.dumps(said))
"""
"""What is run in a container: of the standard library alone, since an older package brings older code of ours."""
_END: Final = f"""
import os, pathlib, signal, sys
wanted = b"{_MARK}=" + sys.argv[1].encode()
for each in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if wanted in (each / "environ").read_bytes().split(b"\\0"):
            os.kill(int(each.name), signal.SIGKILL)
    except OSError:
        pass
"""


def run_inside(container: str, args: Sequence[str], text: str) -> Iterator[str]:
    """The lines that it writes; who closes the iterator ends it.

    Args:
        container: its name.
        args: after the interpreter.
        text: what it reads on standard input.

    Raises:
        CommandFailed: it ended with another exit code than 0.
    """
    with _python(container) as python:
        yield from stream((*python, *args), input=text, what=f"running {' '.join(args)} in {container}")


def ask_inside(container: str, service: str, port: int, request: Request) -> Answered:
    """Ask a service from inside of its container: nothing of it has to be published.

    Raises:
        NotRunning: nobody answers there, or the container is gone.
    """
    wanted = {**request._asdict(), "headers": dict(request.headers), "body": b64encode(request.body).decode(), "port": port}
    limit, what = request.timeout + _MORE_SECONDS, f"asking {service} in {container}"
    try:
        with _python(container) as python:
            said = json.loads(run((*python, "-c", _ASK), input=json.dumps(wanted) + "\n", timeout=limit, what=what).stdout)
    except CommandFailed as error:
        raise silent(service, port, error.why) from error
    if "error" in said:
        raise silent(service, port, said["error"])
    return Answered(said["status"], said["headers"], b64decode(said["body"]))


@contextmanager
def _python(container: str) -> Iterator[tuple[str, ...]]:
    """How a container's Python is run; what it runs is ended when the block is left before it ended by itself."""
    mark = token_hex(8)
    try:
        yield ("docker", "exec", "--interactive", "--env", f"{_MARK}={mark}", container, "python")
    except BaseException as error:
        began = not isinstance(error, ProgramMissing)
        ended = isinstance(error, CommandFailed) and error.details.get("returncode") is not None
        if began and not ended:
            with suppress(CommandFailed):  # the container is gone, and all in it, or the engine does not answer
                argv = ("docker", "exec", container, "python", "-c", _END, mark)
                run(argv, what=f"ending what ran in {container}", timeout=_END_SECONDS)
        raise
