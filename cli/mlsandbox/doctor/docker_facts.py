"""What can be seen of the Docker engine; the checks judge it."""
# ruff: noqa: PLC0415 - docker is slow to import and needed by one engine alone

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox.docker_host import connect_anywhere, endpoint
from mlsandbox.errors import EngineUnavailable, SandboxError
from mlsandbox.run import run

USUAL: Final = "unix:///var/run/docker.sock"
_SECONDS: Final = 5
_DESKTOP: Final = "Docker Desktop"
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


@dataclass(frozen=True, slots=True)
class DockerFacts:
    """What was seen; the fields after `problem` hold nothing when there is one."""

    endpoint: str
    """Where the engine is looked for, "unix:///var/run/docker.sock"."""
    context: str | None
    """Which context of the `docker` command says so; None: the variable DOCKER_HOST does."""
    problem: str = ""
    """Why it does not answer."""
    remedy: str = ""
    """What to do about it, when that is known with the problem."""
    version: str = ""
    architecture: str = ""
    compose: str | None = None
    """Version of the Compose plugin; None: there is none."""
    client: bool = True
    """The `docker` command is here."""
    storage: str = ""
    """The engine's folder, on the engine's machine."""
    free_bytes: int | None = None
    """Free there; None when that is not seen from here."""
    memory_bytes: int = 0
    """Of the engine's machine."""
    available_bytes: int | None = None
    """What of it nobody uses; None when that is not seen from here."""
    limits_memory: bool = True
    """Its kernel holds containers to their memory limits."""
    shell_proxy: str | None = None
    """The variable by which this shell names a proxy."""
    engine_proxy: bool = False
    """The engine has one too."""


def look_at_docker(environ: Mapping[str, str] | None = None) -> DockerFacts:
    """Ask the engine, and the `docker` command; takes some seconds at most, and never raises for what it finds."""
    environ = os.environ if environ is None else environ
    try:
        where = endpoint() or USUAL
    except EngineUnavailable as error:
        return DockerFacts("", None, f"{error.what}: {error.why}", error.fix, client=_has_client())
    context = _context(environ)
    try:
        client = connect_anywhere(timeout=_SECONDS)
    except EngineUnavailable as error:
        return DockerFacts(where, context, str(error.__cause__ or error.why), client=_has_client())
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        with contextlib.closing(client):
            info: dict[str, Any] = client.info()
    except (DockerException, RequestException) as error:
        return DockerFacts(where, context, str(error), client=_has_client())
    here = where.startswith("unix:") and info.get("OperatingSystem") != _DESKTOP  # else it lives in a virtual machine
    storage = str(info.get("DockerRootDir", ""))
    return DockerFacts(
        endpoint=where,
        context=context,
        version=str(info.get("ServerVersion", "")),
        architecture=str(info.get("Architecture", "")),
        compose=_compose(),
        client=_has_client(),
        storage=storage,
        free_bytes=_free(Path(storage)) if here and storage else None,
        memory_bytes=int(info.get("MemTotal", 0)),
        available_bytes=_available() if here else None,
        limits_memory=bool(info.get("MemoryLimit", True)),
        shell_proxy=next((name for name in _PROXIES if environ.get(name)), None),
        engine_proxy=bool(info.get("HttpProxy") or info.get("HttpsProxy")),
    )


def _context(environ: Mapping[str, str]) -> str | None:
    from docker.context import ContextAPI

    if environ.get("DOCKER_HOST"):
        return None
    return environ.get("DOCKER_CONTEXT") or str(ContextAPI.get_current_context().name)


def _has_client() -> bool:
    return shutil.which("docker") is not None


def _compose() -> str | None:
    try:
        return run(["docker", "compose", "version", "--short"], what="asking Compose for its version", timeout=20).stdout.strip() or None
    except SandboxError:
        return None


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _available() -> int:
    import psutil

    return int(psutil.virtual_memory().available)
