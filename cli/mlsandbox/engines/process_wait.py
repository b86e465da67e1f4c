"""Waiting for a supervisor's services, and telling what stands in their way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from mlsandbox.engines.base import Outcome, Result
from mlsandbox.supervise import control
from mlsandbox.supervise.logfiles import tail, timestamp
from mlsandbox.supervise.spec import Folder
from mlsandbox.supervise.status import ServiceStatus, SupervisorStatus
from mlsandbox.supervise.sweep import SUPERVISOR
from mlsandbox.supervise.transition import State

_CRASH_LINES: Final = 20
_TIMEOUT_LINES: Final = 15


def wait_until_ready(
    folder: Folder, tell: control.Tell, *, deadline: float, after: int, digest: str, only: Collection[str] | None = None
) -> Outcome:
    """Wait until the supervisor has read its list more often than `after` times, and all services are ready.

    Args:
        folder: of the supervisor.
        tell: told each change of a service's state.
        deadline: of `time.monotonic`.
        after: readings that do not count yet.
        digest: of the list that must have been read.
        only: names of the services that count; None: all.
    """
    begun = timestamp()
    told: dict[str, State] = {}
    status: SupervisorStatus | None = None
    for status in control.watch(folder, deadline=deadline):
        if status is None or status.stopping:
            return Outcome(Result.CRASHED, SUPERVISOR, "the supervisor ended", lines=_end(folder, SUPERVISOR, _CRASH_LINES))
        for service in status.services:
            if told.get(service.name) is not service.state:
                told[service.name] = service.state
                tell(service.name, service.state, service.reason)
        if status.follows > after and (status.error or status.list_digest == digest):
            outcome = _judge(folder, _of(status, only), begun if after else status.started)  # a new supervisor starts services at once
            if outcome is not None:
                return outcome
    return _timeout(folder, status and _of(status, only), begun)


def _of(status: SupervisorStatus, only: Collection[str] | None) -> SupervisorStatus:
    if only is None:
        return status
    return replace(status, services=tuple(service for service in status.services if service.name in only))


def _judge(folder: Folder, status: SupervisorStatus, begun: str) -> Outcome | None:
    """The outcome, None as long as there is none; `begun` is when these services were started, at the earliest."""
    if status.error:
        return Outcome(Result.CRASHED, SUPERVISOR, status.error)
    for service in status.services:
        if service.state is State.REFUSED:
            lines = _end(folder, service.name, _CRASH_LINES, since=begun)
            return Outcome(Result.REFUSED, service.name, service.reason, service.probe, None, lines)
        if service.state is State.FAILED or _ended_while_starting(service):
            lines = _end(folder, service.name, _CRASH_LINES, since=begun)
            return Outcome(Result.CRASHED, service.name, service.reason, None, service.exit_code, lines)
    return Outcome(Result.READY) if all(service.state is State.READY for service in status.services) else None


def _ended_while_starting(service: ServiceStatus) -> bool:
    """It ended by itself before it was ever ready, and would do so again; one that was killed by a signal may not."""
    ended = service.state is State.BACKOFF or (service.state is State.STARTING and service.restarts > 0)
    return ended and not service.was_ready and (service.exit_code is None or service.exit_code >= 0)


def _timeout(folder: Folder, status: SupervisorStatus | None, begun: str) -> Outcome:
    late = None if status is None else next((service for service in status.services if service.state is not State.READY), None)
    if late is None:
        return Outcome(Result.TIMEOUT, SUPERVISOR, "", lines=_end(folder, SUPERVISOR, _TIMEOUT_LINES))
    lines = _end(folder, late.name, _TIMEOUT_LINES, since=min(begun, late.since or begun))
    return Outcome(Result.TIMEOUT, late.name, late.reason or late.state, late.probe, None, lines)


def _end(folder: Folder, service: str, lines: int, *, since: str = "") -> tuple[str, ...]:
    """The last lines of a service's output, without their time stamps; what an earlier process wrote before `since` is left out."""
    return tuple(line.partition(" ")[2] for line in tail(folder.log(service), lines) if line >= since)
