"""`sandbox deploy --as challenger`: a version is tried beside the champion, on a share of the requests or on copies of them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from mlsandbox.actions.bring import Intent, Running, bring, due_steps, prediction, running, steps_of
from mlsandbox.actions.holding import held_for
from mlsandbox.actions.lineup import beside_of, check_challenger, chosen_model, lineup_steps, replaced, with_beside
from mlsandbox.actions.materials import packaged
from mlsandbox.actions.outcomes import PlannedStep, Report, SmokePrediction, UpOptions
from mlsandbox.actions.recording import record_packages
from mlsandbox.actions.smoke import examples_of
from mlsandbox.actions.switching import endpoint_url, locked_unless, version_of
from mlsandbox.actions.verdicts import LEFT_RUNNING, MORE_TIME
from mlsandbox.engines import ENGINES
from mlsandbox.errors import SandboxError
from mlsandbox.ledger import Action, Ledger
from mlsandbox.packaging.package import Package
from mlsandbox.packaging.store import find_package
from mlsandbox.project import Project
from mlsandbox.secrets import api_key
from mlsandbox.stack.components.base import Role, Share, suffixed, versioned
from mlsandbox_serving.contract import Port


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How a version is to be tried."""

    share: Share
    reason: str = ""
    """Why, for the ledger."""
    trust: bool = False
    """Load a model whose pickles use code outside the allow-list."""
    timeout: float | None = None
    """Seconds until a version that is not ready is an error; None: the default."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class DeployResult:
    """A version that is tried beside the champion (or, with `dry_run`, would be)."""

    project: str
    model: str
    version: str | None
    """None when it is not packaged yet."""
    digest: str | None
    champion: str
    """The version that answers all else, then as now."""
    url: str
    """Where the model answers."""
    percent: float
    """Of the requests that it answers."""
    shadow: bool
    """It sees a copy of every request instead, and its answers go nowhere."""
    packaged: bool = False
    """It was packaged by this command."""
    started: bool = False
    """It did not run, and was started."""
    smoke: SmokePrediction | None = None
    """What it answered to the example row; None when it ran already."""
    elapsed: float = 0.0
    """Seconds."""
    plan: tuple[PlannedStep, ...] = ()
    dry_run: bool = False


def deploy_challenger(project: Project, version: str | None, model: str | None, options: DeployOptions, report: Report) -> DeployResult:
    """Try a version beside the champion; what answers now goes on answering.

    Args:
        project: its settings.
        version: which; None: the one that the project's files make, packaged when it is new.
        model: its model; None: the only one.
        options: how to go about it.
        report: told what happens.

    Raises:
        NotRunning: there is no champion to be tried beside.
        VersionUnknown: there is no package of it.
        VersionInUse: it is the champion, or another one is tried already.
        UntrustedModel, CaptureStale, PackagingFailed, …: it cannot be packaged.
        SmokeFailed, GoldenMismatch, ServiceCrashed, StackNotReady, …: it was stopped again.
    """
    began = time.monotonic()
    name = chosen_model(list(project.models), model)
    with locked_unless(project, "sandbox deploy", report, dry_run=options.dry_run):
        now = running(project, None if options.dry_run else report)
        if version is not None:
            check_challenger(now.of(name), version)
        package = _package(now, name, version, options, report)
        result = _result(now, name, package, options)
        if package is None or options.dry_run:
            return replace(result, elapsed=time.monotonic() - began)
        check_challenger(now.of(name), package.version)
        smoke = _started_beside(now, package, options, report) if result.started else None
        if smoke is None:
            _given_share(now, package, options, report)
        return replace(result, smoke=smoke, elapsed=time.monotonic() - began)


def _package(now: Running, model: str, version: str | None, options: DeployOptions, report: Report) -> Package | None:
    """The package that is meant; None in a dry run that would make it."""
    if version is not None:
        return version_of(now.project, model, version)
    settings = now.project.models[model]
    found = find_package(settings, root=now.project.root).package
    check_challenger(now.of(model), "" if found is None else found.version)  # before anything is packaged for nothing
    if options.dry_run:
        return found
    package = packaged(replace(settings, trust=settings.trust or options.trust), now.project.root, report)
    record_packages(now.project, [package], options.reason, report)
    return package


def _result(now: Running, model: str, package: Package | None, options: DeployOptions) -> DeployResult:
    before = now.of(model)
    if package is None:
        steps: tuple[PlannedStep, ...] = (
            PlannedStep("package", model, "no version was made of its files as they are"),
            PlannedStep("start", "the new version", "as challenger"),
            PlannedStep("keep", before.champion.version, "it answers"),
            *due_steps(now),
        )
    else:
        after = with_beside(before, package, Role.CHALLENGER, options.share)
        steps = lineup_steps(before, after)
        steps = steps_of(now, after, steps) if options.dry_run else steps
    return DeployResult(
        project=now.project.name,
        model=model,
        version=package.version if package else None,
        digest=package.digest if package else None,
        champion=before.champion.version,
        url=endpoint_url(now, model),
        percent=options.share.percent,
        shadow=options.share.shadow,
        packaged=package is not None and package.created,
        started=package is not None and beside_of(before, package.version) is None,
        plan=steps,
        dry_run=options.dry_run,
    )


def _started_beside(now: Running, package: Package, options: DeployOptions, report: Report) -> SmokePrediction:
    """Start it without a share, ask it for a prediction, and give it its share; when any of this fails or is interrupted it is stopped."""
    idle = replaced(now.deployed, with_beside(now.of(package.model), package, Role.STANDBY))
    try:
        bring(now, idle, [], _up_options(options), report, held=now.remembered.held)
        smoke = _smoke(now, package)
        _given_share(running(now.project, report), package, options, report)
    except BaseException as error:
        if isinstance(error, SandboxError):
            error.fix = error.fix.replace(MORE_TIME, f"sandbox deploy {package.version} --as challenger --timeout")
            error.why = error.why.replace(LEFT_RUNNING, "It was stopped again.")
            error.why = f"{error.why}\n{now.of(package.model).champion.version} goes on answering.".strip()
        _stopped_again(now, package, options, report)
        raise
    return smoke


def _smoke(now: Running, package: Package) -> SmokePrediction:
    service = versioned(suffixed(Port.API, list(now.project.models), package.model), package.version)
    row = examples_of([package], None, now.remembered.examples)[package.model]
    engine = ENGINES[now.engine](now.project.root)
    return prediction(engine.ask, service, package, row, api_key(now.project.state_dir, os.environ))


def _stopped_again(before: Running, package: Package, options: DeployOptions, report: Report) -> None:
    """Back to what ran before; why it did not work is what is to be told."""
    with suppress(SandboxError):
        last = [each for each in Ledger(before.project.state_dir).read() if each.model == package.model][-1:]
        was_tried = [each for each in last if (each.action, each.version) == (Action.CHALLENGED, package.version)]
        intents = [Intent(Action.RETIRED, each.model, each.version, "its deployment did not come to an end") for each in was_tried]
        bring(running(before.project, report), before.deployed, intents, _up_options(options), report, held=before.remembered.held)


def _given_share(now: Running, package: Package, options: DeployOptions, report: Report) -> None:
    lineup = with_beside(now.of(package.model), package, Role.CHALLENGER, options.share)
    intent = Intent(Action.CHALLENGED, package.model, package.version, options.reason, share_facts(options.share))
    held = held_for(now, package.model, lineup.champion.version)
    bring(now, replaced(now.deployed, lineup), [intent], _up_options(options), report, held=held)


def share_facts(share: Share) -> Mapping[str, object]:
    """What the ledger is told of a challenger."""
    return {"percent": share.percent, "shadow": share.shadow}


def _up_options(options: DeployOptions) -> UpOptions:
    return UpOptions(trust=options.trust, timeout=options.timeout, reason=options.reason)
