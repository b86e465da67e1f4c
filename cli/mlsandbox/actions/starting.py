"""Start or change a stack at ports that are free, and choose anew when another program takes one in between."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.drift_engines import DriftEngines
from mlsandbox.actions.environments_beside import EnvironmentsBeside
from mlsandbox.actions.materials import supplied
from mlsandbox.actions.outcomes import Report, UpOptions
from mlsandbox.actions.project_stack import baselines_of, parts_of, programs_on_path, registered, stack_of, stack_ports
from mlsandbox.actions.recording import record_stops
from mlsandbox.actions.verdicts import verdict
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Action, Change, Desired, Engine, Observed, Plan, Prove, Result, Switched, unproven
from mlsandbox.errors import EngineUnavailable, PortInUse, SandboxError
from mlsandbox.packaging.admission import admit
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project
from mlsandbox.registry import Registry
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.ports import Moved, this_machine
from mlsandbox.state import State, save_state
from mlsandbox.supervise.transition import State as ServicePhase
from mlsandbox_serving.contract import Port

TIMEOUT_SECONDS: Final = 120.0
"""Until a stack that is not ready is an error; twice as long where CI is set."""
_PORT_TRIES: Final = 3
"""Another program may take a port between the look at it and the start of the service."""
_IN_USE: Final = re.compile(
    rf"port \d+ .* is taken by another process|{re.escape(os.strerror(errno.EADDRINUSE))}|port is already allocated", re.IGNORECASE
)
"""What the supervisor or Docker says of a port that is taken before a service starts, and what a service says that finds it taken."""


def untold(_moves: Sequence[Switched], state: State) -> State:
    """The `told_moves` of who writes nothing down."""
    return state


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started, and by whom."""

    project: Project
    engine: Engine
    models: Sequence[ModelConfig]
    deployed: Sequence[Deployed]
    """One per model, in their order."""
    examples: Mapping[str, Mapping[str, object]]
    """Rows that were given for models without reference data; remembered."""
    options: UpOptions
    report: Report
    drift_engines: DriftEngines
    environments: EnvironmentsBeside

    told_moves: Callable[[Sequence[Switched], State], State] = untold
    """Told of the moves that were made, whatever became of the rest, and of the state that was saved; what is saved now."""
    prove: Prove = unproven
    """Asked about a version before a front is moved to it."""

    @property
    def packages(self) -> Sequence[Package]:
        """Of all versions."""
        return [package for each in self.deployed for package in each.packages]

    @property
    def versions(self) -> Mapping[str, str]:
        """Of each model the version that is to answer."""
        return {each.model: each.champion.version for each in self.deployed}


@dataclass(frozen=True, slots=True)
class Started:
    """How it went."""

    plan: Plan
    state: State
    """As it was saved: with ports, without the versions, which have not answered yet."""
    ran_before: bool
    unchanged: bool = False
    """It ran already, and was proven: nothing was done."""
    switched: tuple[Switched, ...] = ()
    """Fronts that another version answers for now."""


def start(job: Start, remembered: State, observed: Observed) -> Started:
    """Make the running stack what the packages are, and wait until it is ready.

    Raises:
        UntrustedModel, PackageTampered: a package is not what was packaged.
        ImagePullFailed, ImageBuildFailed, PackagingFailed: what it is made from cannot be had.
        PortInUse: a pinned port is taken.
        GoldenMismatch, ModelLoadFailed, ServiceCrashed, StackNotReady: it did not become ready.
    """
    switched: tuple[Switched, ...] = ()
    for tries_left in reversed(range(_PORT_TRIES)):
        ports = _ports(job, remembered, observed)
        desired = _desired(job, ports)
        plan = job.engine.plan(desired, observed)
        if (
            not plan.changes
            and not plan.moves
            and not plan.refreshes
            and observed.is_ready
            and (remembered.served, remembered.proven) == (job.versions, observed.stack_id)
        ):
            return Started(plan, remembered, ran_before=True, unchanged=True)
        settings = {model.name: model for model in job.models}
        changing = {step.service for step in plan.changes}
        starting = {service.package for service in desired.spec.services if service.name in changing}
        for package in (each for each in job.packages if each.tag in starting):
            admit(package, settings[package.model])
        # Ports and given rows before anything is started, so that the next command finds them; versions once they answer.
        stack = job.project.stack
        state = replace(
            remembered,
            engine=job.engine.name,
            host=stack.host,
            ports=dict(ports),
            examples=job.examples,
            chosen={"host": stack.host, "profile": stack.profile, "exclude": list(stack.exclude), "models": list(job.project.models)},
        )
        save_state(job.project.state_dir, state)
        state, made, is_done = _apply(job, plan, state, movable=tries_left > 0)
        switched += made
        if is_done:
            break
        remembered, observed = state, job.engine.observe()
    return Started(plan, state, ran_before=observed.running, switched=switched)


