"""An engine in memory: keeps the promises of `engines.base.Engine` without running anything; toys' TOY decides what happens."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from mlsandbox.engines.asking import ANSWER_SECONDS, Answered
from mlsandbox.engines.base import (
    Action,
    Change,
    Desired,
    Keeping,
    Kept,
    LogLine,
    Move,
    Observed,
    ObservedFront,
    ObservedService,
    Outcome,
    Plan,
    Prove,
    Report,
    Result,
    Step,
    Switched,
    Undone,
    unproven,
)
from mlsandbox.engines.planning import plan_moves
from mlsandbox.errors import NotRunning
from mlsandbox.run import stream
from mlsandbox.stack.spec import DataFolder, Front, ServiceSpec
from mlsandbox.supervise.transition import State

_STATE_OF = {"ready": State.READY, "deaf": State.READY, "refuse": State.REFUSED, "crash": State.FAILED, "never": State.STARTING}
_RESULT_OF = {State.REFUSED: Result.REFUSED, State.FAILED: Result.CRASHED, State.STARTING: Result.TIMEOUT}


@dataclass
class _Machine:
    """What runs, shared by all engines of one project."""

    services: dict[str, ServiceSpec] = field(default_factory=dict)
    fronts: dict[str, Front] = field(default_factory=dict)
    wanted: dict[str, ServiceSpec] = field(default_factory=dict)
    wanted_fronts: dict[str, Front] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    written: dict[str, list[LogLine]] = field(default_factory=dict)
    """Output of each service that ever ran."""

    def running(self) -> tuple[dict[str, ServiceSpec], dict[str, Front]]:
        """What can be gone back to."""
        return dict(self.services), dict(self.fronts)

    def go_back(self, before: tuple[dict[str, ServiceSpec], dict[str, Front]]) -> None:
        self.services, self.fronts = dict(before[0]), dict(before[1])


_machines: dict[Path, _Machine] = {}


class FakeEngine:
    """See the module."""

    name: ClassVar[str] = "fake"

    def __init__(self, root: Path) -> None:
        self._machine = _machines.setdefault(root, _Machine())

    def observe(self, *, memory: bool = False) -> Observed:  # noqa: ARG002 - as engines have it
        services = tuple(_observed(spec) for spec in self._machine.services.values())
        held = [front for front in self._machine.fronts.values() if front.service in self._machine.services]
        fronts = tuple(ObservedFront(front.name, front.port.number, front.service) for front in held)
        return Observed(running=bool(services), stack_id="fake" if services else None, services=services, fronts=fronts)

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        self._machine.wanted = {spec.name: spec for spec in desired.spec.services}
        self._machine.wanted_fronts = {front.name: front for front in desired.spec.fronts}
        leaving = [
            Step(Action.STOP, each.name, "not part of the stack any more")
            for each in observed.services
            if each.name not in self._machine.wanted
        ]
        moves = plan_moves({front.name: front.service for front in desired.spec.fronts}, observed)
        return Plan((*leaving, *(_step(spec, observed.service(spec.name)) for spec in desired.spec.services)), moves)

    def plan_stop(self, services: Collection[str] | None, observed: Observed) -> Plan:
        names = [each.name for each in observed.services if services is None or each.name in services]
        steps = tuple(Step(Action.STOP, name, "asked for") for name in names)
        return Plan(steps, stops_all=len(names) == len(observed.services))

    def apply(self, plan: Plan, report: Report, *, timeout: float, prove: Prove = unproven) -> Outcome:  # noqa: ARG002 - nothing takes time here
        before = self._machine.running()
        switched: tuple[Switched, ...] = ()
        try:
            if plan.moves:
                failed = self._start_beside(plan, report, prove)
                if failed is not None:
                    self._machine.go_back(before)
                    return replace(failed, undone=Undone.KEPT)
                switched = tuple(self._switch(move) for move in plan.moves)
                before = self._machine.running()
            self._do_rest(plan, report)
        except BaseException:
            self._machine.go_back(before)
            raise
        if plan.stops_all:
            return Outcome(Result.STOPPED)
        return replace(self._end(before), switched=switched)

    def logs(self, services: Collection[str], *, lines: int, follow: bool) -> Iterator[LogLine]:  # noqa: ARG002 - nothing new ever comes
        for name in services:
            yield from self._machine.written.get(name, [])[-lines:]

    def service_names(self) -> tuple[str, ...]:
        return tuple(sorted({*self._machine.wanted, *self._machine.written}))

    def run_in(self, service: str, args: Sequence[str], text: str) -> Iterator[str]:
        if service not in self._machine.services:
            raise NotRunning(f"{service} is not running", fix="start it: sandbox up")
        return stream([sys.executable, *args], input=text)

    def ask(
        self,
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        timeout: float = ANSWER_SECONDS,  # noqa: ARG002 - nothing takes time here
    ) -> Answered:
        spec = self._machine.services.get(service)
        if spec is None:
            raise NotRunning(f"{service} is not running", fix="start it: sandbox up")
        said = {"service": service, "method": method, "path": path, "headers": dict(headers), "body": body.decode()}
        return Answered(200 if _observed(spec).state is State.READY else 503, {}, json.dumps(said).encode())

    def kept(self) -> tuple[Kept, ...]:
        return tuple(self._machine.kept)

    def remove_kept(self, only: Collection[Kept] | None = None) -> tuple[Kept, ...]:
        removed = tuple(each for each in self._machine.kept if only is None or each in only)
        self._machine.kept[:] = [each for each in self._machine.kept if each not in removed]
        return removed

    def shared(self, *, but_for: Collection[Path] | None = None) -> tuple[Kept, ...]:  # noqa: ARG002 - there is nothing
        return ()

    def remove_shared(self) -> tuple[Kept, ...]:
        return ()

    def _start_beside(self, plan: Plan, report: Report, prove: Prove) -> Outcome | None:
        """Start what is moved to and have it proven; the outcome when one of it is not ready."""
        named = {move.service for move in plan.moves}
        for step in plan.changes:
            if step.service in named:
                self._do(step, report)
        failed = self._unready(named)
        for move in plan.moves if failed is None else ():
            prove(move)
        return failed

    def _do_rest(self, plan: Plan, report: Report) -> None:
        """What was not done for the moves."""
        for step in plan.changes:
            if step.service not in {move.service for move in plan.moves}:
                self._do(step, report)
        if any(step.action is not Action.STOP for step in plan.steps):
            self._machine.fronts = dict(self._machine.wanted_fronts)

    def _end(self, before: tuple[dict[str, ServiceSpec], dict[str, Front]]) -> Outcome:
        failed = self._unready(self._machine.services)
        if failed is None or failed.result is Result.TIMEOUT:
            return failed or Outcome(Result.READY)
        self._machine.go_back(before)
        return replace(failed, undone=Undone.RESTORED if before[0] else Undone.STOPPED)

    def _switch(self, move: Move) -> Switched:
        now = time.time()
        self._machine.fronts[move.front] = self._machine.wanted_fronts[move.front]
        return Switched(move.front, move.service, move.former, now, now)

    def _do(self, step: Step, report: Report) -> None:
        if step.action is Action.STOP:
            del self._machine.services[step.service]
            report(Change(step.service, State.STOPPED, 0.0))
            return
        spec = self._machine.wanted[step.service]
        self._machine.services[step.service] = spec
        self._machine.written.setdefault(spec.name, []).extend(_output(spec))
        folders = {each.name for each in spec.references() if isinstance(each, DataFolder)}
        self._machine.kept += [kept for kept in (Kept(Keeping.VOLUME, name) for name in sorted(folders)) if kept not in self._machine.kept]
        report(Change(step.service, State.STARTING, 0.0))
        report(Change(step.service, _observed(self._machine.wanted[step.service]).state, 0.0))

    def _unready(self, names: Collection[str]) -> Outcome | None:
        """The outcome that the first service that is not ready makes; None when all are."""
        service = next((each for each in self.observe().services if each.name in names and each.state is not State.READY), None)
        if service is None:
            return None
        outcome = Outcome(_RESULT_OF[service.state], service.name, service.reason, service.probe, service.exit_code)
        crashed = outcome.result is Result.CRASHED
        return replace(outcome, lines=tuple(line.text for line in self._machine.written[service.name][-20:])) if crashed else outcome


def _output(spec: ServiceSpec) -> list[LogLine]:
    mode = spec.env["TOY"]
    said = [f"hello from {spec.name}, mode {mode}", *(f"line {number}" for number in range(30) if mode == "crash")]
    return [LogLine(spec.name, "2026-01-01T00:00:00.000Z", text) for text in said]


def _observed(spec: ServiceSpec) -> ObservedService:
    state = _STATE_OF[str(spec.env["TOY"])]
    body = {"final": True, "code": "GOLDEN_MISMATCH", "reason": "row 3 differs"} if state is State.REFUSED else None
    reason = {State.REFUSED: "row 3 differs", State.FAILED: "ended with exit code 3"}.get(state, "")
    ports = {port.name: port.number for port in spec.ports}
    exit_code = 3 if state is State.FAILED else None
    return ObservedService(spec.name, state, _digest(spec), ports=ports, probe=body, reason=reason, exit_code=exit_code)


def _step(spec: ServiceSpec, service: ObservedService | None) -> Step:
    if service is None:
        return Step(Action.START, spec.name, "not running")
    if service.digest != _digest(spec):
        return Step(Action.RESTART, spec.name, "changed")
    return Step(Action.KEEP, spec.name, f"unchanged, {service.state}")


def _digest(spec: ServiceSpec) -> str:
    return hashlib.sha256(repr(sorted(spec.env.items())).encode()).hexdigest()
