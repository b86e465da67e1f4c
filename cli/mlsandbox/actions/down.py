"""Stop a stack; remove its data when that is asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mlsandbox.actions.outcomes import DownResult, PlannedStep, Report
from mlsandbox.actions.sight import Sight, look
from mlsandbox.engines.base import Change, Plan
from mlsandbox.errors import SandboxError, UsageError
from mlsandbox.project_lock import project_lock
from mlsandbox.registry import Registry
from mlsandbox.supervise.transition import State
from mlsandbox.volumes import remove_all, sizes

TIMEOUT_SECONDS: Final = 60.0


def down(
    root: Path,
    name: str,
    report: Report,
    *,
    services: Sequence[str] = (),
    volumes: bool = False,
    dry_run: bool = False,
    timeout: float | None = None,
) -> DownResult:
    """Stop the services of the project in a folder.

    Args:
        root: the project's folder.
        name: the project's name, for the result.
        report: told what happens.
        services: only these; empty: all, and whatever an earlier stack left behind.
        volumes: also remove everything below `.sandbox`: logs, events, packages, state.
        dry_run: change nothing.
        timeout: seconds for the services to end by themselves.

    Raises:
        UsageError: no such service.
        ProjectBusy: another command is at work on the project.
    """
    began = time.monotonic()
    sandbox = root / ".sandbox"
    if not sandbox.is_dir():
        return DownResult(name, (), {}, dry_run=dry_run)
    if dry_run:
        return _planned(root, name, services, volumes=volumes)
    with project_lock(sandbox, "sandbox down", waiting=lambda who: report.note(f"waiting for {who}")):
        sight = look(root)
        plan = _plan(sight, services)
        if plan.steps:
            report.step(f"Stopping {', '.join(step.service for step in plan.steps)}")

        def tell(change: Change) -> None:
            if change.state is State.STOPPED and change.reason:
                report.note(f"{change.service or 'a process'}: {change.reason}")

        sight.engine.apply(plan, tell, timeout=TIMEOUT_SECONDS if timeout is None else timeout)
        removed = remove_all(sandbox) if volumes else ()
        if volumes:
            Registry().forget(root)
    stopped = tuple(step.service for step in plan.steps)
    return DownResult(name, stopped, {} if volumes else sizes(sandbox), removed, time.monotonic() - began)


def down_all(report: Report, *, volumes: bool = False, dry_run: bool = False, timeout: float | None = None) -> tuple[DownResult, ...]:
    """Stop every stack of this machine, also when one of them cannot be stopped; that one's error is raised at the end."""
    results: list[DownResult] = []
    failed: list[SandboxError] = []
    for each in Registry().entries():
        try:
            results.append(down(Path(each.root), each.name, report, volumes=volumes, dry_run=dry_run, timeout=timeout))
        except SandboxError as error:
            report.warn(f"{each.name} in {each.root}: {error.what}")
            failed.append(error)
    if failed:
        raise failed[0]
    return tuple(results)


def _plan(sight: Sight, services: Sequence[str]) -> Plan:
    known = [each.name for each in sight.observed.services]
    unknown = [each for each in services if each not in known]
    if unknown:
        raise UsageError(
            f"no service {', '.join(unknown)} is running",
            why=f"Running: {', '.join(known) or 'nothing'}.",
            fix="see the names: sandbox status",
        )
    return sight.engine.plan_stop(services or None, sight.observed)


def _planned(root: Path, name: str, services: Sequence[str], *, volumes: bool) -> DownResult:
    plan = _plan(look(root), services)
    steps = tuple(PlannedStep("stop", step.service, step.why) for step in plan.steps)
    removed = tuple(sizes(root / ".sandbox")) if volumes else ()
    kept = {} if volumes else sizes(root / ".sandbox")
    return DownResult(name, tuple(step.subject for step in steps), kept, removed, dry_run=True)
