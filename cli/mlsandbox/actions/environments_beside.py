"""Environments of a stack's services, built beside each other and beside packaging, so that the first `up` is not the sum of them.

Builds run in threads that only run commands; all that they tell is shown by the thread that asked for them, in the order of the services.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from mlsandbox.actions.outcomes import Report
from mlsandbox.packaging.environments import is_built, service_environment
from mlsandbox.run import Commands

_LOOK_SECONDS: Final = 0.2


class _Built(NamedTuple):
    python: Path
    seconds: float


class EnvironmentsBeside:
    """The builds; a context in which they go on, and at whose end none is left.

    Args:
        services: whose environments are wanted; those that are there already are left alone.
        report: told, by the thread that uses this, what takes time.
    """

    def __init__(self, services: Sequence[str], report: Report) -> None:
        self._services = [service for service in dict.fromkeys(services) if not is_built(service)]
        self._report = report
        self._notes: deque[str] = deque()
        self._commands = Commands()
        self._pool: ThreadPoolExecutor | None = None
        self._builds: dict[str, Future[_Built]] = {}

    def __enter__(self) -> Self:
        if self._services:
            self._pool = ThreadPoolExecutor(len(self._services), thread_name_prefix="environment")
            self._builds = {service: self._pool.submit(self._build, service) for service in self._services}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._commands.end()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def python(self, service: str) -> Path:
        """The interpreter of a service's environment, once it is built.

        Raises:
            PythonMissing, PackagesUnreachable, PackagingFailed: it cannot be built.
        """
        build = self._builds.pop(service, None)
        if build is None:
            return service_environment(service, report=self._report.note)
        self._report.step(f"Building the environment of {service}")
        while not wait([build], _LOOK_SECONDS).done:
            self.tell()
        self.tell()
        built = build.result()
        self._report.done(f"Built the environment of {service}", "", built.seconds)
        return built.python

    def tell(self) -> None:
        """Show what the builds have told meanwhile."""
        while self._notes:
            self._report.note(self._notes.popleft())

    def _build(self, service: str) -> _Built:
        began = time.monotonic()

        def note(text: str) -> None:
            self._notes.append(text if service in text else f"{service}: {text}")

        with self._commands.here():
            return _Built(service_environment(service, report=note), time.monotonic() - began)


class Interleaved:
    """A report that shows what the builds have told before anything else that it is told."""

    def __init__(self, report: Report, beside: EnvironmentsBeside) -> None:
        self._report = report
        self._beside = beside

    def step(self, text: str) -> None:
        self._beside.tell()
        self._report.step(text)

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        self._beside.tell()
        self._report.done(text, detail, seconds)

    def warn(self, text: str) -> None:
        self._beside.tell()
        self._report.warn(text)

    def note(self, text: str) -> None:
        self._beside.tell()
        self._report.note(text)
