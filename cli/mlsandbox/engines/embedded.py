"""The embedded engine: services are child processes of a supervisor that outlives the command."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

from mlsandbox.engines.asking import ANSWER_SECONDS, Answered, Request, ask_here
from mlsandbox.engines.base import (
    Action,
    Change,
    Desired,
    Kept,
    LogLine,
    Observed,
    ObservedFront,
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
from mlsandbox.engines.planning import plan_moves
from mlsandbox.engines.process_plan import plan_processes, recipe
from mlsandbox.engines.process_switch import LIST, Switch
from mlsandbox.engines.process_wait import wait_until_ready
from mlsandbox.errors import NotRunning
from mlsandbox.render.config import live_files
from mlsandbox.render.processes import Places, passed_on, render_config, render_fronts, render_processes
from mlsandbox.render.served import served_files, served_folder
from mlsandbox.render.tree import RenderedFile, outdated, prune_tree, write_tree
from mlsandbox.run import stream
from mlsandbox.secrets import ensure_secret
from mlsandbox.state import make_sandbox_folder
from mlsandbox.supervise import control
from mlsandbox.supervise.logfiles import LogReader, tail
from mlsandbox.supervise.spec import Folder, ListInvalid, ProcessList, list_digest, list_from_json, list_to_json
from mlsandbox.supervise.transition import State

_RESTORE_TIMEOUT: Final = 60.0


class EmbeddedEngine:
    """Child processes; nothing but Python is needed."""

    name: ClassVar[str] = "embedded"

    def __init__(self, root: Path) -> None:
        """Args: root: the project's folder."""
        self._folder = Folder(root.absolute() / ".sandbox")

    def observe(self, *, memory: bool = False) -> Observed:  # noqa: ARG002 - the supervisor knows it always
        status = control.current_status(self._folder)
        if status is None or status.stopping:
            return Observed()
        listed = {spec.name: spec for spec in self._list().processes}
        services = tuple(
            ObservedService(
                name=each.name,
                state=each.state,
                digest=each.digest,
                recipe=recipe(listed[each.name]) if each.name in listed else {},
                pid=each.pid,
                since=each.since,
                restarts=each.restarts,
                exit_code=each.exit_code,
                reason=each.reason,
                probe=each.probe,
                memory_bytes=each.memory_bytes,
                ports=listed[each.name].ports if each.name in listed else {},
            )
            for each in status.services
        )
        fronts = tuple(ObservedFront(each.name, each.port, each.service) for each in status.fronts)
        return Observed(True, status.stack_id, status.pid, status.started, services, fronts)

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        served = served_files()
        stack = self._folder.processes.parent
        places = Places(self._folder.path, desired.pythons, desired.packages, desired.programs, stack / served_folder(served))
        config = render_config(desired.spec, places)
        processes = render_processes(desired.spec, places, os.environ, config)
        fronts = render_fronts(desired.spec)
        files = (*served, *config, _list_file(ProcessList(processes, fronts)))
        moves = plan_moves({front.name: front.service for front in fronts}, observed)
        steps, refreshes = plan_processes(processes, observed), outdated(stack, live_files(desired.spec, config))
        return Plan(steps, moves, files, desired.spec.data_folders, desired.spec.secret_names, refreshes=refreshes)

    def plan_stop(self, services: Collection[str] | None, observed: Observed) -> Plan:
        running = {service.name for service in observed.services if service.state is not State.STOPPED}
        wanted = running if services is None else running & set(services)
        steps = tuple(Step(Action.STOP, each.name, "asked for") for each in observed.services if each.name in wanted)
        if wanted == running:
            return Plan(steps, stops_all=True)
        listed = self._list()
        left = tuple(spec.without(wanted) for spec in listed.processes if spec.name not in wanted)
        return Plan(steps, files=(_list_file(replace(listed, processes=left)),) if steps else ())

    def apply(self, plan: Plan, report: Report, *, timeout: float, prove: Prove = unproven) -> Outcome:
        began = time.monotonic()

        def tell(service: str, state: State, reason: str = "") -> None:
            report(Change(service, state, time.monotonic() - began, reason))

        if plan.stops_all:
            return self._stop_all(plan, tell, timeout)
        if not plan.changes and not plan.moves and self.observe().is_ready:
            write_tree(self._folder.processes.parent, plan.files)
            return Outcome(Result.READY)
        before = self._list_text() if self.observe().running else None
        if not plan.moves or before is None:
            return self._change(plan, before, tell, deadline=began + timeout)
        self._prepare(plan)
        switch = Switch(self._folder, plan, before, tell)
        outcome = switch.begin(prove, deadline=began + timeout)
        if outcome.result is not Result.READY:
            return outcome
        moving = time.monotonic()
        switched = switch.move()
        deadline = began + timeout + time.monotonic() - moving  # what the former had begun may take its time
        return replace(self._change(plan, self._list_text(), tell, deadline=deadline), switched=switched)

    def service_names(self) -> tuple[str, ...]:
        listed = {spec.name for spec in self._list().processes}
        return tuple(sorted(listed | {path.stem for path in self._folder.logs.glob("*.log")}))

    def run_in(self, service: str, args: Sequence[str], text: str) -> Iterator[str]:
        """Works as well when nothing runs, as long as what the service ran with is there."""
        spec = self._list().process(service)
        if spec is None or not Path(spec.argv[0]).exists() or not Path(spec.cwd).is_dir():
            why = "No stack with it ran here last." if spec is None else f"What it ran with is gone: {spec.argv[0]}, {spec.cwd}."
            raise NotRunning(f"{service} is not here", why=why, fix="start it: sandbox up")
        without = {name: None for name in os.environ if name.startswith("PYTHON")}
        env = {**without, **spec.surroundings, **spec.env}
        return stream([spec.argv[0], *args], env=env, cwd=Path(spec.cwd), input=text, what=f"{' '.join(args)} beside {service}")

    def ask(
        self, service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *, timeout: float = ANSWER_SECONDS
    ) -> Answered:
        spec = self._list().process(service)
        if spec is None or not spec.ports:
            raise NotRunning(f"{service} is not here", why="No stack with it ran here last.", fix="start it: sandbox up")
        return ask_here(service, next(iter(spec.ports.values())), Request(method, path, headers, body, timeout))

    def kept(self) -> tuple[Kept, ...]:
        return ()

    def remove_kept(self, only: Collection[Kept] | None = None) -> tuple[Kept, ...]:  # noqa: ARG002 - there is nothing
        return ()

    def shared(self, *, but_for: Collection[Path] | None = None) -> tuple[Kept, ...]:  # noqa: ARG002 - there is nothing
        return ()

    def remove_shared(self) -> tuple[Kept, ...]:
        return ()

    def logs(self, services: Collection[str], *, lines: int, follow: bool) -> Iterator[LogLine]:
        with ExitStack() as stack:
            readers = {name: stack.enter_context(closing(LogReader(self._folder.log(name)))) for name in services}
            recent = [_log_line(name, line) for name in readers for line in tail(self._folder.log(name), lines)]
            yield from sorted(recent, key=lambda line: line.time)
            while follow:
                fresh = [_log_line(name, line) for name, reader in readers.items() for line in reader.more()]
                yield from sorted(fresh, key=lambda line: line.time)
                if not fresh:
                    time.sleep(0.1)

    def _change(self, plan: Plan, before: str | None, tell: control.Tell, *, deadline: float) -> Outcome:
        """Make what runs what is planned; without success it becomes what it was `before`, which nothing was for None."""
        try:
            outcome = self._start(plan, tell, deadline=deadline)
        except BaseException:
            self._undo(before, plan, wait=False)
            raise
        if outcome.result in {Result.CRASHED, Result.REFUSED}:
            return replace(outcome, undone=self._undo(before, plan, wait=True))
        if outcome.result is Result.TIMEOUT and not plan.changes and not plan.moves:
            self._write_back(plan)  # what is not ready is not so because of this
        if outcome.result is Result.READY and plan.folders:
            prune_tree(self._folder.processes.parent, plan.files)
        return outcome

    def _prepare(self, plan: Plan) -> None:
        make_sandbox_folder(self._folder.path, plan.folders)
        for name in plan.secrets:
            ensure_secret(self._folder.path, name)

    def _start(self, plan: Plan, tell: control.Tell, *, deadline: float) -> Outcome:
        self._prepare(plan)
        write_tree(self._folder.processes.parent, plan.files)
        try:
            follows = self._follow(tell)
        except control.SupervisorFailed as error:
            return Outcome(Result.CRASHED, "supervisor", "the supervisor could not be started", lines=tuple(str(error).splitlines()))
        return self._wait(tell, deadline=deadline, after=follows)

    def _follow(self, tell: control.Tell) -> int:
        """Have the list followed, by the supervisor that runs or by a new one; how often it had been read before."""
        status = control.current_status(self._folder)
        if status is not None and not status.stopping:
            control.reload(self._folder)
            return status.follows
        if control.supervisor_pid(self._folder) is not None:  # it is stopping, or of another version of ours: its status says nothing to us
            control.stop(self._folder, timeout=self._grace())
        environ = passed_on(os.environ)
        if "PYTHONPATH" in os.environ:  # ours may be found by it; services never see it
            environ["PYTHONPATH"] = os.environ["PYTHONPATH"]
        for swept in control.launch(self._folder, environ):
            tell(swept.service, State.STOPPED, f"pid {swept.pid} was left over from an earlier run")
        return 0

    def _wait(self, tell: control.Tell, *, deadline: float, after: int) -> Outcome:
        return wait_until_ready(self._folder, tell, deadline=deadline, after=after, digest=list_digest(self._list_text() or ""))

    def _undo(self, before: str | None, plan: Plan, *, wait: bool) -> Undone:
        if before is None:
            control.stop(self._folder, timeout=self._grace())
            return Undone.STOPPED
        if before == self._list_text():
            return self._write_back(plan)
        status = control.current_status(self._folder)
        write_tree(self._folder.processes.parent, (RenderedFile(LIST, before, 0o600), *plan.refreshes))
        control.reload(self._folder)
        if not wait or status is None:
            return Undone.NOT_RESTORED
        deadline = time.monotonic() + _RESTORE_TIMEOUT
        outcome = self._wait(lambda *_: None, deadline=deadline, after=status.follows)
        return Undone.RESTORED if outcome.result is Result.READY else Undone.NOT_RESTORED

    def _write_back(self, plan: Plan) -> Undone:
        """Files that services read again by themselves, as they were."""
        write_tree(self._folder.processes.parent, plan.refreshes)
        return Undone.NOTHING

    def _stop_all(self, plan: Plan, tell: control.Tell, timeout: float) -> Outcome:
        for step in plan.steps:
            tell(step.service, State.STOPPING)
        for swept in control.stop(self._folder, timeout=min(timeout, self._grace())):
            tell(swept.service, State.STOPPED, f"pid {swept.pid} was left over from an earlier run")
        for step in plan.steps:
            tell(step.service, State.STOPPED)
        return Outcome(Result.STOPPED)

    def _grace(self) -> float:
        """Seconds that a supervisor may need to stop all, one after the other."""
        return sum((spec.stop_grace for spec in self._list().processes), start=5.0)

    def _list(self) -> ProcessList:
        try:
            return list_from_json(self._list_text() or "")
        except ListInvalid:
            return ProcessList()

    def _list_text(self) -> str | None:
        try:
            return self._folder.processes.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None


def _list_file(listed: ProcessList) -> RenderedFile:
    return RenderedFile(LIST, list_to_json(listed), 0o600)  # proxies in an environment may hold a password


def _log_line(service: str, line: str) -> LogLine:
    moment, _, text = line.partition(" ")
    return LogLine(service, moment, text)
