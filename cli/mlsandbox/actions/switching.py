"""Let another version of a running model answer: what `promote` and `rollback` share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlsandbox.actions.bring import Brought, Intent, Running, bring, steps_of
from mlsandbox.actions.deployment import Deployed, find_version
from mlsandbox.actions.holding import held_for
from mlsandbox.actions.lineup import lineup_steps, replaced, with_champion
from mlsandbox.actions.outcomes import PlannedStep, Report, UpOptions
from mlsandbox.actions.sight import Sight
from mlsandbox.actions.verdicts import MORE_TIME
from mlsandbox.engines import ENGINES
from mlsandbox.errors import SandboxError, VersionUnknown
from mlsandbox.ledger import Action, Ledger
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project
from mlsandbox.project_lock import project_lock
from mlsandbox.stack.components.base import suffixed
from mlsandbox.state import save_state
from mlsandbox_serving.contract import Port

if TYPE_CHECKING:
    from mlsandbox.actions.gate import GateResult


@dataclass(frozen=True, slots=True)
class SwitchOptions:
    """How a switch is to go about it."""

    warm: bool = True
    """Keep the version that answered before running."""
    reason: str = ""
    """Why, for the ledger."""
    trust: bool = False
    """Load a model whose pickles use code outside the allow-list."""
    timeout: float | None = None
    """Seconds until a version that is not ready is an error; None: the default."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """Which version answers after a switch (or, with `dry_run`, would)."""

    project: str
    model: str
    action: str
    """"promoted" or "rolled-back"."""
    version: str
    digest: str
    former: str
    """The version that answered before."""
    url: str
    """Where the model answers, the same as before."""
    unchanged: bool = False
    """It answered already: nothing was done."""
    warm: bool = False
    """The former version goes on running, as standby."""
    started: bool = False
    """The version did not run, and was started first."""
    milliseconds: float | None = None
    """From the moment that the version may answer to the moment that the former one does not any more."""
    elapsed: float = 0.0
    """Seconds."""
    gate: GateResult | None = None
    """What the gate found; None without one."""
    forced: bool = False
    """The gate refused it, and was overruled."""
    plan: tuple[PlannedStep, ...] = field(default=())
    """What was, or with --dry-run would be, done to each version."""
    dry_run: bool = False


def version_of(project: Project, model: str, version: str) -> Package:
    """The package of a version that was named.

    Raises:
        VersionUnknown: there is none, or none any more.
    """
    try:
        return find_version(project.root, model, version)
    except VersionUnknown as error:
        of_it = [each for each in Ledger(project.state_dir).read() if (each.model, each.version) == (model, version)]
        removed = next((each for each in reversed(of_it) if each.action is Action.REMOVED), None)
        if removed is not None:
            error.why = f"It was removed at {removed.time} by {removed.by}. {error.why}".strip()
        raise


@contextmanager
def locked_unless(project: Project, command: str, report: Report, *, dry_run: bool) -> Iterator[None]:
    """Hold the project's lock, but for a dry run, which changes nothing and waits for nobody."""
    if dry_run:
        yield
        return
    with project_lock(project.state_dir, command, waiting=lambda who: report.note(f"waiting for {who}")):
        yield


def switch(
    now: Running,
    package: Package,
    action: Action,
    options: SwitchOptions,
    report: Report,
    *,
    began: float,
    facts: Mapping[str, Any] | None = None,
) -> SwitchResult:
    """Let a version answer.

    Args:
        now: how the stack stands, under the project's lock.
        package: the version.
        action: what the ledger calls it.
        options: how to go about it.
        report: told what happens.
        began: when the command began (`time.monotonic()`).
        facts: what the ledger is told besides.

    Raises:
        LedgerUnwritable, SwitchFailed, SmokeFailed, GoldenMismatch, ServiceCrashed, StackNotReady, …: see `bring`.
    """
    before = now.of(package.model)
    result = _planned(now, before, package, action, options)
    held = now.remembered.held if options.dry_run else held_for(now, package.model, package.version)
    if result.unchanged or options.dry_run:
        if held != now.remembered.held:  # what chose it was ended before it was done, or nobody had chosen it
            save_state(now.project.state_dir, replace(now.remembered, held=held))
        return _ended(result, began)
    after = with_champion(before, package, warm=options.warm)
    try:
        brought = bring(
            now,
            replaced(now.deployed, after),
            [Intent(action, package.model, package.version, options.reason, facts or {})],
            UpOptions(trust=options.trust, timeout=options.timeout, warm=options.warm, reason=options.reason),
            report,
            held=held,
        )
    except SandboxError as error:
        said = "promote" if action is Action.PROMOTED else "rollback"
        error.fix = error.fix.replace(MORE_TIME, f"sandbox {said} {package.version} --timeout")
        raise
    return _ended(_with_times(result, brought), began)


def _planned(now: Running, before: Deployed, package: Package, action: Action, options: SwitchOptions) -> SwitchResult:
    unchanged = before.champion.version == package.version
    after = before if unchanged else with_champion(before, package, warm=options.warm)
    return SwitchResult(
        project=now.project.name,
        model=package.model,
        action=action.value,
        version=package.version,
        digest=package.digest,
        former=before.champion.version,
        url=endpoint_url(now, package.model),
        unchanged=unchanged,
        warm=options.warm and not unchanged,
        started=package.version not in {each.version for each in before.packages},
        plan=steps_of(now, after, lineup_steps(before, after)) if options.dry_run else lineup_steps(before, after),
        dry_run=options.dry_run,
    )


def endpoint_url(now: Running, model: str) -> str:
    """Where a model of a running stack answers, whichever version does."""
    sight = Sight(now.project.root, ENGINES[now.engine](now.project.root), now.observed, now.remembered)
    return sight.endpoints.get(suffixed(Port.API, list(now.project.models), model), "")


def _with_times(result: SwitchResult, brought: Brought) -> SwitchResult:
    moved = brought.switched
    return replace(result, milliseconds=max((each.ended - each.began) * 1000 for each in moved) if moved else None)


def _ended(result: SwitchResult, began: float) -> SwitchResult:
    return replace(result, elapsed=time.monotonic() - began)
