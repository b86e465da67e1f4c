"""What the supervisor says of itself: `status.json`, replaced on each change."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from mlsandbox.supervise.logfiles import timestamp
from mlsandbox.supervise.transition import Event, State, apply_event

STATUS_VERSION: Final = 2
"""Goes up whenever this file or `processes.json` changes its form: a supervisor of another version is replaced, never talked to."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service, as of its last change."""

    name: str
    digest: str
    """`ProcessSpec.digest()` of what runs."""
    state: State = State.PENDING
    pid: int | None = None
    since: str = ""
    """UTC time of the last change of state, ISO 8601."""
    restarts: int = 0
    exit_code: int | None = None
    """Of the last end; negative for a signal."""
    reason: str = ""
    """Why it is not ready, or why it ended; empty when all is well."""
    was_ready: bool = False
    """Ready at least once since this spec came into force."""
    probe: dict[str, Any] | None = None
    """Last JSON answer of the readiness probe."""
    memory_bytes: int | None = None

    def after(self, event: Event, **facts: Any) -> ServiceStatus:
        """The status after `event`, with further fields set; itself, unchanged, when the event cannot happen in this state."""
        state = apply_event(self.state, event)
        if state is None:
            return self
        changed = {} if state is self.state else {"state": state, "since": timestamp()}
        return replace(self, **{**facts, **changed, "was_ready": self.was_ready or state is State.READY})


@dataclass(frozen=True, slots=True)
class FrontStatus:
    """Who answers for a front, and since when."""

    name: str
    port: int
    service: str
    former: str = ""
    """Who answered before it; empty when nobody did."""
    began: float = 0.0
    """Epoch seconds before which this one answered nothing …"""
    ended: float = 0.0
    """… and after which the former one does not; equal to `began` when there was none."""
    moves: int = 0
    """How often it has changed hands under this supervisor: after asking for a change, wait for it to grow."""
    error: str = ""
    """Why the last change that was asked for was not made."""


@dataclass(frozen=True, slots=True)
class SupervisorStatus:
    """The whole of status.json."""

    stack_id: str
    pid: int
    started: str
    """UTC time at which the supervisor began, ISO 8601."""
    list_digest: str
    """Which processes.json it follows (`spec.list_digest`)."""
    services: tuple[ServiceStatus, ...]
    follows: int = 0
    """How often it has read the list: after a signal, wait for it to grow."""
    stopping: bool = False
    error: str = ""
    """Why the last change of processes.json was not followed."""
    fronts: tuple[FrontStatus, ...] = ()

    def front(self, name: str) -> FrontStatus | None:
        """The front of that name, None when there is none."""
        return next((front for front in self.fronts if front.name == name), None)

    def service(self, name: str) -> ServiceStatus | None:
        """The service of that name, None when there is none."""
        return next((service for service in self.services if service.name == name), None)


def status_to_json(status: SupervisorStatus) -> str:
    """The text of `status.json`."""
    return json.dumps({"schema_version": STATUS_VERSION, **asdict(status)}, indent=1, ensure_ascii=False) + "\n"


def read_status(path: Path) -> SupervisorStatus | None:
    """The last status that was written; None when there is none, or one of another version."""
    try:
        document = json.loads(path.read_text("utf-8"))
        if document.pop("schema_version") != STATUS_VERSION:
            return None
        services = tuple(ServiceStatus(**{**entry, "state": State(entry["state"])}) for entry in document.pop("services"))
        fronts = tuple(FrontStatus(**entry) for entry in document.pop("fronts"))
        return SupervisorStatus(**document, services=services, fronts=fronts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
