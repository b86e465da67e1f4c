"""Moves fronts to other containers: these are started beside the ones that answer, proven, and asked; only then the rest is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlsandbox.engines.base import Action, Move, ObservedFront, Outcome, Plan, Prove, Result, Step, Switched, Undone
from mlsandbox.engines.docker_compose import OVERRIDE, Compose
from mlsandbox.engines.docker_daemon import Daemon
from mlsandbox.engines.docker_gateway import Gateway
from mlsandbox.engines.docker_observe import Container, Recorded
from mlsandbox.engines.docker_record import RECORD, read_fronts, read_record, record_file, recorded_in
from mlsandbox.engines.docker_start import start
from mlsandbox.engines.docker_wait import Watch
from mlsandbox.errors import SandboxError, SwitchFailed
from mlsandbox.render.compose import COMPOSE_FILE
from mlsandbox.render.config import FOLDER as CONFIG_FOLDER
from mlsandbox.render.tree import RenderedFile, prune_tree, write_tree
from mlsandbox.stack.components import gateway
from mlsandbox.supervise.control import Tell

_SETTLE: Final = 1.0
"""As in `docker`: seconds without anything new after which all was made that an ended Compose had asked for."""
_LOOK_SECONDS: Final = 0.2
Write = Callable[[Sequence[RenderedFile]], None]
Remove = Callable[[Sequence[Container]], None]


@dataclass(frozen=True, slots=True)
class Switch:
    """The moves of one plan."""

    daemon: Daemon
    folder: Path
    """Where the rendered files lie."""
    plan: Plan
    before: Sequence[Container]
    """The stack's containers."""
    former: Sequence[RenderedFile]
    """What these were made from."""
    write: Write
    """Writes files, and what containers need besides."""
    remove: Remove
    """Stops and removes containers."""

    @property
    def started(self) -> tuple[str, ...]:
        """Services that are moved to and do not run yet as they are to be."""
        return tuple(step.service for step in self.plan.changes if step.service in self._targets)

    @property
    def rest(self) -> Plan:
        """What is left of the plan when the fronts were moved."""
        steps = (Step(Action.KEEP, each.service, "it answers now") if each.service in self._targets else each for each in self.plan.steps)
        return replace(self.plan, steps=tuple(steps), moves=())

    def begin(self, compose: Compose, tell: Tell, prove: Prove, deadline: float) -> Outcome:
        """Start what is moved to, wait until it is ready, and have it proven; nothing else is touched, and nothing is left of a failure.

        Raises:
            SwitchFailed: the gateway cannot be told.
            CommandFailed: a container cannot be made or started.
        """
        try:
            outcome = self._ready(compose, tell, deadline)
            if outcome.result is Result.READY:
                for move in self.plan.moves:
                    prove(move)
        except BaseException:
            with suppress(SandboxError):  # what made an end of it is what is told
                self._forget(settle=_SETTLE)
            raise
        if outcome.result is not Result.READY:
            self._forget(settle=0.0 if outcome.result is Result.CRASHED else _SETTLE)
            return replace(outcome, undone=Undone.KEPT)
        return outcome

    def move(self) -> tuple[Switched, ...]:
        """Have the gateway ask the new ones, write down that it does, and wait until the former ones have answered all that they began.

        Raises:
            SwitchFailed: the gateway cannot do it; who answered before goes on.
        """
        there = {each.service.name: each for each in self.daemon.containers({}, whole=False)}
        record = self._record()
        asked = self._gateway(there)
        made: list[tuple[Move, float]] = []
        try:
            targets = [(each, *_reached(self.daemon, there, record, each.service)) for each in self.plan.moves]
            slots = [(each, asked.prepare(each.front, each.service, port, addresses)) for each, port, addresses in targets]
            for each, slot in slots:
                began = time.time()
                asked.flip(each.front, slot)
                made.append((each, began))
        except BaseException:
            with suppress(SandboxError):
                self._go_back(asked, made, there, record)
                self._forget(settle=0.0)
            raise
        self.write(self.plan.files)
        return tuple(self._settled(asked, each, began, there) for each, began in made)

    @property
    def _targets(self) -> frozenset[str]:
        return frozenset(each.service for each in self.plan.moves)

    def _record(self) -> dict[str, Recorded]:
        return recorded_in(next(file.text for file in self.plan.files if file.path == RECORD))

    def _ready(self, compose: Compose, tell: Tell, deadline: float) -> Outcome:
        record = {name: each for name, each in self._record().items() if name in self._targets}
        if self.started:
            self.write(self._early(record))
            self.remove([each for each in self.before if each.service.name in self.started])  # Compose would start it as it is
        kept = self._targets - set(self.started)
        old = [each.id for each in self.before]
        watch = Watch(self.daemon, record, tell, old=old, kept=kept, deadline=deadline)
        outcome = start(compose, watch, self.started, replaces=False) if self.started else None
        return watch.wait() if outcome is None else outcome

    def _early(self, record: dict[str, Recorded]) -> list[RenderedFile]:
        """What is needed to start them; what others read stays as it is until the fronts are moved."""
        folders = tuple(f"{CONFIG_FOLDER}/{name}/" for name in self.started)
        new = [file for file in self.plan.files if file.path in {COMPOSE_FILE, OVERRIDE} or file.path.startswith(folders)]
        return [*new, record_file({**read_record(self.folder), **record}, read_fronts(self.folder))]

    def _forget(self, *, settle: float) -> None:
        """Remove what was started, until nothing new appears for so many seconds; then the files are as they were."""
        if not self.started:
            return
        old = {each.id for each in self.before}
        until = time.monotonic() + settle
        while True:
            there = [each for each in self.daemon.containers({}, whole=False) if each.id not in old]
            self.remove(there)
            if there:
                until = time.monotonic() + settle
            if time.monotonic() >= until:
                break
            time.sleep(_LOOK_SECONDS)
        write_tree(self.folder, self.former)
        prune_tree(self.folder, self.former)

    def _gateway(self, there: dict[str, Container]) -> Gateway:
        found = there.get(gateway.NAME)
        if found is None or not found.running:
            raise SwitchFailed("the gateway does not run", why="It ended meanwhile.", fix="start it again: sandbox up")
        return Gateway(self.daemon, found)

    def _go_back(
        self, asked: Gateway, made: Sequence[tuple[Move, float]], there: dict[str, Container], record: dict[str, Recorded]
    ) -> None:
        """Of several fronts one could not be moved: those that were are moved back, so that the stack is as it is written down."""
        for each, _ in made:
            known = {**record, **read_record(self.folder)}
            asked.flip(each.front, asked.prepare(each.front, each.former, *_reached(self.daemon, there, known, each.former)))

    def _settled(self, asked: Gateway, move: Move, began: float, there: dict[str, Container]) -> Switched:
        former = there.get(move.former)
        asked.settle(move.front, former.stop_seconds if former is not None else 0.0)
        ended = time.time()
        asked.tidy(move.front, move.service, {each.service for each in self.plan.steps if each.action is not Action.STOP})
        return Switched(move.front, move.service, move.former, began, ended)


