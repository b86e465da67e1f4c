"""What services wrote, and what was logged of requests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox.actions.sight import look, moment
from mlsandbox.engines.base import LogLine
from mlsandbox.errors import UsageError
from mlsandbox.event_query import ROWID, last_rowid, query
from mlsandbox.supervise.spec import Folder, ListInvalid, list_from_json
from mlsandbox_serving.contract import LogTable

_POLL_SECONDS: Final = 0.2
_EVERYTHING: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; everything given must hold."""

    requests: bool = False
    errors: bool = False
    request_id: str | None = None
    level: str | None = None
    since: float | None = None
    """Epoch seconds."""

    @property
    def is_given(self) -> bool:
        """Events are wanted, rather than what services wrote."""
        return self.requests or self.errors or self.request_id is not None or self.level is not None


def service_lines(root: Path, services: Sequence[str], *, lines: int, since: float | None, follow: bool) -> Iterator[LogLine]:
    """Output of services, merged by time.

    Args:
        root: the project's folder.
        services: names; empty: all that ever wrote something.
        lines: how many of each service, before `since` is applied.
        since: epoch seconds; earlier lines are left out.
        follow: go on with every new line, without end.

    Raises:
        UsageError: no such service.
    """
    known = service_names(root)
    unknown = [name for name in services if name not in known]
    if unknown:
        named = ", ".join(known) or "none yet"
        raise UsageError(f"there is no service {', '.join(unknown)}", why=f"Services: {named}.", fix="see the names: sandbox status")
    wanted = list(services) or known
    for line in look(root).engine.logs(wanted, lines=_EVERYTHING if since is not None else lines, follow=follow):
        if since is None or _epoch(line) >= since:
            yield line


def service_names(root: Path) -> list[str]:
    """Services that the project's stack has, or that ever wrote something."""
    folder = Folder(root / ".sandbox")
    try:
        listed = {process.name for process in list_from_json(folder.processes.read_text(encoding="utf-8"))}
    except (OSError, ListInvalid):
        listed = set()
    return sorted(listed | {path.stem for path in folder.logs.glob("*.log")})


def events(root: Path, wanted: EventFilter, *, lines: int, follow: bool) -> Iterator[dict[str, Any]]:
    """Logged events, oldest first; with `follow`, then every new one, without end.

    Raises:
        EventLogUnreadable: nothing was logged yet.
    """
    path = root / ".sandbox" / "data" / "log-store" / LogTable.FILE
    seen = last_rowid(path) if follow else 0
    yield from map(_body, query(path, **_conditions(wanted), limit=lines))
    while follow:
        fresh = list(query(path, **_conditions(wanted), after_rowid=seen))
        seen = max((event[ROWID] for event in fresh), default=seen)
        yield from map(_body, fresh)
        if not fresh:
            time.sleep(_POLL_SECONDS)


def _conditions(wanted: EventFilter) -> dict[str, Any]:
    return {
        "requests": wanted.requests,
        "errors": wanted.errors,
        "request_id": wanted.request_id,
        "level": wanted.level,
        "since": wanted.since,
    }


def _body(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != ROWID}


def _epoch(line: LogLine) -> float:
    try:
        return moment(line.time).timestamp()
    except ValueError:
        return 0.0
