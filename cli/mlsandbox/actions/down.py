"""Stop a stack; remove its data when that is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from mlsandbox import docker_host
from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.actions.outcomes import DownAllResult, DownResult, Report
from mlsandbox.actions.recording import record_stops
from mlsandbox.actions.sight import Sight, look
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Change, Engine, Kept, Plan
from mlsandbox.errors import EngineUnavailable, SandboxError, UsageError
from mlsandbox.project_lock import project_lock
from mlsandbox.registry import Registry
from mlsandbox.supervise.transition import State
from mlsandbox.volumes import contents, remove_all, sizes

TIMEOUT_SECONDS: Final = 600.0
"""Longer than any service needs; each has its own bound, which is less."""


def down(
    root: Path,
    name: str,
    report: Report,
    *,
    services: Sequence[str] = (),
    volumes: bool = False,
    dry_run: bool = False,
    timeout: float | None = None,
    reason: str = "",
) -> DownResult:
    """Stop the services of the project in a folder.

    Args:
        root: the project's folder.
        name: the project's name, for the result.
        report: told what happens.
        services: only these, a front's name for the versions behind it; empty: all, and whatever an earlier stack left behind.
        volumes: also remove everything below `.sandbox` (logs, events, packages, state), and the engine's volumes and images of it.
        dry_run: change nothing.
        timeout: seconds for the services to end by themselves.
        reason: why, for the ledger.

    Raises:
        UsageError: no such service; or services and `volumes`.
        ProjectBusy: another command is at work on the project.
        EngineUnavailable: the stack's engine does not answer; nothing was done.
    """
    began = time.monotonic()
    if services and volumes:
        raise UsageError("data is removed of the whole stack, not of one service", fix="leave the services out: sandbox down --volumes")
    sandbox = root / ".sandbox"
    if not sandbox.is_dir():
        return DownResult(name, (), {}, dry_run=dry_run)
    if dry_run:
        return _planned(root, name, services, volumes=volumes)
    with project_lock(sandbox, "sandbox down", waiting=lambda who: report.note(f"waiting for {who}")):
        sight = _look(root, name)
        plan = _plan(sight, services)
        seconds = TIMEOUT_SECONDS if timeout is None else timeout
        stops = [(sight.engine, plan), *([] if services else _left_running(sight))]
        for engine, each in stops:
            _stop(engine, each, report, seconds)
        if not volumes:
            names = set(_names(each for _, each in stops)) if services else None
            record_stops(sandbox, sight.observed, sight.remembered, names, reason=reason, report=report)
        keepers = _keepers(sight, others=volumes)
        outside, shared = _outside(keepers), _shared(keepers)
        removed_outside = tuple(each for engine in keepers for each in engine.remove_kept()) if volumes else ()
        removed = remove_all(sandbox) if volumes else ()
        if volumes:
            Registry().forget(root)
    left = _without(outside, removed_outside)
    if volumes:
        _warn_of(left, report)
    return DownResult(
        name,
        _names(each for _, each in stops),
        {} if volumes else sizes(sandbox),
        removed,
        (*left, *shared),
        removed_outside,
        time.monotonic() - began,
    )


def down_all(
    report: Report, *, volumes: bool = False, dry_run: bool = False, timeout: float | None = None, reason: str = ""
) -> DownAllResult:
    """Stop every stack of this machine, also when one of them cannot be stopped; that one's error is raised at the end.

    With `volumes` also remove what the stacks shared, once none is left.
    """
    results: list[DownResult] = []
    failed: list[SandboxError] = []
    entries = Registry().entries()
    for each in entries:
        try:
            results.append(down(Path(each.root), each.name, report, volumes=volumes, dry_run=dry_run, timeout=timeout, reason=reason))
        except SandboxError as error:
            report.warn(f"{each.name} in {each.root}: {error.what}")
            failed.append(error)
    if failed:
        raise failed[0]
    if not volumes or (Registry().entries() and not dry_run):  # a stack may have come up meanwhile
        return DownAllResult(tuple(results), dry_run=dry_run)
    gone, left = _remove_shared([Path(each.root) for each in entries], report, dry_run=dry_run)
    return DownAllResult(tuple(results), gone, left, dry_run=dry_run)


def _remove_shared(roots: Sequence[Path], report: Report, *, dry_run: bool) -> tuple[tuple[Kept, ...], tuple[Kept, ...]]:
    """What went, or would go once the stacks of these projects are gone, and what is left, of all engines that answer."""
    there: list[Kept] = []
    gone: list[Kept] = []
    for make in ENGINES.values():
        engine = make(Path.cwd())  # whichever project: it is of none
        with suppress(EngineUnavailable):
            there += engine.shared()
            gone += engine.shared(but_for=roots) if dry_run else engine.remove_shared()
    left = _without(there, gone)
    _warn_of(left, report)
    return tuple(gone), left


def _outside(engines: Sequence[Engine]) -> tuple[Kept, ...]:
    return tuple(each for engine in engines for each in engine.kept())


def _shared(engines: Sequence[Engine]) -> tuple[Kept, ...]:
    return tuple(each for engine in engines for each in engine.shared())


def _without(kept: Sequence[Kept], removed: Sequence[Kept]) -> tuple[Kept, ...]:
    names = {(each.kind, each.name) for each in removed}
    return tuple(each for each in kept if (each.kind, each.name) not in names)


def _warn_of(left: Sequence[Kept], report: Report) -> None:
    if left:
        report.warn(f"in use elsewhere, and kept: {', '.join(f'{each.kind} {each.name}' for each in left)}")


def _stop(engine: Engine, plan: Plan, report: Report, timeout: float) -> None:
    if plan.steps:
        report.step(f"Stopping {', '.join(step.service for step in plan.steps)}")

    def tell(change: Change) -> None:
        if change.state is State.STOPPED and change.reason:
            report.note(f"{change.service or 'a process'}: {change.reason}")

    engine.apply(plan, tell, timeout=timeout)


def _look(root: Path, name: str) -> Sight:
    try:
        return look(root)
    except EngineUnavailable as error:
        raise EngineUnavailable(
            f"{error.what}, so nothing of {name} was stopped or removed",
            why=error.why,
            fix="start it, then: sandbox down",
            details=error.details,
        ) from error


def _left_running(sight: Sight) -> Iterator[tuple[Engine, Plan]]:
    """What else runs of the project: an engine that did not answer when the stack moved to another one was left as it was."""
    for name, make in ENGINES.items():
        if name == sight.engine.name or (name == DOCKER and not docker_host.answers()):
            continue
        with suppress(EngineUnavailable):
            engine = make(sight.root)
            plan = engine.plan_stop(None, engine.observe())
            if plan.steps:
                yield engine, plan


def _names(plans: Iterable[Plan]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.service for plan in plans for step in plan.steps))


def _keepers(sight: Sight, *, others: bool) -> tuple[Engine, ...]:
    """The stack's engine; with `others` also those that ran the project's stack before, as far as they answer."""
    more = [make(sight.root) for name, make in ENGINES.items() if others and name != sight.engine.name]
    return (sight.engine, *(engine for engine in more if _keeps(engine)))


def _keeps(engine: Engine) -> bool:
    try:
        return bool(engine.kept())
    except EngineUnavailable:
        return False


def _plan(sight: Sight, services: Sequence[str]) -> Plan:
    meant = {each: sight.behind(each) for each in services}
    unknown = [each for each, names in meant.items() if not names]
    if unknown:
        known = [each.name for each in sight.observed.services]
        raise UsageError(
            f"no service {', '.join(unknown)} is running",
            why=f"Running: {', '.join(known) or 'nothing'}.",
            fix="see the names: sandbox status",
        )
    return sight.engine.plan_stop({name for names in meant.values() for name in names} if services else None, sight.observed)


def _planned(root: Path, name: str, services: Sequence[str], *, volumes: bool) -> DownResult:
    sight = _look(root, name)
    stopped = _names([_plan(sight, services), *(plan for _, plan in ([] if services else _left_running(sight)))])
    keepers = _keepers(sight, others=volumes)
    outside, shared = _outside(keepers), _shared(keepers)
    sandbox = root / ".sandbox"
    if volumes:
        return DownResult(name, stopped, {}, contents(sandbox), kept_outside=shared, removed_outside=outside, dry_run=True)
    return DownResult(name, stopped, sizes(sandbox), kept_outside=(*outside, *shared), dry_run=True)