def follow(daemon: Daemon, folder: Path, before: Sequence[Container]) -> None:
    """Have a gateway that goes on ask who is written down, where that is another one than it asks.

    Args:
        daemon: whom to ask.
        folder: where the rendered files lie.
        before: a gateway that is not among these was made since, and began with what is written down.

    Raises:
        SwitchFailed: it cannot be told.
    """
    there = {each.service.name: each for each in daemon.containers({}, whole=False)}
    found, record = there.get(gateway.NAME), read_record(folder)
    if found is None or not found.running or found.id not in {each.id for each in before}:
        return
    asked = Gateway(daemon, found)
    for front in read_fronts(folder):
        target, known = there.get(front.service), record.get(front.service)
        if target is None or known is None or not target.running:
            continue
        if not _is_asked(asked, front, known):
            asked.flip(front.name, asked.prepare(front.name, front.service, *_reached(daemon, there, record, front.service)))
            asked.settle(front.name, target.stop_seconds)
        asked.tidy(front.name, front.service, there)


def _is_asked(asked: Gateway, front: ObservedFront, known: Recorded) -> bool:
    """It, and nobody else."""
    slots = [(each.service, each.port) for each in asked.slots(front.name).values() if each.is_asked]
    return slots == [(front.service, _port(known))]


def _reached(daemon: Daemon, there: dict[str, Container], record: dict[str, Recorded], service: str) -> tuple[int, frozenset[str]]:
    """Its own port, and the addresses of its container."""
    found, known = there.get(service), record.get(service)
    if found is None or known is None:
        raise SwitchFailed(f"{service} is not there any more", why="Its container was removed meanwhile.", fix="start it again: sandbox up")
    return _port(known), daemon.addresses(found)


def _port(known: Recorded) -> int:
    return next(iter(known.ports.values()))
