"""The Docker engine that the user's own `docker` command talks to."""
# ruff: noqa: PLC0415 - docker is slow to import and needed by one engine alone

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mlsandbox.errors import EngineUnavailable

if TYPE_CHECKING:
    from docker import DockerClient

CONTENT: Final = "org.mlsandbox.content"
"""Label of the images that we build: the digest of all that went into it."""
OWNER: Final = "org.mlsandbox.owner"
"""Label of the images of models: whose they are, `owner_of` its project's folder; what is pushed must not name that."""
_USUAL_SOCKET: Final = Path("/var/run/docker.sock")
_CLI_SETTINGS: Final = "~/.docker/config.json"
_SECONDS: Final = 60
"""Until a request without an answer is an error."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
NONSENSE: Final = (ValueError, TypeError, LookupError, AttributeError)
"""What reading an answer raises that is no answer of a Docker engine."""


def owner_of(root: Path | str) -> str:
    """What stands for a project's folder in a label that others may read."""
    return hashlib.sha256(str(root).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image that this machine has."""

    reference: str
    """"prom/prometheus:v3.5.0"."""
    id: str
    """Digest of its configuration, "sha256:…": another build has another one."""


def connect(*, timeout: int = _SECONDS) -> DockerClient:
    """A client of the engine that DOCKER_HOST, else the CLI's current context, names.

    Raises:
        EngineUnavailable: there is none, it does not answer, or it is on another machine, which nothing of this one may be sent to.
    """
    where = endpoint()
    if not on_this_machine(where):
        raise EngineUnavailable(
            "Docker's engine is on another machine",
            why=f"{where}: its containers cannot be handed files of this one, and would be handed passwords.",
            fix="use an engine of this machine: unset DOCKER_HOST, docker context use default   or: sandbox up --engine embedded",
            details={"endpoint": where},
        )
    return connect_anywhere(timeout=timeout)


def connect_anywhere(*, timeout: int) -> DockerClient:
    """The same, wherever the engine is: to look at it alone.

    Raises:
        EngineUnavailable: there is none, or it does not answer.
    """
    import docker
    from docker.errors import DockerException

    where = endpoint()
    try:
        _reach(where, timeout)
        client = docker.DockerClient(base_url=where, timeout=timeout)
        client.ping()
    except (DockerException, OSError, *NONSENSE) as error:
        raise EngineUnavailable(
            "Docker does not answer",
            why=f"{where or f'unix://{_USUAL_SOCKET}'}: {error}",
            fix="start it and look: docker info   or run without it: sandbox up --engine embedded",
            details={"endpoint": where},
        ) from error
    return client


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Around requests and the reading of their answers: that there is none, or a senseless one, is no mistake of ours.

    Raises:
        EngineUnavailable: instead of all that the library raises then; what the engine refuses keeps the library's error as its cause.
    """
    from http.client import HTTPException

    from docker.errors import APIError, DockerException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (DockerException, OSError, HTTPError, HTTPException, *NONSENSE) as error:
        if isinstance(error, APIError):
            what = "Docker refused a request"
        else:
            what = "Docker's answer makes no sense" if isinstance(error, NONSENSE) else "Docker does not answer"
        raise EngineUnavailable(
            what,
            why=str(error) or type(error).__name__,
            fix="look at it, then do the same again: `docker info`   or run without it: sandbox up --engine embedded",
            details={"endpoint": endpoint()},
        ) from error


def answers() -> bool:
    """Whether Docker is there; takes a second at most, and nothing where nothing hints at it."""
    if not (os.environ.keys() & {"DOCKER_HOST", "DOCKER_CONTEXT"} or _USUAL_SOCKET.exists() or Path(_CLI_SETTINGS).expanduser().is_file()):
        return False
    try:
        connect(timeout=1).close()
    except EngineUnavailable:
        return False
    return True


def _reach(where: str | None, timeout: float) -> None:
    """Raise OSError when nobody listens on a socket file; tried that way, the library would leave it open."""
    if where is None or where.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as trial:
            trial.settimeout(timeout)
            trial.connect(str(_USUAL_SOCKET) if where is None else where.removeprefix("unix://"))


def on_this_machine(where: str | None) -> bool:
    """Whether an engine that listens there (`endpoint`) sees this machine's files."""
    if not where:
        return True
    try:
        url = urlsplit(where if "://" in where else f"tcp://{where}")
    except ValueError:
        return False
    return url.scheme in {"unix", "npipe"} or (url.scheme in {"tcp", "http", "https"} and url.hostname in _LOOPBACK)


def endpoint() -> str | None:
    """Where the engine listens; None: where it usually does.

    Raises:
        EngineUnavailable: the context that says so is not there.
    """
    from docker.context import ContextAPI

    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    name = os.environ.get("DOCKER_CONTEXT")
    context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    if context is None:
        raise EngineUnavailable(
            f"there is no Docker context {name}" if name else "the current Docker context is gone",
            why="the variable DOCKER_CONTEXT names it" if name else "",
            fix="choose one of those that `docker context ls` lists   or run without Docker: sandbox up --engine embedded",
        )
    host: str | None = context.Host
    return host
