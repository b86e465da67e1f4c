"""The API server of a cluster, as the user's own `kubectl` reaches it: contexts, certificates and login programs are its affair.

`kubectl proxy` serves it on a socket file in a folder that only we may enter, for as long as it is needed, and ends with us.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import socket
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from mlsandbox.errors import ClusterUnavailable, CommandFailed, ProgramMissing
from mlsandbox.run import Commands, stream

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
"""Of a server-side apply; JSON is YAML."""
_PROGRAM: Final = "kubectl"
_SERVES: Final = "Starting to serve"
"""What kubectl says once it does; where a context has no way to log in, it asks for a name and a password first, which nobody gives."""
_START_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 60.0
_LONGEST_ANSWER: Final = 64 * 1024**2
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
"""RFC 7234, section 5.5: code, agent, quoted text."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API server answered."""

    status: int
    body: Any
    """Parsed JSON; the text when it is none."""
    warnings: tuple[str, ...]
    """Of its Warning headers."""
    headers: Mapping[str, str]
    """By names in small letters."""
    text: str
    """The body as it came."""

    @property
    def ok(self) -> bool:
        return self.status < http.HTTPStatus.BAD_REQUEST

    @property
    def message(self) -> str:
        """Why it refused."""
        if isinstance(self.body, dict) and self.body.get("message"):
            return str(self.body["message"])
        return str(self.body).strip() or f"it answered {self.status}"


class Deadline:
    """A time by which something is to be done."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds, at least a hundredth."""
        return max(self._end - time.monotonic(), 0.01)

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._end


class Cluster:
    """One API server.

    Args:
        way: the socket file.
        context: that was asked for; None: the current one.
        deadline: by which all is to be answered.
    """

    def __init__(self, way: Path, context: str | None, deadline: Deadline) -> None:
        self._connection = _SocketConnection(way)
        self._context = context
        self.deadline = deadline

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def ask(self, method: str, path: str, body: object = None, *, kind: str = JSON, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask the API server, whatever it answers.

        Args:
            method: of HTTP.
            path: with its query.
            body: what is sent as JSON, or text as it is.
            kind: media type of the body.
            headers: further ones.

        Raises:
            ClusterUnavailable: it cannot be reached, knows nobody like us, or is not able to answer.
        """
        content = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        if self.deadline.over:
            raise self._unavailable(f"not everything was answered within {self.deadline.seconds:g} s", f"Left to be asked: {method} {path}")
        self._connection.timeout = min(_ANSWER_SECONDS, self.deadline.left)
        try:
            self._connection.request(method, path, content, {**({"Content-Type": kind} if content is not None else {}), **(headers or {})})
            response = self._connection.getresponse()
            raw = response.read(_LONGEST_ANSWER)
        except FileNotFoundError as error:
            raise self._unavailable("the cluster is not reached any more", "kubectl, which reached it, has ended.", passes=False) from error
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise self._unavailable("the cluster does not answer", str(error) or type(error).__name__) from error
        except BaseException:
            self._connection.close()  # half of an answer may still come
            raise
        if response.will_close or response.length:
            self._connection.close()
        names = {name.lower(): value for name, value in response.headers.items()}
        text = raw.decode("utf-8", "replace")
        reply = Reply(response.status, _parsed(text), _warnings(response.headers.get_all("Warning") or ()), names, text)
        if reply.status == http.HTTPStatus.UNAUTHORIZED and _is_status(reply):
            raise self._unavailable("the cluster does not know you", reply.message)
        if reply.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR and "/proxy/" not in path and not _is_status(reply):
            raise self._unavailable("the cluster cannot be reached", reply.message)
        return reply

    def get(self, path: str, *, absent: bool = False) -> Any:
        """What lies there; None when `absent` is allowed and nothing does.

        Raises:
            ClusterUnavailable: it is refused, or as for `ask`.
        """
        reply = self.ask("GET", path)
        if absent and reply.status == http.HTTPStatus.NOT_FOUND:
            return None
        return self.granted(reply, f"GET {path}")

    def granted(self, reply: Reply, what: str) -> Any:
        """The body of a reply that must not be a refusal.

        Raises:
            ClusterUnavailable: it is one.
        """
        if reply.ok:
            return reply.body
        passes = reply.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR or reply.status == http.HTTPStatus.TOO_MANY_REQUESTS
        if reply.status == http.HTTPStatus.FORBIDDEN:
            needed = "the cluster does not let you do what a proof needs"
            raise self._unavailable(needed, f"{what}: {reply.message}", "auth can-i --list", passes=passes)
        raise self._unavailable(f"the cluster refused: {what}", reply.message, passes=passes)

    def _unavailable(self, what: str, why: str, command: str = "cluster-info", *, passes: bool = True) -> ClusterUnavailable:
        chosen = f" --context {shlex.quote(self._context)}" if self._context else ""
        error = ClusterUnavailable(what, why=why, fix=f"look at it: {_PROGRAM} {command}{chosen}", details={"context": self._context})
        error.passes = passes
        return error


@contextmanager
def connect(context: str | None, deadline: Deadline) -> Iterator[Cluster]:
    """The API server that kubectl's settings name.

    Args:
        context: of these settings; None: the current one.
        deadline: by which all is to be answered.

    Raises:
        ProgramMissing: there is no kubectl.
        ClusterUnavailable: there is no such context, or kubectl cannot begin.
    """
    with tempfile.TemporaryDirectory(prefix="sandbox-api-") as folder:  # 0700
        way = Path(folder) / "api.sock"
        chosen = [] if context is None else ["--context", context]
        commands = Commands()
        lines = cast(
            "Generator[str, None, None]", stream([_PROGRAM, "proxy", "--unix-socket", str(way), *chosen], what="reaching the cluster")
        )
        with closing(lines):
            _begin(commands, lines, context)
            cluster = Cluster(way, context, deadline)
            with closing(cluster):
                yield cluster


def _begin(commands: Commands, lines: Iterator[str], context: str | None) -> None:
    """Wait until kubectl serves."""
    late = threading.Timer(_START_SECONDS, commands.end)
    late.daemon = True
    late.start()
    asked = []
    try:
        with commands.here():
            while (said := next(lines, None)) is not None and not said.startswith(_SERVES):
                asked.append(said)
    except ProgramMissing as error:
        raise ProgramMissing(
            "kubectl was not found", why="A cluster is reached through it.", fix="install it: https://kubernetes.io/docs/tasks/tools"
        ) from error
    except CommandFailed as error:
        why = "\n".join((*asked, str(error.details.get("stderr") or error.why).strip()))
        listed = "see which there are: kubectl config get-contexts"
        what = f"there is no context {context}" if context and "does not exist" in why else "kubectl does not reach the cluster"
        raise ClusterUnavailable(what, why=why.removeprefix("error: "), fix=listed, details={"context": context}) from error
    finally:
        late.cancel()
    if said is None:
        raise ClusterUnavailable(
            "kubectl ended before it served the cluster", fix="look at it: kubectl cluster-info", details={"context": context}
        )


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket file; `timeout` may be changed between two requests."""

    def __init__(self, way: Path) -> None:
        super().__init__("localhost")
        self._way = way

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._way))

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.timeout)
        super().send(data)


def _is_status(reply: Reply) -> bool:
    """Whether it is the API server's own answer, not that of kubectl's proxy or of one between."""
    return isinstance(reply.body, dict) and reply.body.get("kind") == "Status"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _warnings(headers: Any) -> tuple[str, ...]:
    return tuple(re.sub(r"\\(.)", r"\1", text) for header in headers for text in _WARNING.findall(header))
