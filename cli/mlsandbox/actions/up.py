"""Bring a project up: package what changed, start or change the stack, and prove that it answers.

Read `up` from top to bottom; everything that it calls is either a pure plan or one effect with a name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from mlsandbox.actions.bring import proof
from mlsandbox.actions.champions import choose, last_champions
from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.drift_engines import DriftEngines, drift_engines, idle_detectors, licence_notes, with_licence_told
from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.actions.environments_beside import Interleaved
from mlsandbox.actions.materials import environments_beside, packaged
from mlsandbox.actions.outcomes import GoldenSummary, PlannedStep, Report, UpOptions, UpResult
from mlsandbox.actions.project_stack import parts_of, programs_on_path
from mlsandbox.actions.reconciling import caught_up
from mlsandbox.actions.recording import VANISHED, Recorder, record_packages, record_stops
from mlsandbox.actions.reference_warnings import reference_warnings
from mlsandbox.actions.sight import Sight, look
from mlsandbox.actions.smoke import examples_of, own_example, smoke_prediction
from mlsandbox.actions.starting import TIMEOUT_SECONDS, Start, Started, leave, start
from mlsandbox.actions.up_plan import planned_up
from mlsandbox.doctor import BEFORE_UP, Verdict, examine
from mlsandbox.endpoint import curl_line, request_of
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Action, Engine, Observed
from mlsandbox.errors import CheckFailed, ConfigInvalid, SandboxError
from mlsandbox.ledger import Ledger
from mlsandbox.packaging.package import Package
from mlsandbox.packaging.store import ensure_package_environment
from mlsandbox.project import FILE_NAME, Project
from mlsandbox.project_lock import project_lock
from mlsandbox.secrets import api_key, key_for_shell, key_path
from mlsandbox.stack.components.base import suffixed
from mlsandbox.stack.hosts import is_loopback
from mlsandbox.stack.parts import DRIFT
from mlsandbox.state import State, load_state, set_aside
from mlsandbox_serving.contract import Port

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
        return planned_up(project, engine, models, options, began)
    with project_lock(project.state_dir, "sandbox up", waiting=lambda who: report.note(f"waiting for {who}")):
        remembered = _remembered(project, report)
        runner = ENGINES[engine](project.root)
        observed = runner.observe()  # first, so that an engine that is not there ends it at once
        engines = drift_engines(project, engine)
        notes = (*_key_notes(project), *_notes(project, engine, engines, remembered))
        if left := host_left(project, remembered):
            report.warn(left)
        told_now = with_licence_told(engines, remembered.told) if _has_drift(project, engine) else remembered.told
        for note in notes:
            report.note(note)
        with environments_beside(project, engine, engines, report) as environments:
            told = Interleaved(report, environments)
            packages = [packaged(model, project.root, told) for model in models]
            warnings = (*idle_detectors(project), *reference_warnings(project, packages)) if _has_drift(project, engine) else ()
            for warning in warnings:
                told.warn(warning)
            leave(project, remembered, engine, told)
            record_packages(project, packages, options.reason, told)
            remembered = caught_up(project.state_dir, observed, remembered, told)
            if not observed.running:
                record_stops(project.state_dir, observed, remembered, None, reason=VANISHED, report=told)
            last = last_champions(Ledger(project.state_dir).read())
            chosen = choose(project.root, packages, remembered, last, runs=observed.running, warm=options.warm, reason=options.reason)
            for note in chosen.notes:
                told.note(note)
            champions = [each.champion for each in chosen.deployed]
            if engine != DOCKER:
                _see_to_environments(chosen.deployed, packages, told)
            rows = examples_of(champions, options.example, remembered.examples)
            given = {package.model: rows[package.model] for package in champions if own_example(package) is None}
            recorder = Recorder(project, chosen.deployed, chosen.intents, remembered, held=chosen.held, report=told)
            job = Start(
                project,
                runner,
                models,
                chosen.deployed,
                given,
                options,
                told,
                engines,
                environments,
                told_moves=recorder.switched,
                prove=proof(runner, project, chosen.deployed, rows),
            )
            started = start(job, replace(remembered, told=told_now), observed)
        result = replace(_result(project, champions, look(project.root), started, began), notes=(*notes, *chosen.notes))
        if started.unchanged:
            recorder.finished(started.state, proven=started.state.proven, ports=started.state.ports)
        if started.unchanged or not options.wait:
            return result
        result = _proven(result, rows, runner, project, ran_before=started.ran_before)
        recorder.finished(started.state, proven=runner.observe().stack_id, ports=started.state.ports)
    return replace(result, elapsed=time.monotonic() - began)


def _see_to_environments(deployed: Sequence[Deployed], made: Sequence[Package], report: Report) -> None:
    """Those of versions that were not packaged just now may be gone."""
    there = {package.tag for package in made}
    for package in (package for each in deployed for package in each.packages if package.tag not in there):
        ensure_package_environment(package, report=report.note)


def _notes(project: Project, engine: str, engines: DriftEngines, remembered: State) -> tuple[str, ...]:
    """What is to be known of the drift engines; what alibi-detect may be used for is said once per project."""
    if not _has_drift(project, engine):
        return ()
    return (*engines.notes, *licence_notes(engines, remembered.told))


def _key_notes(project: Project) -> tuple[str, ...]:
    """Who reaches the API, and where the first key is, once."""
    stack, keys = project.stack, key_path(project.state_dir)
    found = [] if is_loopback(stack.host) else [f"the API binds {stack.host}: other machines reach it, with an API key and over plain HTTP"]
    if stack.asks_for_keys and not keys.exists():
        found.append(f"the API asks for a key: the first is made in {keys}   another one: sandbox keys add NAME")
    return tuple(found)


def host_left(project: Project, remembered: State) -> str:
    """That others reached the API until now and do not any more, as when `--host` is not given again; empty when it is not so."""
    before, stack = remembered.host, project.stack
    asked = project.origin("stack.host").source == "--host"
    if before is None or before == stack.host or is_loopback(before) or asked:
        return ""
    keys = "with" if stack.asks_for_keys else "without"
    return (
        f'the API was at {before} with API keys, is at {stack.host} {keys} them now; to keep it, in {FILE_NAME}: [stack] host = "{before}"'
    )


def _has_drift(project: Project, engine: str) -> bool:
    return DRIFT in parts_of(project, engine, programs_on_path())


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


def _proven(result: UpResult, rows: Mapping[str, Mapping[str, object]], engine: Engine, project: Project, *, ran_before: bool) -> UpResult:
    """The result with a prediction; a stack that was just started and does not answer is stopped again."""
    try:
        return _prove(result, rows, project)
    except BaseException as error:
        if not ran_before:
            engine.apply(engine.plan_stop(None, engine.observe()), lambda _: None, timeout=TIMEOUT_SECONDS)
            if isinstance(error, SandboxError):
                error.why = f"{error.why}\nThe stack was not running before, so it was stopped again.".strip()
        raise


def _prove(result: UpResult, rows: Mapping[str, Mapping[str, object]], project: Project) -> UpResult:
    """Ask every model for a prediction; the first one's is shown."""
    models = list(rows)
    urls = {model: result.endpoints[suffixed(Port.API, models, model)] for model in models}
    key = api_key(project.state_dir, os.environ)
    smokes = {name: smoke_prediction(urls[name], row, key) for name, row in rows.items()}
    first = models[0]
    shown = key_for_shell(project.state_dir, os.environ) if project.stack.asks_for_keys else None
    return replace(result, smoke=smokes[first], curl=curl_line(urls[first], request_of(rows[first]), shown))


def _result(project: Project, packages: Sequence[Package], sight: Sight, started: Started, began: float) -> UpResult:
    first = packages[0]
    steps = started.plan.steps
    changes = {step.service: _CHANGES[step.action] for step in steps}
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
        unchanged=started.unchanged,
        elapsed=time.monotonic() - began,
        since=sight.since,
        plan=tuple(PlannedStep(step.action.value, step.service, step.why) for step in steps),
    )


def _golden(observed: Observed) -> GoldenSummary | None:
    """Of the first model."""
    front = observed.front(Port.API)
    service = observed.service(front.service) if front else None
    counts = (service.probe or {}).get("golden") if service else None
    return GoldenSummary(int(counts["rows"]), int(counts["bit_equal"])) if counts else None


def _remembered(project: Project, report: Report) -> State:
    loaded = load_state(project.state_dir)
    if loaded.problem:
        report.warn(f"state.json could not be read and was moved to {set_aside(project.state_dir)}; ports and versions are found anew")
    return loaded.state
