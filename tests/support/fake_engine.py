"""An engine in memory: keeps the promises of `engines.base.Engine` without running anything; toys' TOY decides what happens."""

from __future__ import annotations

import hashlib
import json
import sys
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
    Observed,
    ObservedService,
    Outcome,
    Plan,
    Prove,
    Report,
    Result,
    Step,
    Undone,
    unproven,
)
from mlsandbox.errors import NotRunning
from mlsandbox.run import stream
from mlsandbox.stack.spec import DataFolder, ServiceSpec
from mlsandbox.supervise.transition import State

_STATE_OF = {"ready": State.READY, "deaf": State.READY, "refuse": State.REFUSED, "crash": State.FAILED, "never": State.STARTING}
_RESULT_OF = {State.REFUSED: Result.REFUSED, State.FAILED: Result.CRASHED, State.STARTING: Result.TIMEOUT}


@dataclass
class _Machine:
    """What runs, shared by all engines of one project."""

    services: dict[str, ServiceSpec] = field(default_factory=dict)
    wanted: dict[str, ServiceSpec] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    written: dict[str, list[LogLine]] = field(default_factory=dict)
    """Output of each service that ever ran."""


_machines: dict[Path, _Machine] = {}


class FakeEngine:
    """See the module."""

    name: ClassVar[str] = "fake"

    def __init__(self, root: Path) -> None:
        self._machine = _machines.setdefault(root, _Machine())

    def observe(self) -> Observed:
        services = tuple(_observed(spec) for spec in self._machine.services.values())
        return Observed(running=bool(services), stack_id="fake" if services else None, services=services)

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        self._machine.wanted = {spec.name: spec for spec in desired.spec.services}
        leaving = [
            Step(Action.STOP, each.name, "not part of the stack any more")
            for each in observed.services
            if each.name not in self._machine.wanted
        ]
        return Plan((*leaving, *(_step(spec, observed.service(spec.name)) for spec in desired.spec.services)))

    def plan_stop(self, services: Collection[str] | None, observed: Observed) -> Plan:
        names = [each.name for each in observed.services if services is None or each.name in services]
        steps = tuple(Step(Action.STOP, name, "asked for") for name in names)
        return Plan(steps, stops_all=len(names) == len(observed.services))

    def apply(self, plan: Plan, report: Report, *, timeout: float, prove: Prove = unproven) -> Outcome:  # noqa: ARG002 - nothing takes time here
        before = dict(self._machine.services)
        try:
            for step in plan.changes:
                self._do(step, report)
        except BaseException:
            self._machine.services = before
            raise
        if plan.stops_all:
            return Outcome(Result.STOPPED)
        for service in self.observe().services:
            if service.state is not State.READY:
                return self._failed(service, before)
        return Outcome(Result.READY)

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

    def _failed(self, service: ObservedService, before: dict[str, ServiceSpec]) -> Outcome:
        outcome = Outcome(_RESULT_OF[service.state], service.name, service.reason, service.probe, service.exit_code)
        if outcome.result is Result.CRASHED:
            outcome = replace(outcome, lines=tuple(line.text for line in self._machine.written[service.name][-20:]))
        if outcome.result is not Result.TIMEOUT:
            self._machine.services = before
            outcome = replace(outcome, undone=Undone.RESTORED if before else Undone.STOPPED)
        return outcome


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
