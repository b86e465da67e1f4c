"""Bring a project up: package what changed, start or change the stack, and prove that it answers.

Read `up` from top to bottom; everything that it calls is either a pure plan or one effect with a name.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from mlsandbox.actions.materials import packaged, supplied
from mlsandbox.actions.outcomes import GoldenSummary, PlannedStep, Report, UpOptions, UpResult
from mlsandbox.actions.project_stack import parts_of, programs_on_path, registered, stack_of
from mlsandbox.actions.sight import Sight, look
from mlsandbox.actions.smoke import examples_of, own_example, smoke_prediction
from mlsandbox.actions.up_plan import planned_up
from mlsandbox.actions.verdicts import verdict
from mlsandbox.annotations import annotate
from mlsandbox.doctor import BEFORE_UP, Verdict, examine
from mlsandbox.endpoint import curl_line, request_of
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Action, Change, Engine, Observed, Plan, Result
from mlsandbox.errors import CheckFailed, ConfigInvalid, PortInUse, SandboxError
from mlsandbox.packaging.admission import admit
from mlsandbox.packaging.package import Package
from mlsandbox.project import FILE_NAME, Project
from mlsandbox.project_lock import project_lock
from mlsandbox.registry import Entry, Registry
from mlsandbox.stack.build import port_names
from mlsandbox.stack.components.base import suffixed
from mlsandbox.stack.components.grafana import PASSWORD
from mlsandbox.stack.ports import this_machine
from mlsandbox.state import State, load_state, save_state, set_aside
from mlsandbox.supervise.transition import State as ServicePhase
from mlsandbox_serving.contract import Port

TIMEOUT_SECONDS: Final = 120.0
"""Until a stack that is not ready is an error; twice as long where CI is set."""
_PORT_TRIES: Final = 3
"""Another program may take a port between the look at it and the start of the service."""
_IN_USE: Final = re.compile(rf"port \d+ .* is taken by another process|{re.escape(os.strerror(errno.EADDRINUSE))}", re.IGNORECASE)
"""What the supervisor says of a port that is taken before it starts a service, and what a service says that finds it taken."""
_CHANGES: Final = {Action.START: "created", Action.RESTART: "updated", Action.KEEP: "unchanged", Action.STOP: "removed"}


def up(project: Project, engine: str, options: UpOptions, report: Report) -> UpResult:
    """Make the running stack what the project says.

    Args:
        project: its settings.
        engine: the name of the engine that is to run it.
        options: how to go about it.
        report: told what happens.

    Raises:
        ConfigInvalid: a file that sandbox.toml names is not there.
        EngineUnavailable: the engine does not answer.
        CheckFailed: the project or this machine is not as it must be.
        UntrustedModel, CaptureStale, PackagingFailed, …: a model cannot be packaged.
        PackageTampered, UntrustedModel: a package is not what was packaged.
        ImagePullFailed, ImageBuildFailed: an image of the docker engine cannot be had.
        PortInUse: a pinned port is taken.
        GoldenMismatch, ModelLoadFailed, ServiceCrashed, StackNotReady: the stack did not become ready.
        SmokeFailed: it did, and did not answer.
    """
    began = time.monotonic()
    models = [replace(model, trust=model.trust or options.trust) for model in project.models.values()]
    _check(project)
    if options.dry_run:
        return planned_up(project, engine, models, began)
    with project_lock(project.state_dir, "sandbox up", waiting=lambda who: report.note(f"waiting for {who}")):
        remembered = _remembered(project, report)
        runner = ENGINES[engine](project.root)
        observed = runner.observe()  # first, so that an engine that is not there ends it at once
        packages = [packaged(model, project.root, report) for model in models]
        rows = examples_of(packages, options.example, remembered.examples)
        _leave(project, remembered, engine, report)
        versions = {package.model: package.version for package in packages}
        given = {package.model: rows[package.model] for package in packages if own_example(package) is None}
        parts = parts_of(project, engine, programs_on_path())
        for tries_left in reversed(range(_PORT_TRIES)):
            names = port_names([package.model for package in packages], parts)
            ports = _ports(registered(project, engine, remembered), names, project, observed, report)
            plan = runner.plan(supplied(project, engine, packages, stack_of(project, packages, ports, parts), report), observed)
            if not plan.changes and observed.is_ready and (remembered.served, remembered.proven) == (versions, observed.stack_id):
                return _result(project, packages, look(project.root), plan, began, unchanged=True)
            for package, model in zip(packages, models, strict=True):
                admit(package, model)
            # Ports and given rows before anything is started, so that the next command finds them; versions once they answer.
            state = replace(remembered, engine=engine, host=project.stack.host, ports=dict(ports), examples=given)
            save_state(project.state_dir, state)
            if _apply(runner, plan, options, report, movable=tries_left > 0):
                break
            remembered, observed = state, runner.observe()
        result = _result(project, packages, look(project.root), plan, began)
        if options.wait:
            try:
                result = _prove(result, rows)
            except BaseException as error:
                if not observed.running:  # it was just started, and does not answer
                    runner.apply(runner.plan_stop(None, runner.observe()), lambda _: None, timeout=TIMEOUT_SECONDS)
                    if isinstance(error, SandboxError):
                        error.why = f"{error.why}\nThe stack was not running before, so it was stopped again.".strip()
                raise
            save_state(project.state_dir, replace(state, served=versions, proven=runner.observe().stack_id))
            _mark(project, versions, remembered, ports, report)
    return replace(result, elapsed=time.monotonic() - began)


def _leave(project: Project, remembered: State, engine: str, report: Report) -> None:
    """Stop a stack that another engine runs: both would want its ports."""
    if remembered.engine in {None, engine} or remembered.engine not in ENGINES:
        return
    former = ENGINES[remembered.engine](project.root)
    observed = former.observe()
    if observed.running:
        report.note(f"stopping the stack on the {remembered.engine} engine first")
        former.apply(former.plan_stop(None, observed), lambda _: None, timeout=TIMEOUT_SECONDS)


def _mark(project: Project, versions: Mapping[str, str], remembered: State, ports: Mapping[str, int], report: Report) -> None:
    """Show on the dashboards, when the stack has them, that other versions answer now."""
    changed = [f"{model} {version}" for model, version in versions.items() if remembered.served.get(model) != version]
    if changed and Port.GRAFANA in ports:
        password = project.state_dir / "secrets" / PASSWORD.name
        problem = annotate(ports[Port.GRAFANA], password, f"{', '.join(changed)} answers", list(versions))
        if problem:
            report.note(f"the change is not marked on the dashboards: {problem}")


def _check(project: Project) -> None:
    """Find what would only fail later, or half way."""
    problems = [each for each in examine(project.root, checks=BEFORE_UP, project=project).findings if each.verdict is Verdict.PROBLEM]
    if problems:
        first = problems[0]
        error = ConfigInvalid if first.check == FILE_NAME else CheckFailed
        raise error(
            first.message,
            why="\n".join(each.message for each in problems[1:]),
            fix=f"{first.remedy}   (all checks: sandbox doctor)",
            details={"checks": [each.check for each in problems]},
        )


def _ports(entry: Entry, names: Sequence[str], project: Project, observed: Observed, report: Report) -> Mapping[str, int]:
    try:
        allocation = Registry().reserve(entry, names, pinned=project.stack.ports, running=observed.ports, machine=this_machine())
    except PortInUse as error:
        pinned_by = project.origin(f"stack.ports.{error.details['name']}").source
        error.why = f"It is pinned by {pinned_by}, so another port was not chosen."
        raise
    for moved in allocation.moved:
        # Nobody but the stack itself asks at its other ports.
        tell = report.warn if moved.name == Port.API or moved.name.startswith(f"{Port.API}-") else report.note
        tell(f"port {moved.wanted} for {moved.name} became {moved.number}: {moved.why}")
    return allocation.ports


def _apply(engine: Engine, plan: Plan, options: UpOptions, report: Report, *, movable: bool) -> bool:
    """Carry the plan out; False when another program has taken a port since they were chosen, and they are `movable`."""
    began = time.monotonic()
    seconds = options.timeout or TIMEOUT_SECONDS * (2 if os.environ.get("CI") else 1)
    report.step(f"Starting {', '.join(step.service for step in plan.changes) or 'the stack'}")

    def tell(change: Change) -> None:
        if change.state is ServicePhase.STOPPED and change.reason:
            report.note(f"{change.service or 'a process'}: {change.reason}")

    outcome = engine.apply(plan, tell, timeout=seconds if options.wait else 0.0)
    if outcome.result is Result.READY:
        report.done(f"Started {', '.join(step.service for step in plan.changes) or 'the stack'}", "", time.monotonic() - began)
    elif movable and outcome.result is Result.CRASHED and any(_IN_USE.search(text) for text in (outcome.reason, *outcome.lines)):
        report.note("another program took a port in between: choosing anew")
        return False
    elif options.wait or outcome.result is not Result.TIMEOUT:
        raise verdict(outcome, seconds=seconds)
    return True


def _prove(result: UpResult, rows: Mapping[str, Mapping[str, object]]) -> UpResult:
    """Ask every model for a prediction; the first one's is shown."""
    models = list(rows)
    urls = {model: result.endpoints[suffixed(Port.API, models, model)] for model in models}
    smokes = {name: smoke_prediction(urls[name], row) for name, row in rows.items()}
    first = models[0]
    return replace(result, smoke=smokes[first], curl=curl_line(urls[first], request_of(rows[first])))


