"""What services wrote, and what was logged of requests."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox.actions.sight import moment, services_behind
from mlsandbox.engines.base import LogLine
from mlsandbox.engines.remembered import remembered_engine
from mlsandbox.errors import CommandFailed, EventLogUnreadable, UsageError
from mlsandbox.stack.components import log_store, shipper
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Finder

_EVERYTHING: Final = 1_000_000
_FAILURES: Final[Mapping[str, tuple[str, str]]] = {
    Finder.ABSENT: ("no events are logged yet", "start the stack: sandbox up"),
    Finder.UNREADABLE: (
        "the logged events cannot be read",
        "restart the stack, the log store moves a damaged file aside and begins a new one: sandbox down && sandbox up",
    ),
    Finder.UNREACHABLE: ("the logged events cannot be asked for", "see whether their store runs: sandbox status"),
}
"""What failed and what to do, by what a finder says."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; everything given must hold."""

    requests: bool = False
    errors: bool = False
    drift: bool = False
    outliers: bool = False
    request_id: str | None = None
    level: str | None = None
    since: float | None = None
    """Epoch seconds."""
    model: str | None = None
    version: str | None = None
    predictions: bool = False
    """Predictions alone, each with `Finder.FITS`."""

    @property
    def is_given(self) -> bool:
        """Events are wanted, rather than what services wrote."""
        return self.requests or self.errors or self.drift or self.outliers or self.request_id is not None or self.level is not None


def service_lines(root: Path, services: Sequence[str], *, lines: int, since: float | None, follow: bool) -> Iterator[LogLine]:
    """Output of services, merged by time.

    Args:
        root: the project's folder.
        services: names, a front's for all versions that ever answered for it; empty: all that ever wrote something.
        lines: how many of each service, before `since` is applied.
        since: epoch seconds; earlier lines are left out.
        follow: go on with every new line, without end.

    Raises:
        UsageError: no such service.
    """
    known = service_names(root)
    meant = {name: services_behind(name, known) for name in services}
    unknown = [name for name, behind in meant.items() if not behind]
    if unknown:
        named = ", ".join(known) or "none yet"
        raise UsageError(f"there is no service {', '.join(unknown)}", why=f"Services: {named}.", fix="see the names: sandbox status")
    wanted = list(dict.fromkeys(each for behind in meant.values() for each in behind)) or known
    for line in remembered_engine(root).logs(wanted, lines=_EVERYTHING if since is not None else lines, follow=follow):
        if since is None or _epoch(line) >= since:
            yield line


def service_names(root: Path) -> list[str]:
    """Services that the project's stack has, or that ever wrote something."""
    return list(remembered_engine(root).service_names())


def events(root: Path, wanted: EventFilter, *, lines: int, follow: bool = False, rows: int | None = None) -> Iterator[dict[str, Any]]:
    """Logged events, oldest first; with `follow`, then every new one, without end.

    Args:
        root: the project's folder.
        wanted: which.
        lines: how many at most.
        follow: go on with new ones.
        rows: newest first instead, and no more than hold so many rows together.

    Raises:
        EventLogUnreadable: nothing was logged yet, or the log cannot be read.
        NotRunning: the stack has to run to be asked.
    """
    engine = remembered_engine(root)
    running = [each.name for each in engine.observe().services if each.state is State.READY]
    service, finder = finder_beside(engine.service_names(), running)
    given = {name: value for name, value in asdict(wanted).items() if value not in {None, False}}  # a finder of before knows fewer
    conditions = {**given, "limit": lines, "rows": rows, "follow": follow}
    try:
        for line in engine.run_in(service, ("-m", finder), json.dumps(conditions) + "\n"):
            yield json.loads(line)
    except CommandFailed as failure:
        raise _unreadable(failure) or failure from failure


def finder_beside(names: Collection[str], running: Collection[str]) -> tuple[str, str]:
    """Where a stack's events are found (pure).

    Args:
        names: of its services.
        running: those of them that run.

    Returns:
        The service beside which they are found, and the program that finds them there.

    Raises:
        EventLogUnreadable: it has no service that knows of events.
    """
    if log_store.NAME in names:
        return log_store.NAME, Finder.LOG_STORE
    shippers = [name for name in names if name == shipper.NAME or name.startswith(f"{shipper.NAME}-")]
    if not shippers:
        raise EventLogUnreadable("no events are logged yet", why="No stack has run here.", fix="start the stack: sandbox up")
    return next((name for name in shippers if name in running), shippers[0]), Finder.ELASTICSEARCH


def _unreadable(failure: CommandFailed) -> EventLogUnreadable | None:
    """What a finder said of its failure; None when it said nothing."""
    if failure.details.get("returncode") != Finder.FAILED:
        return None
    try:
        told = json.loads(str(failure.details.get("stderr", "")).splitlines()[-1])["error"]
        what, fix = _FAILURES[told["code"]]
        return EventLogUnreadable(what, why=told["message"], fix=fix, details={"reason": told["code"]})
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _epoch(line: LogLine) -> float:
    try:
        return moment(line.time).timestamp()
    except ValueError:
        return 0.0
