"""How the stack is."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsandbox.actions.outcomes import DriftState, ServiceState, StatusResult, VersionState
from mlsandbox.actions.sight import Sight, look
from mlsandbox.errors import NotHealthyInTime, SandboxError
from mlsandbox.project import Project
from mlsandbox.stack.components.base import Role, unversioned
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Port, Route

if TYPE_CHECKING:
    from mlsandbox.actions.challenger_status import ChallengerSeen
    from mlsandbox.alerts import ActiveAlerts, Alert

WAIT_SECONDS: Final = 60.0
_WELL: Final = frozenset({"healthy", "done"})
_METRICS_SECONDS: Final = 1.0
_FULL: Final = 1_000_000
"""Bytes; with less the supervisor may not be able to write down how things stand."""
_COMING: Final = frozenset({"starting", "waiting"})
"""States that pass by themselves."""


def status(project: Project) -> StatusResult:
    """One look at the project's stack."""
    return _result(project, look(project.root, memory=True))


def wait_healthy(project: Project, *, timeout: float | None = None) -> StatusResult:
    """Look until the stack is healthy.

    Args:
        project: whose stack is meant.
        timeout: seconds; None: WAIT_SECONDS.

    Raises:
        NotHealthyInTime: it is not, in that time.
    """
    limit = WAIT_SECONDS if timeout is None else timeout
    deadline = time.monotonic() + limit
    while True:
        sight = look(project.root, memory=True)
        if sight.state == "healthy":
            return _result(project, sight)
        if time.monotonic() >= deadline:
            raise NotHealthyInTime(
                f"{project.name} is {sight.state}, and was not healthy within {limit:g} s",
                why="\n".join(_warnings(sight)),
                fix="see what is wrong: sandbox logs",
                details={"state": sight.state, "services": {each.name: each.state for each in sight.services}},
            )
        time.sleep(0.1)


def _result(project: Project, sight: Sight) -> StatusResult:
    asked, drift = _told(sight)
    return StatusResult(
        project=project.name,
        engine=sight.engine.name,
        state=sight.state,
        version=sight.version,
        since=sight.since,
        endpoints=sight.endpoints,
        services=sight.services,
        warnings=(
            *_warnings(sight),
            *disk_warnings(project.root, shutil.disk_usage(project.root).free),
            *(alert_warnings(asked) if asked else ()),
            *drift_warnings(drift),
            *_reference(project, sight),
        ),
        links=sight.links,
        drift=drift,
        alerts=asked.alerts if asked else (),
        versions=_versions(sight),
    )


def _versions(sight: Sight) -> tuple[VersionState, ...]:
    """Those that run; challengers with what their champions say of them, where these answer."""
    versions = sight.versions
    if not any(each.role == Role.CHALLENGER for each in versions):
        return versions
    from mlsandbox.actions.challenger_status import challenger_seen  # noqa: PLC0415 - few stacks have one, and `status` is to be quick

    seen: dict[tuple[str, str], ChallengerSeen] = {}
    for model in {each.model for each in versions if each.role == Role.CHALLENGER}:
        for champion in (each for each in versions if each.model == model and each.role == Role.CHAMPION):
            try:
                answer = sight.engine.ask(champion.service, "GET", Route.METRICS, {}, b"", timeout=_METRICS_SECONDS)
            except SandboxError:
                continue  # what is wrong with it the services' states say
            seen |= {(model, each.challenger): each for each in challenger_seen(answer.body.decode("utf-8", "replace"))}
    return tuple(replace(each, tried=seen.get((each.model, each.version))) if each.role == Role.CHALLENGER else each for each in versions)


def disk_warnings(root: Path, free: int) -> tuple[str, ...]:
    """That a project's disk is full, with so many bytes left (pure)."""
    if free >= _FULL:
        return ()
    full = f"the disk of {root} is full ({free / 1000:.0f} kB are left)"
    return (f"{full}: events may be lost, and what is told here be old; make room; how much there is: sandbox doctor",)


def alert_warnings(asked: ActiveAlerts) -> tuple[str, ...]:
    """What is told of alerts, one sentence each (pure)."""
    problem = () if asked.problem is None else (f"alerts are not known: {asked.problem}",)
    return (*problem, *(_alert(each) for each in asked.alerts))


def _alert(alert: Alert) -> str:
    named = unversioned(alert.service or "")
    model = f"{alert.model} {named[1]}" if named and alert.model else alert.model
    about = model if named and model else alert.service or model
    return f"alert {alert.name} ({alert.severity}{f', {about}' if about else ''}): {alert.summary}; what to do: sandbox help {alert.name}"


def _told(sight: Sight) -> tuple[ActiveAlerts | None, DriftState | None]:
    """What those parts of the stack answer that know more than whether services run."""
    if not sight.links:
        return None, None
    from mlsandbox.actions.stack_alerts import told  # noqa: PLC0415 - not every stack has them, and `status` is to be quick

    answered = told(sight)
    return answered.asked, answered.drift


def _reference(project: Project, sight: Sight) -> tuple[str, ...]:
    """What is wrong with the reference that live rows should be compared with."""
    if sight.observed.service(Port.DRIFT.value) is None:
        return ()
    from mlsandbox.actions.reference_warnings import reference_problems  # noqa: PLC0415 - not every stack has drift, and `status` is to be quick

    return reference_problems(project, sight)


def drift_warnings(drift: DriftState | None) -> tuple[str, ...]:
    """What of drift is not known or not compared, one sentence each (pure)."""
    if drift is None:
        return ()
    unknown = (f"whether there is drift is not known: {drift.reason}",) if drift.reason else ()
    failed = (f"the drift engine alibi could not compare with {', '.join(drift.failed)}; why: sandbox drift",) if drift.failed else ()
    return (*unknown, *(f"the drift engine {name} is off: {why}" for name, why in drift.silent.items()), *failed)


def _warnings(sight: Sight) -> list[str]:
    if sight.state == "stopped":
        return ["nothing is running; start it: sandbox up"]
    stopped = [f"{name} is stopped; start it: sandbox up" for name in sight.stopped]
    coming = [each.name for each in sight.services if each.state in _COMING]
    wait = [f"not ready yet: {', '.join(coming)}; wait for it: sandbox status --wait healthy"] if coming else []
    bad = [each for each in sight.services if each.state not in _WELL | _COMING]
    told = [_attention(each) for each in bad]
    return stopped + told + wait


def _attention(service: ServiceState) -> str:
    reason = f": {service.reason}" if service.reason else ""
    again = "; start it again: sandbox up" if service.state == State.FAILED else ""
    return f"{service.name} is {service.state}{reason}; its output: sandbox logs {service.name}{again}"