def _result(project: Project, packages: Sequence[Package], sight: Sight, plan: Plan, began: float, *, unchanged: bool = False) -> UpResult:
    first = packages[0]
    changes = {step.service: _CHANGES[step.action] for step in plan.steps}
    services = tuple(replace(each, change=changes.get(each.name)) for each in sight.services)
    return UpResult(
        project=project.name,
        engine=sight.engine.name,
        model=first.model,
        version=first.version,
        digest=first.digest,
        endpoints=sight.endpoints,
        links=sight.links,
        services=services,
        golden=_golden(sight.observed),
        unchanged=unchanged,
        elapsed=time.monotonic() - began,
        since=sight.since,
        plan=tuple(PlannedStep(step.action.value, step.service, step.why) for step in plan.steps),
    )


def _golden(observed: Observed) -> GoldenSummary | None:
    """Of the first model."""
    service = observed.service(Port.API)
    counts = (service.probe or {}).get("golden") if service else None
    return GoldenSummary(int(counts["rows"]), int(counts["bit_equal"])) if counts else None


def _remembered(project: Project, report: Report) -> State:
    loaded = load_state(project.state_dir)
    if loaded.problem:
        report.warn(f"state.json could not be read and was moved to {set_aside(project.state_dir)}; ports and versions are found anew")
    return loaded.state
