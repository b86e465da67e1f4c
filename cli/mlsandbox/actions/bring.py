"""Change which versions of a running stack's models run and answer: what `promote`, `rollback`, `deploy` and `retire` share."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlsandbox.actions.change_plan import change_steps, due_anyway, due_notes, planned_change, version_services
from mlsandbox.actions.deployment import Deployed, deployed_of, find_version
from mlsandbox.actions.drift_engines import drift_engines
from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.actions.environments_beside import Interleaved
from mlsandbox.actions.materials import environments_beside
from mlsandbox.actions.outcomes import PlannedStep, Report, SmokePrediction, UpOptions
from mlsandbox.actions.reconciling import as_answering, caught_up
from mlsandbox.actions.recording import Intent, Recorder
from mlsandbox.actions.smoke import examples_of, own_example
from mlsandbox.actions.starting import Start, start
from mlsandbox.endpoint import request_of
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Engine, Move, Observed, Plan, Prove, Step, Switched
from mlsandbox.errors import NotRunning, SmokeFailed
from mlsandbox.ledger import Entry, Ledger
from mlsandbox.packaging.package import Package
from mlsandbox.packaging.store import ensure_package_environment
from mlsandbox.project import Project
from mlsandbox.secrets import api_key
from mlsandbox.stack.components.base import suffixed, versioned
from mlsandbox.state import State, load_state
from mlsandbox_serving.contract import Header, Origin, Port, Route

__all__ = ["Brought", "Intent", "Running", "bring", "due_steps", "running", "steps_of"]

_OK = 200
_ROOM = 256 * 1024
"""Bytes; what is rendered, remembered and recorded of a change takes less."""


@dataclass(frozen=True, slots=True)
class Running:
    """How a project's stack stands, under the project's lock."""

    project: Project
    """With what the last `up` was told beside sandbox.toml."""
    engine: str
    observed: Observed
    remembered: State
    deployed: tuple[Deployed, ...]
    """One per model."""

    def of(self, model: str) -> Deployed:
        """The versions of a model.

        Raises:
            NotRunning: it is not part of what runs.
        """
        found = next((each for each in self.deployed if each.model == model), None)
        if found is None:
            names = ", ".join(each.model for each in self.deployed)
            raise NotRunning(f"{model} is not running", why=f"Models that run: {names}.", fix="bring it up: sandbox up")
        return found


@dataclass(frozen=True, slots=True)
class Brought:
    """A change that was made."""

    switched: tuple[Switched, ...]
    plan: Plan
    entries: tuple[Entry, ...]
    """Of the ledger."""
    elapsed: float
    """Seconds."""


def running(project: Project, report: Report | None) -> Running:
    """The project's stack as it runs.

    Args:
        project: its settings; the caller holds its lock.
        report: of who changes something: ledger and state are made what they have to be for it first; None: nothing is written.

    Raises:
        NotRunning: nothing runs, or a model of it is not known to have answered, or is not in sandbox.toml any more.
        VersionUnknown: the package of what answers is gone.
    """
    remembered = load_state(project.state_dir).state
    runner = ENGINES[remembered.engine](project.root) if remembered.engine in ENGINES else None
    observed = runner.observe() if runner is not None else Observed()
    if runner is not None and observed.running:
        remembered = as_answering(observed, remembered) if report is None else caught_up(project.state_dir, observed, remembered, report)
    names = remembered.models or tuple(project.models)
    if runner is None or not observed.running:
        raise NotRunning(f"{project.name} is not running", fix="start it: sandbox up")
    if unknown := [name for name in names if name not in project.models or name not in remembered.served]:
        why = f"{', '.join(unknown)}: not in sandbox.toml any more, or not ready yet."
        raise NotRunning(f"not all models of {project.name} that run are known", why=why, fix="bring it up again: sandbox up")
    deployed = [deployed_of(project.root, find_version(project.root, name, remembered.served[name]), remembered) for name in names]
    return Running(as_told(project, remembered, names), runner.name, observed, remembered, tuple(deployed))


def as_told(project: Project, remembered: State, names: Sequence[str]) -> Project:
    """The project with what the last `up` was told beside sandbox.toml, so that a change of versions changes nothing else.

    Args:
        project: as sandbox.toml has it now.
        remembered: what was told.
        names: of the models that run: others may have been saved since.
    """
    chosen, models = remembered.chosen, {name: project.models[name] for name in names}
    if not chosen:
        return replace(project, settings=replace(project.settings, models=models))
    stack = replace(project.stack, host=chosen["host"], profile=chosen["profile"], exclude=tuple(chosen["exclude"]))
    return replace(project, settings=replace(project.settings, models=models, stack=stack))


def steps_of(now: Running, after: Deployed, lineup: Sequence[PlannedStep]) -> tuple[PlannedStep, ...]:
    """What `bring` would do for these versions of a model, the other models' as they are; changes nothing.

    Args:
        now: how the stack stands.
        after: what is to run.
        lineup: what becomes of each version, in words.
    """
    deployed = [after if each.model == after.model else each for each in now.deployed]
    plan = planned_change(now.project, now.engine, deployed, now.observed, now.remembered)
    services = {**version_services(now.project, now.of(after.model)), **version_services(now.project, after)}
    return change_steps(plan, _due(now), lineup, services)


def due_steps(now: Running) -> tuple[PlannedStep, ...]:
    """What any change of the stack would do besides."""
    return change_steps(Plan(_due(now)), _due(now), (), {})


def _due(now: Running) -> tuple[Step, ...]:
    return due_anyway(now.project, now.engine, now.deployed, now.observed, now.remembered)


def _leaving(now: Running, deployed: Sequence[Deployed]) -> set[str]:
    there, left = (
        {name for each in lineup for name in version_services(now.project, each).values()} for lineup in (now.deployed, deployed)
    )
    return there - left


def bring(
    now: Running,
    deployed: Sequence[Deployed],
    intents: Sequence[Intent],
    options: UpOptions,
    report: Report,
    *,
    held: Mapping[str, str],
) -> Brought:
    """Make the stack what `deployed` says, and write it down.

    Args:
        now: how it stands.
        deployed: what is to run, one per model.
        intents: what the ledger is told.
        options: of these the time, and whether models are trusted.
        report: told what happens.
        held: for each model whose champion was chosen by hand the version that its files make; see `State.held`.

    Raises:
        LedgerUnwritable: nothing was done.
        SwitchFailed, SmokeFailed, GoldenMismatch, ServiceCrashed, StackNotReady, …: what answered before goes on, unless said otherwise.
    """
    began = time.monotonic()
    project, runner = now.project, ENGINES[now.engine](now.project.root)
    Ledger(project.state_dir).ensure_writable(room=_ROOM)
    recorder = Recorder(project, deployed, intents, now.remembered, held=held, report=report)
    engines = drift_engines(project, now.engine)
    packages = [package for each in deployed for package in each.packages]
    for note in due_notes(_due(now), _leaving(now, deployed)):
        report.note(note)
    champions = [each.champion for each in deployed]
    rows = examples_of(champions, options.example, now.remembered.examples)
    given = {package.model: rows[package.model] for package in champions if own_example(package) is None}
    with environments_beside(project, now.engine, engines, report) as environments:
        told = Interleaved(report, environments)
        if runner.name != DOCKER:
            for package in packages:
                ensure_package_environment(package, report=told.note)
        job = Start(
            project,
            runner,
            [replace(model, trust=model.trust or options.trust) for model in project.models.values()],
            deployed,
            given,
            options,
            told,
            engines,
            environments,
            told_moves=recorder.switched,
            prove=proof(runner, project, deployed, rows),
        )
        started = start(job, now.remembered, now.observed)
    recorder.finished(started.state, proven=runner.observe().stack_id, ports=started.state.ports)
    return Brought(started.switched, started.plan, tuple(recorder.entries), time.monotonic() - began)


def proof(runner: Engine, project: Project, deployed: Sequence[Deployed], rows: Mapping[str, Mapping[str, object]]) -> Prove:
    """Asks a version for the prediction of a row before a front is moved to it.

    Args:
        runner: reaches the version by itself.
        project: whose stack it is.
        deployed: what is to run.
        rows: for each model the row.
    """
    models = list(project.models)
    names = {versioned(suffixed(Port.API, models, each.model), each.champion.version): each.champion for each in deployed}

    def prove(move: Move) -> None:
        package = names[move.service]
        own = own_example(package)
        prediction(
            runner.ask, move.service, package, own if own is not None else rows[package.model], api_key(project.state_dir, os.environ)
        )

    return prove


def prediction(
    ask: Callable[[str, str, str, Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes]],
    service: str,
    package: Package,
    row: Mapping[str, object],
    key: str | None,
) -> SmokePrediction:
    """A prediction of one version, asked by itself.

    Args:
        ask: `Engine.ask`.
        service: its name.
        package: what it has to be.
        row: as the model takes it.
        key: API key, if there is one.

    Raises:
        SmokeFailed: it refuses the row, fails, or is another version.
    """
    headers = {"content-type": "application/json", Header.ORIGIN: Origin.EXAMPLE}
    if key is not None:
        headers[Header.API_KEY] = key
    began = time.perf_counter()
    status, answered, raw = ask(service, "POST", Route.PREDICT, headers, json.dumps(request_of(row)).encode())
    seconds = time.perf_counter() - began
    body: Any = None
    try:
        body = json.loads(raw)
        values = body["predictions"] if status == _OK else None
    except (ValueError, KeyError, TypeError, RecursionError):
        values = None
    if not values:
        raise SmokeFailed(
            f"{package.model} {package.version} started, and did not answer the example row",
            why=f"It answered {status}: {raw[:500].decode('utf-8', 'replace')}",
            fix=f"look at what it wrote: sandbox logs {service}   or at its errors: sandbox logs --errors",
            details={"status": status, "service": service},
        )
    version = {name.lower(): value for name, value in answered.items()}.get(Header.MODEL_VERSION)
    if version != package.version:
        raise SmokeFailed(
            f"{service} answers as {version or 'no version'}, and should be {package.version}",
            fix=f"look at what it wrote: sandbox logs {service}",
            details={"service": service, "version": version},
        )
    probabilities = (body.get("probabilities") or [None])[0]
    probability = max(probabilities) if isinstance(probabilities, list) and probabilities else None
    return SmokePrediction(values[0], probability, seconds, row)
