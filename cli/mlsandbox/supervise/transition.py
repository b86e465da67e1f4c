"""States of a supervised process, and the table of what may follow what (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What a service is doing."""

    PENDING = "pending"
    """Waits for what it needs."""
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    """Was ready, does not answer any more; still running."""
    BACKOFF = "backoff"
    """Ended by itself; starts again after a pause."""
    REFUSED = "refused"
    """Runs, but said that waiting will not help."""
    FAILED = "failed"
    """Ended too often; stays down until asked again."""
    STOPPING = "stopping"
    STOPPED = "stopped"


class Event(StrEnum):
    """What can happen to a service."""

    SPAWNED = "spawned"
    ANSWERED = "answered"
    """The readiness probe found it ready."""
    UNANSWERED = "unanswered"
    """The readiness probe did not."""
    DECLINED = "declined"
    """The readiness probe was told `final`."""
    EXITED = "exited"
    """It ended, or could not be started, without being asked to."""
    GAVE_UP = "gave up"
    STOP = "stop"
    GONE = "gone"
    """Ended after being asked to."""


_RUNNING: Final[Mapping[Event, State]] = {
    Event.ANSWERED: State.READY,
    Event.DECLINED: State.REFUSED,
    Event.EXITED: State.BACKOFF,
    Event.STOP: State.STOPPING,
}
_DOWN: Final[Mapping[Event, State]] = {Event.SPAWNED: State.STARTING, Event.EXITED: State.BACKOFF, Event.STOP: State.STOPPED}

LEGAL: Final[Mapping[State, Mapping[Event, State]]] = {
    State.PENDING: _DOWN,
    State.STARTING: {**_RUNNING, Event.UNANSWERED: State.STARTING},
    State.READY: {**_RUNNING, Event.UNANSWERED: State.UNREADY},
    State.UNREADY: {**_RUNNING, Event.UNANSWERED: State.UNREADY},
    State.REFUSED: {**_RUNNING, Event.UNANSWERED: State.REFUSED},
    State.BACKOFF: {**_DOWN, Event.GAVE_UP: State.FAILED},
    State.FAILED: {Event.STOP: State.STOPPED},
    State.STOPPING: {Event.EXITED: State.STOPPING, Event.GONE: State.STOPPED},
    State.STOPPED: {Event.STOP: State.STOPPED},
}

RUNNING: Final = frozenset({State.STARTING, State.READY, State.UNREADY, State.REFUSED, State.STOPPING})
"""States in which there is a process."""


def apply_event(state: State, event: Event) -> State | None:
    """The state after `event`, or None when `event` cannot happen in `state`."""
    return LEGAL[state].get(event)
