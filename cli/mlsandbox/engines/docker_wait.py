"""Follows a stack's containers while they start, and tells what stands in their way."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from mlsandbox.engines.base import Outcome, Result
from mlsandbox.engines.docker_daemon import Daemon
from mlsandbox.engines.docker_observe import Container, Recorded, ended, moment
from mlsandbox.supervise.control import Tell
from mlsandbox.supervise.transition import State

_CRASH_LINES: Final = 20
_TIMEOUT_LINES: Final = 15
_SIGNALS_ENOUGH: Final = 3
"""A container that was ended by a signal this often would be again; once may have been somebody's doing."""
_LATE_SECONDS: Final = 0.5
"""The engine writes down a start when the process runs already, and may have written something."""
_EVERY: Final = 0.25


class Watch:
    """One start of a stack."""

    def __init__(
        self, daemon: Daemon, record: Mapping[str, Recorded], tell: Tell, *, old: Collection[str], kept: Collection[str], deadline: float
    ) -> None:
        """
        Args:
            daemon: whom to ask.
            record: what the containers are made from; its names are the services that must become ready.
            tell: told each change of a service's state.
            old: ids of the containers that were there before: while Compose is at work, their end is its doing.
            kept: services whose old containers are to stay.
            deadline: of `time.monotonic`.
        """
        self._daemon = daemon
        self._record = record
        self._tell = tell
        self._old = old
        self._kept = kept
        self._deadline = deadline
        self._told: dict[str, State] = {}
        self._were_ready: set[str] = set()
        self._begun = datetime.now().astimezone()

    @property
    def is_late(self) -> bool:
        return time.monotonic() >= self._deadline

    def look(self, *, settled: bool) -> Outcome | None:
        """Look once; the outcome, None as long as there is none.

        Args:
            settled: all containers were made and started: that nothing stands in the way means that all is well.
        """
        containers = self._containers(settled=settled)
        for each in containers:
            if self._told.get(each.service.name) is not each.service.state:
                self._told[each.service.name] = each.service.state
                self._tell(each.service.name, each.service.state, each.service.reason)
        for each in containers:
            outcome = self._obstacle(each) if settled or each.id not in self._old else None
            if outcome is not None:
                return outcome
            if each.service.state is State.READY:
                self._were_ready.add(each.id)
        ready = {each.service.name for each in containers if each.service.state is State.READY}
        return Outcome(Result.READY) if settled and ready == set(self._record) else None

    def wait(self) -> Outcome:
        """Look until there is an outcome, at the latest at the deadline."""
        while True:
            outcome = self.look(settled=True)
            if outcome is not None:
                return outcome
            if self.is_late:
                return self.timeout()
            time.sleep(_EVERY)

    def timeout(self) -> Outcome:
        """Who was not ready in time."""
        found = {each.service.name: each for each in self._containers(settled=True)}
        for name in self._record:
            late = found.get(name)
            if late is None:
                return Outcome(Result.TIMEOUT, name, "its container was not made yet")
            if late.service.state is not State.READY:
                lines = self._last_lines(late, _TIMEOUT_LINES)
                return Outcome(Result.TIMEOUT, name, late.service.reason or late.service.state, late.service.probe, None, lines)
        return Outcome(Result.TIMEOUT, next(iter(self._record), ""))

    def _containers(self, *, settled: bool) -> Sequence[Container]:
        return [
            each
            for each in self._daemon.containers(self._record)
            if each.service.name in self._record and (settled or each.id not in self._old or each.service.name in self._kept)
        ]

    def _obstacle(self, container: Container) -> Outcome | None:
        service = container.service
        if service.state is State.REFUSED:
            lines = self._last_lines(container, _CRASH_LINES)
            return Outcome(Result.REFUSED, service.name, service.reason, service.probe, None, lines)
        if service.state in {State.FAILED, State.STOPPED}:
            lines = self._last_lines(container, _CRASH_LINES)
            return Outcome(Result.CRASHED, service.name, service.reason, None, service.exit_code, lines)
        begins_again = service.state is State.BACKOFF or (service.restarts > 0 and service.state is not State.READY)
        return self._ended(container) if begins_again and container.id not in self._were_ready else None

    def _last_lines(self, container: Container, lines: int, *, until: float | None = None) -> tuple[str, ...]:
        """Of this start: all that a new container wrote is of it."""
        began = moment(container.started).timestamp() - _LATE_SECONDS  # negative when it never was started
        return self._daemon.tail(container, lines, since=began if container.id in self._old and began > 0 else None, until=until)

    def _ended(self, container: Container) -> Outcome | None:
        """It ended before it was ever ready; the engine starts it again, and it would end again."""
        service = container.service
        end = self._daemon.first_end(container, since=self._begun)
        code = service.exit_code if end is None else end.exit_code
        memory_exceeded = container.memory_exceeded if end is None else end.memory_exceeded
        if code is not None and code < 0 and not memory_exceeded and service.restarts < _SIGNALS_ENOUGH:
            return None
        lines = self._last_lines(container, _CRASH_LINES, until=None if end is None else end.time)
        reason = service.reason if code is None else ended(code, memory_exceeded=memory_exceeded)
        return Outcome(Result.CRASHED, service.name, reason, None, code, lines)
