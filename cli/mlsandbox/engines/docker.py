"""The Docker engine: services are containers, made by `docker compose` from a rendered file and looked at through the engine's API."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import ClassVar, Final

from mlsandbox.engines.asking import ANSWER_SECONDS, Answered, Request
from mlsandbox.engines.base import (
    Action,
    Change,
    Desired,
    Kept,
    LogLine,
    Observed,
    Outcome,
    Plan,
    Prove,
    Report,
    Result,
    Step,
    Undone,
    unproven,
)
from mlsandbox.engines.docker_compose import OVERRIDE, Compose, project_of, renamed
from mlsandbox.engines.docker_daemon import Daemon
from mlsandbox.engines.docker_inside import ask_inside, run_inside
from mlsandbox.engines.docker_logs import container_logs
from mlsandbox.engines.docker_observe import Container, Recorded, observed_of
from mlsandbox.engines.docker_output import KeptOutput
from mlsandbox.engines.docker_record import RECORD, fronts_of, read_fronts, read_record, record_file, record_of
from mlsandbox.engines.docker_start import start
from mlsandbox.engines.docker_strangers import refuse_strangers
from mlsandbox.engines.docker_switch import Moved, Switch, asked_now, confirm, follow
from mlsandbox.engines.docker_wait import Watch
from mlsandbox.engines.planning import Wanted, plan_moves, plan_services
from mlsandbox.errors import CommandFailed, NotRunning, ProgramMissing, SandboxError
from mlsandbox.render.compose import COMPOSE_FILE, container_digests, container_recipes, render_compose
from mlsandbox.render.config import FOLDER as CONFIG_FOLDER
from mlsandbox.render.config import live_files
from mlsandbox.render.containers import ContainerPlaces, render_container_config
from mlsandbox.render.tree import RenderedFile, open_folder, outdated, prune_tree, write_tree
from mlsandbox.secrets import SHARED, ensure_secret
from mlsandbox.state import make_sandbox_folder
from mlsandbox.supervise.control import Tell
from mlsandbox.supervise.transition import State

_RESTORE_TIMEOUT: Final = 120.0
_GRACE: Final = 30.0
"""Seconds that a container of a stack that is undone gets to end by itself, if it was made with more."""
_SETTLE: Final = 1.0
"""What a Compose that was ended in the middle had asked for is made nevertheless: seconds without anything new after which all was."""
_LOOK_SECONDS: Final = 0.2
_MAIN: Final = (COMPOSE_FILE, OVERRIDE, RECORD)
"""What a stack is made from, but for the configuration of its services, which the record names."""
_NO_OVERRIDE: Final = "services: {}\n"


class DockerEngine:
    """Containers, by the user's own Docker."""

    name: ClassVar[str] = "docker"

    def __init__(self, root: Path) -> None:
        """Args: root: the project's folder."""
        self._root = root.resolve()
        self._sandbox = self._root / ".sandbox"
        self._folder = self._sandbox / "stack"
        self._daemon = Daemon(str(self._root))
        self._output = KeptOutput(self._sandbox / "logs", self._daemon)

    def observe(self, *, memory: bool = False) -> Observed:
        record = read_record(self._folder)
        containers = self._daemon.containers(record)
        used = self._daemon.memory(containers) if memory else {}
        known = [replace(each, service=replace(each.service, memory_bytes=used.get(each.id))) for each in containers]
        return observed_of(known, tuple(record), asked_now(self._daemon, containers, read_fronts(self._folder)))

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        spec = desired.spec
        refuse_strangers(self._daemon, spec.project, self._folder)
        override = self._override_text()
        places = ContainerPlaces(
            root=self._root,
            images=desired.images,
            stack_id=observed.stack_id or token_hex(8),
            secrets_group=os.getegid(),
            environ=os.environ,
            proxy=desired.proxy,
            override=override,
            packages=desired.packages,
        )
        config = render_container_config(spec, places)
        record = record_of(spec, container_digests(spec, places, config), container_recipes(spec, places, config))
        steps = plan_services([Wanted(name, each.digest, each.recipe) for name, each in record.items()], observed)
        files = (
            render_compose(spec, places, config),
            RenderedFile(OVERRIDE, override or _NO_OVERRIDE, 0o600),
            record_file(record, fronts_of(spec)),
            *config,
        )
        project = project_of(self._written())
        moves = plan_moves({front.name: front.service for front in spec.fronts}, observed) if project == spec.project else ()
        refreshes = outdated(self._folder, live_files(spec, config))
        return Plan(renamed(steps, project, spec.project), moves, files, (), spec.secret_names, refreshes=refreshes)

    def plan_stop(self, services: Collection[str] | None, observed: Observed) -> Plan:
        there = {service.name for service in observed.services}
        wanted = there if services is None else there & set(services)
        steps = tuple(Step(Action.STOP, each.name, "asked for") for each in observed.services if each.name in wanted)
        return Plan(steps, stops_all=wanted == there)

    def apply(self, plan: Plan, report: Report, *, timeout: float, prove: Prove = unproven) -> Outcome:
        began = time.monotonic()

        def tell(service: str, state: State, reason: str = "") -> None:
            report(Change(service, state, time.monotonic() - began, reason))

        if plan.stops_all or not plan.files:
            return self._stop(plan, tell, timeout)
        before = self._daemon.containers(read_record(self._folder))
        if not plan.changes and not plan.moves and observed_of(before).is_ready:
            return self._keep(plan, before)
        compose = self._compose(plan.files)
        if compose is None:
            raise ValueError("a plan of this engine has a Compose file")
        if plan.changes:
            compose.check()
        if plan.moves:
            return self._switch(plan, compose, before, tell=tell, prove=prove, deadline=began + timeout)
        return self._change(plan, compose, before, tell, began + timeout)

    def service_names(self) -> tuple[str, ...]:
        """Those written down last, or that are there, where nothing was; and those that something was kept of."""
        known = {*read_record(self._folder)} or {each.service.name for each in self._daemon.containers({}, whole=False)}
        return tuple(sorted(known.union(self._output.services())))

    def run_in(self, service: str, args: Sequence[str], text: str) -> Iterator[str]:
        return run_inside(self._running(service).name, args, text)

    def ask(
        self, service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *, timeout: float = ANSWER_SECONDS
    ) -> Answered:
        known = read_record(self._folder).get(service)
        if known is None or not known.ports:
            raise NotRunning(f"{service} is not here", why="No stack with it ran here last.", fix="start it: sandbox up")
        request = Request(method, path, headers, body, timeout)
        return ask_inside(self._running(service).name, service, next(iter(known.ports.values())), request)

    def kept(self) -> tuple[Kept, ...]:
        return self._daemon.kept()

    def remove_kept(self, only: Collection[Kept] | None = None) -> tuple[Kept, ...]:
        there = (each for each in self._daemon.kept() if only is None or each in only)
        return tuple(each for each in there if self._daemon.remove_kept(each))

    def shared(self, *, but_for: Collection[Path] | None = None) -> tuple[Kept, ...]:
        return self._daemon.shared(None if but_for is None else {str(root.resolve()) for root in but_for})

    def remove_shared(self) -> tuple[Kept, ...]:
        return tuple(each for each in self._daemon.shared() if self._daemon.remove_kept(each))

    def logs(self, services: Collection[str], *, lines: int, follow: bool) -> Iterator[LogLine]:
        return container_logs(self._daemon, self._output, services, lines=lines, follow=follow)

    def _running(self, service: str) -> Container:
        for each in self._daemon.containers({}, whole=False):
            if each.service.name == service and each.running:
                return each
        raise NotRunning(f"{service} is not running", fix="start it: sandbox up")

    def _keep(self, plan: Plan, there: Sequence[Container]) -> Outcome:
        """All is as it is to be, but for files that services read again by themselves."""
        self._write(plan, plan.files)
        prune_tree(self._folder, plan.files)
        follow(self._daemon, self._folder, there)
        return Outcome(Result.READY)

    def _change(self, plan: Plan, compose: Compose, before: Sequence[Container], tell: Tell, deadline: float) -> Outcome:
        ran = any(each.service.state is not State.STOPPED for each in before)
        former = self._written()
        replaces = all(step.action is not Action.KEEP for step in plan.steps)  # else Compose replaces what is kept and needs another
        try:
            outcome = self._start(plan, compose, before, tell, deadline, replaces=replaces)
        except BaseException:
            with suppress(SandboxError):  # what made an end of it is what is told
                self._undo(plan, former, ran=ran, wait=False, replaces=replaces)
            raise
        if outcome.result in {Result.CRASHED, Result.REFUSED}:
            return replace(outcome, undone=self._undo(plan, former, ran=ran, wait=True, replaces=replaces))
        if outcome.result is Result.READY:
            follow(self._daemon, self._folder, before)
            prune_tree(self._folder, plan.files)
        elif outcome.result is Result.TIMEOUT:
            with suppress(SandboxError):  # what is late is what is told
                follow(self._daemon, self._folder, before)
        return outcome

    def _switch(self, plan: Plan, compose: Compose, before: Sequence[Container], *, tell: Tell, prove: Prove, deadline: float) -> Outcome:
        def write(files: Sequence[RenderedFile]) -> None:
            self._write(plan, files)

        def remove(containers: Sequence[Container]) -> None:
            self._remove(containers, seconds=_GRACE)

        switch = Switch(self._daemon, self._folder, plan, before, self._written(), write, remove)
        outcome = switch.begin(compose, tell, prove, deadline)
        if outcome.result is not Result.READY:
            return outcome
        moving = time.monotonic()
        moved = switch.move()
        deadline += time.monotonic() - moving  # what the former had begun may take its time
        return replace(self._rest(switch.rest, compose, moved, tell, deadline), switched=moved.switched)

    def _rest(self, plan: Plan, compose: Compose, moved: Moved, tell: Tell, deadline: float) -> Outcome:
        """What is left of a plan whose fronts were moved; it goes back to no less than that."""
        there, outcome = self._daemon.containers(read_record(self._folder)), Outcome(Result.READY)
        if not moved.confirmed:
            confirm(self._daemon, self._folder, there, going={step.service for step in plan.changes if step.action is Action.STOP})
        try:
            if plan.changes:
                outcome = self._start(plan, compose, there, tell, deadline, replaces=False)
            else:
                self._write(plan, plan.files)
        except BaseException:
            with suppress(SandboxError):  # what made an end of it is what is told
                self._undo(plan, moved.files, ran=True, wait=False, replaces=False)
            raise
        if outcome.result in {Result.CRASHED, Result.REFUSED}:
            return replace(outcome, undone=self._undo(plan, moved.files, ran=True, wait=True, replaces=False))
        if outcome.result is Result.READY:
            prune_tree(self._folder, plan.files)
        return outcome

    def _start(
        self, plan: Plan, compose: Compose, before: Sequence[Container], tell: Tell, deadline: float, *, replaces: bool = True
    ) -> Outcome:
        self._write(plan, plan.files)
        self._make_way(plan, before, compose.project, replaces=replaces)
        kept = [step.service for step in plan.steps if step.action is Action.KEEP]
        old = [each.id for each in before]
        watch = Watch(self._daemon, read_record(self._folder), tell, old=old, kept=kept, deadline=deadline)
        if watch.is_late:  # nobody waits
            self._start_at_once(compose, replaces=replaces)
            outcome = watch.look(settled=True)
            return watch.timeout() if outcome is None else outcome
        outcome = start(compose, watch, replaces=replaces)
        for step in plan.steps:
            if step.action is Action.STOP:
                tell(step.service, State.STOPPED)
        if outcome is None:
            return watch.wait()
        if outcome.result is Result.TIMEOUT:
            self._start_at_once(compose, replaces=replaces)  # what Compose was holding back: it comes up as soon as it can
        return outcome

    def _write(self, plan: Plan, files: Sequence[RenderedFile]) -> None:
        make_sandbox_folder(self._sandbox)
        for name in plan.secrets:
            ensure_secret(self._sandbox, name, mode=SHARED)
        write_tree(self._folder, files)
        open_folder(self._folder, CONFIG_FOLDER)

    def _make_way(self, plan: Plan, before: Sequence[Container], project: str, *, replaces: bool) -> None:
        """Remove the containers that Compose would keep, or start as they are, and that must be made anew; all when it replaces none."""
        changed = {step.service for step in plan.changes}
        record = read_record(self._folder)
        renamed = [each for each in before if each.project != project]
        spent = [each for each in before if each.service.name in changed]
        if replaces:  # what runs and is another gives way by itself, and what is to stop belongs to no service any more
            stops = {step.service for step in plan.steps if step.action is Action.STOP}
            spent = [each for each in spent if each.service.name not in stops and (not each.running or _is_of(each, record))]
        going = [*renamed, *(each for each in spent if each not in renamed)]
        self._remove(going)
        self._output.keep(each for each in before if each.service.name in changed and each not in going)
        if renamed:
            self._daemon.remove_networks({each.project for each in renamed})

    def _start_at_once(self, compose: Compose, *, replaces: bool = True) -> None:
        """Start everything without waiting for anything: what cannot work yet is started again by the engine until it can."""
        compose.create(replaces=replaces)
        for each in self._daemon.containers({}, whole=False):
            if not each.running and not (each.once and each.service.state is State.READY):
                self._daemon.start(each)

    def _undo(self, plan: Plan, former: Sequence[RenderedFile], *, ran: bool, wait: bool, replaces: bool = True) -> Undone:
        if not ran:
            self._remove_all(seconds=_GRACE, settle=_SETTLE)
            return Undone.STOPPED
        now = {file.path: file.data for file in plan.files}
        if not former or all(now.get(file.path) == file.data for file in former if file.path in _MAIN):
            return Undone.NOTHING
        write_tree(self._folder, former)
        compose, record = self._compose(former), read_record(self._folder)
        if compose is None:
            return Undone.NOTHING
        there = self._daemon.containers(record, whole=False)
        other = [] if replaces else [each for each in there if not _is_of(each, record)]
        failed = [*other, *(each for each in there if each not in other and (not each.running or each.project != compose.project))]
        self._remove(failed)
        self._output.keep(each for each in there if each not in failed and not _is_of(each, record))
        if not wait:
            self._start_at_once(compose, replaces=replaces)
            return Undone.NOT_RESTORED
        kept = [each.service.name for each in there if _is_of(each, record)]
        old, deadline = [each.id for each in there], time.monotonic() + _RESTORE_TIMEOUT
        watch = Watch(self._daemon, record, lambda *_: None, old=old, kept=kept, deadline=deadline)
        try:
            outcome = start(compose, watch, replaces=replaces) or watch.wait()
        except CommandFailed:
            return Undone.NOT_RESTORED
        return Undone.RESTORED if outcome.result is Result.READY else Undone.NOT_RESTORED

    def _stop(self, plan: Plan, tell: Tell, timeout: float) -> Outcome:
        for step in plan.steps:
            tell(step.service, State.STOPPING)
        if plan.stops_all:
            self._remove_all(seconds=timeout)
        else:
            names = {step.service for step in plan.steps}
            there = self._daemon.containers({}, whole=False)
            self._remove([each for each in there if each.service.name in names], seconds=timeout)
        for step in plan.steps:
            tell(step.service, State.STOPPED)
        return Outcome(Result.STOPPED)

    def _remove_all(self, *, seconds: float, settle: float = 0.0) -> None:
        """Leave no container and no network; Compose knows the order in which to stop them, and the labels find what it does not.

        Args:
            seconds: that each container gets to end by itself at most.
            settle: seconds in which nothing more may appear.
        """
        self._stop_in_order(seconds)
        projects: set[str] = set()
        until = time.monotonic() + settle
        give_up = time.monotonic() + max(seconds, _RESTORE_TIMEOUT)
        while True:
            there = self._daemon.everything(str(self._folder))
            self._remove(there, seconds=seconds)
            projects.update(each.project for each in there)
            if self._daemon.remove_networks(projects) or there:
                until = time.monotonic() + settle
            if time.monotonic() >= min(until, give_up):
                return
            time.sleep(_LOOK_SECONDS)

    def _stop_in_order(self, seconds: float) -> None:
        there = self._daemon.containers({}, whole=False)
        compose = self._compose(self._written())
        if compose is None or not any(each.project == compose.project and each.running for each in there):
            return
        graces = [min(seconds, each.stop_seconds) for each in there]
        short = any(each.stop_seconds > seconds for each in there)
        with suppress(CommandFailed, ProgramMissing):
            compose.stop(seconds if short else None, timeout=sum(graces, _GRACE))

    def _remove(self, containers: Sequence[Container], *, seconds: float | None = None) -> None:
        """Stop and remove containers, all at once, and keep what they wrote."""
        self._daemon.stop(containers, seconds=seconds)
        self._output.keep(containers)
        self._daemon.remove(containers)

    def _compose(self, files: Sequence[RenderedFile]) -> Compose | None:
        """For the Compose file among these; None when there is none."""
        project = project_of(files)
        return None if project is None else Compose(self._folder, project)

    def _written(self) -> tuple[RenderedFile, ...]:
        """The files that the stack was made from last; none when the Compose file is gone."""
        files = []
        for path in (*(self._folder / name for name in _MAIN), *sorted((self._folder / CONFIG_FOLDER).rglob("*"))):
            with suppress(OSError):
                if path.is_file():
                    relative = path.relative_to(self._folder).as_posix()
                    files.append(RenderedFile(relative, path.read_bytes(), path.stat().st_mode & 0o777))
        return tuple(files) if project_of(files) else ()

    def _override_text(self) -> str:
        path = self._root / OVERRIDE
        return path.read_text("utf-8", errors="replace") if path.is_file() else ""


def _is_of(container: Container, record: Mapping[str, Recorded]) -> bool:
    known = record.get(container.service.name)
    return known is not None and known.digest == container.service.digest