def leave(project: Project, remembered: State, engine: str, report: Report) -> None:
    """Stop a stack that another engine runs: both would want its ports."""
    if remembered.engine in {None, engine} or remembered.engine not in ENGINES:
        return
    former = ENGINES[remembered.engine](project.root)
    try:
        observed = former.observe()
    except EngineUnavailable as error:
        report.warn(f"the stack that the {former.name} engine ran before was left as it is: {error.what}")
        return
    if observed.running:
        report.note(f"stopping the stack on the {former.name} engine first")
        former.apply(former.plan_stop(None, observed), lambda _: None, timeout=TIMEOUT_SECONDS)
        record_stops(project.state_dir, observed, remembered, None, reason=f"the stack moves to the {engine} engine", report=report)


def _desired(job: Start, ports: Mapping[str, int]) -> Desired:
    parts = parts_of(job.project, job.engine.name, programs_on_path())
    spec = stack_of(job.project, job.deployed, ports, parts, job.drift_engines, baselines=baselines_of(job.project))
    return supplied(job.project, job.engine.name, job.packages, spec, job.report, environments=job.environments)


def _ports(job: Start, remembered: State, observed: Observed) -> Mapping[str, int]:
    project, report = job.project, job.report
    entry = registered(project, job.engine.name, remembered)
    names = stack_ports(job.deployed, parts_of(project, job.engine.name, programs_on_path()))
    try:
        allocation = Registry().reserve(entry, names, pinned=project.stack.ports, running=observed.ports, machine=this_machine())
    except PortInUse as error:
        pinned_by = project.origin(f"stack.ports.{error.details['name']}").source
        error.why = f"It is pinned by {pinned_by}, so another port was not chosen."
        raise
    for moved in allocation.moved:
        tell = report.warn if is_asked_at(moved, entry.ports) else report.note
        tell(f"port {moved.wanted} for {moved.name} became {moved.number}: {moved.why}")
    return allocation.ports


def is_asked_at(moved: Moved, before: Mapping[str, int]) -> bool:
    """Whether somebody may ask at the port of before: nobody but the stack does at ports of others than models, nor if it had none."""
    return bool(before) and (moved.name == Port.API or moved.name.startswith(f"{Port.API}-"))


def _apply(job: Start, plan: Plan, state: State, *, movable: bool) -> tuple[State, tuple[Switched, ...], bool]:
    """Carry the plan out.

    Returns:
        The state that was saved last; the moves that were made; and False when another program has taken a port since they were chosen,
        and they are `movable`.
    """
    began, options, report = time.monotonic(), job.options, job.report
    seconds = options.timeout or TIMEOUT_SECONDS * (2 if os.environ.get("CI") else 1)
    report.step(told(plan, "Starting", "Removing", "Moving", "Rewriting"))

    def tell(change: Change) -> None:
        if change.state is ServicePhase.STOPPED and change.reason:
            report.note(f"{change.service or 'a process'}: {change.reason}")

    waits = options.wait or bool(plan.moves)  # who answers now goes on until the other one can
    first = time.time()
    try:
        outcome = job.engine.apply(plan, tell, timeout=seconds if waits else 0.0, prove=job.prove)
    except BaseException:
        if made := _made(plan, job.engine, first):
            job.told_moves(made, state)
        raise
    state = job.told_moves(outcome.switched, state)
    if outcome.result is Result.READY:
        report.done(told(plan, "Started", "Removed", "Moved", "Rewrote"), "", time.monotonic() - began)
    elif movable and outcome.result is Result.CRASHED and any(_IN_USE.search(text) for text in (outcome.reason, *outcome.lines)):
        report.note("another program took a port in between: choosing anew")
        return state, outcome.switched, False
    elif waits or outcome.result is not Result.TIMEOUT:
        raise verdict(outcome, seconds=seconds)
    return state, outcome.switched, True


def _made(plan: Plan, engine: Engine, began: float) -> tuple[Switched, ...]:
    """The moves of a plan that were made before something ended it; when exactly is not known then."""
    fronts: dict[str, str] = {}
    with suppress(SandboxError):  # what ended it is what is told
        fronts = {each.name: each.service for each in engine.observe().fronts} if plan.moves else {}
    made = (move for move in plan.moves if fronts.get(move.front) == move.service)
    return tuple(Switched(move.front, move.service, move.former, began, time.time()) for move in made)


def told(plan: Plan, start: str, stop: str, move: str, write: str) -> str:
    """What is done to the services and fronts of a plan: "Starting api-v2; moving api to api-v2; removing api-v1" (pure)."""
    came = ", ".join(step.service for step in plan.changes if step.action is not Action.STOP)
    moved = ", ".join(f"{each.front} to {each.service}" for each in plan.moves)
    went = ", ".join(step.service for step in plan.changes if step.action is Action.STOP)
    first, *others = [f"{word} {what}" for word, what in ((start, came), (move, moved), (stop, went)) if what] or [
        f"{write} what services read" if plan.refreshes else f"{start} the stack"
    ]
    return "; ".join([first, *(f"{each[0].lower()}{each[1:]}" for each in others)])
