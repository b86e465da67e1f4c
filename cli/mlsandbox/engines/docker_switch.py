"""Moves fronts to other containers: these are started beside the ones that answer, proven, and asked; only then the rest is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlsandbox.engines.base import Action, Move, ObservedFront, Outcome, Plan, Prove, Result, Step, Switched, Undone
from mlsandbox.engines.docker_between import between
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
from mlsandbox.supervise.transition import State

_SETTLE: Final = 1.0
"""As in `docker`: seconds without anything new after which all was made that an ended Compose had asked for."""
_LOOK_SECONDS: Final = 0.2
Write = Callable[[Sequence[RenderedFile]], None]
Remove = Callable[[Sequence[Container]], None]


@dataclass(frozen=True, slots=True)
class Moved:
    """Moves that were made."""

    switched: tuple[Switched, ...]
    files: tuple[RenderedFile, ...]
    """Those of the stack with nothing else changed."""
    confirmed: bool
    """The gateway said that it asks the new ones, and nobody else, after that had been written down."""


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

    def move(self) -> Moved:
        """Have the gateway ask the new ones, write down that it does, and wait until the former ones have answered all that they began.

        Raises:
            SwitchFailed: the gateway cannot do it. Who answered before at that front goes on; the fronts before it stay moved.
        """
        there = {each.service.name: each for each in self.daemon.containers({}, whole=False)}
        record = {**read_record(self.folder), **self._record()}
        made: list[tuple[Move, float, bool]] = []
        try:
            asked = self._gateway(there)
            targets = [(each, *_reached(self.daemon, there, record, each.service)) for each in self.plan.moves]
            slots = [(each, asked.prepare(each.front, each.service, port, addresses)) for each, port, addresses in targets]
            for each, slot in slots:
                began = time.time()
                try:
                    quiet = asked.flip(each.front, slot)
                except BaseException:
                    with suppress(SandboxError):  # it may have been told, all the same
                        former = asked.prepare(each.front, each.former, *_reached(self.daemon, there, record, each.former))
                        asked.flip(each.front, former)
                    raise
                made.append((each, began, quiet))
        except BaseException as error:
            with suppress(SandboxError):
                self._keep(made, there)
            if made and isinstance(error, SandboxError):
                error.details["moved"] = [each.front for each, _, _ in made]
                kept = ", ".join(f"{each.front} to {each.service}" for each, _, _ in made)
                error.why = f"{error.why} Moved before it, and left so: {kept}.".lstrip()
            raise
        files = self._moved([each for each, _, _ in made])
        self.write(files)
        settled = [self._settled(asked, each, there, quiet=quiet) for each, _, quiet in made]
        switched = [
            Switched(each.front, each.service, each.former, began, ended)
            for (each, began, _), (ended, _) in zip(made, settled, strict=True)
        ]
        return Moved(tuple(switched), files, all(confirmed for _, confirmed in settled))

    def _keep(self, made: Sequence[tuple[Move, float, bool]], there: dict[str, Container]) -> None:
        """Leave what was moved so; what was started for other moves is gone again."""
        moves = [each for each, _, _ in made]
        self._forget(settle=0.0, stay={each.service for each in moves}, files=self._moved(moves))
        for each, _, quiet in made:
            self._settled(self._gateway(there), each, there, quiet=quiet)

    def _moved(self, moves: Sequence[Move]) -> tuple[RenderedFile, ...]:
        return between(self.former, self.plan.files, moves) if moves and self.former else tuple(self.former or self.plan.files)

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
        if self.started:
            outcome = start(compose, watch, self.started, replaces=False)
            return watch.wait() if outcome is None else outcome
        answering = {each.service.name for each in self.before if each.service.state is State.READY}
        return Outcome(Result.READY) if self._targets <= answering else watch.wait()

    def _early(self, record: dict[str, Recorded]) -> list[RenderedFile]:
        """What is needed to start them; what others read stays as it is until the fronts are moved."""
        folders = tuple(f"{CONFIG_FOLDER}/{name}/" for name in self.started)
        new = [file for file in self.plan.files if file.path in {COMPOSE_FILE, OVERRIDE} or file.path.startswith(folders)]
        return [*new, record_file({**read_record(self.folder), **record}, read_fronts(self.folder))]

    def _forget(self, *, settle: float, stay: Collection[str] = (), files: Sequence[RenderedFile] = ()) -> None:
        """Remove what was started, until nothing new appears for so many seconds; then the files are as they were.

        Args:
            settle: seconds.
            stay: services that were started and answer now …
            files: … and the files of the stack with them.
        """
        if not self.started and not stay:
            return
        old = {each.id for each in self.before}
        until = time.monotonic() + settle
        while True:
            new = [each for each in self.daemon.containers({}, whole=False) if each.id not in old]
            there = [each for each in new if each.service.name not in stay]
            self.remove(there)
            if there:
                until = time.monotonic() + settle
            if time.monotonic() >= until:
                break
            time.sleep(_LOOK_SECONDS)
        files = files or self.former
        write_tree(self.folder, files)
        prune_tree(self.folder, files)

    def _gateway(self, there: dict[str, Container]) -> Gateway:
        found = there.get(gateway.NAME)
        if found is None or not found.running:
            raise SwitchFailed("the gateway does not run", why="It ended meanwhile.", fix="start it again: sandbox up")
        return Gateway(self.daemon, found)

    def _settled(self, asked: Gateway, move: Move, there: dict[str, Container], *, quiet: bool) -> tuple[float, bool]:
        """When the former had ended what it began, and whether the new one alone was asked then; it answers, whatever can be found out."""
        former = there.get(move.former)
        try:
            slots = asked.settle(move.front, former.stop_seconds if former is not None else 0.0, quiet=quiet)
        except SwitchFailed:
            return time.time(), False
        ended = time.time()
        stay = {each.service for each in self.plan.steps if each.action is not Action.STOP}
        with suppress(SwitchFailed):
            asked.tidy(move.front, move.service, stay, slots)
        return ended, [each.service for each in slots if each.is_asked] == [move.service]


def follow(daemon: Daemon, folder: Path, before: Sequence[Container], *, going: Collection[str] = ()) -> None:
    """Have a gateway that goes on ask who is written down, where that is another one than it asks.

    Args:
        daemon: whom to ask.
        folder: where the rendered files lie.
        before: a gateway that is not among these was made since, and began with what is written down.
        going: services that are removed next.

    Raises:
        SwitchFailed: it cannot be told.
    """
    there = {each.service.name: each for each in daemon.containers({}, whole=False)}
    found, record = there.get(gateway.NAME), read_record(folder)
    if found is None or not found.running or found.id not in {each.id for each in before}:
        return
    asked, stay = Gateway(daemon, found), there.keys() - set(going)
    for front in read_fronts(folder):
        target, known = there.get(front.service), record.get(front.service)
        if target is None or known is None or not target.running:
            continue
        slots = asked.slots(front.name).values()
        if [(each.service, each.port) for each in slots if each.is_asked] != [(front.service, _port(known))]:
            asked.flip(front.name, asked.prepare(front.name, front.service, *_reached(daemon, there, record, front.service)))
            asked.settle(front.name, target.stop_seconds)
            slots = asked.slots(front.name).values()
        asked.tidy(front.name, front.service, stay, slots)


def confirm(daemon: Daemon, folder: Path, there: Sequence[Container], *, going: Collection[str]) -> None:
    """As `follow`, behind moves and before the former services go: a gateway that was started again in between may ask those.

    Raises:
        SwitchFailed: it cannot be told; the moves were made all the same.
    """
    try:
        follow(daemon, folder, there, going=going)
    except SwitchFailed as error:
        what = "the new versions are to answer, and the gateway does not say that they do; those before were left running"
        raise SwitchFailed(what, why=error.why, fix="look at it: sandbox status   then: sandbox up") from error


def asked_now(daemon: Daemon, there: Sequence[Container], fronts: Sequence[ObservedFront]) -> tuple[ObservedFront, ...]:
    """Who is asked, by the gateway's own word; who was written down where it has none, or none of its own.

    Args:
        daemon: whom to ask.
        there: the stack's containers.
        fronts: as they were written down.
    """
    found = next((each for each in there if each.service.name == gateway.NAME and each.running), None)
    if found is None or not fronts:
        return tuple(fronts)
    try:
        asked = Gateway(daemon, found).asked([each.name for each in fronts])
    except SwitchFailed:  # it comes up, or ends
        return tuple(fronts)
    return tuple(each if each.service in asked[each.name] else _with(each, asked[each.name]) for each in fronts)


def _with(front: ObservedFront, asked: Sequence[str]) -> ObservedFront:
    return replace(front, service=asked[0]) if len(asked) == 1 else front


def _reached(daemon: Daemon, there: dict[str, Container], record: dict[str, Recorded], service: str) -> tuple[int, frozenset[str]]:
    """Its own port, and the addresses of its container."""
    found, known = there.get(service), record.get(service)
    if found is None or known is None:
        raise SwitchFailed(f"{service} is not there any more", why="Its container was removed meanwhile.", fix="start it again: sandbox up")
    return _port(known), daemon.addresses(found)


def _port(known: Recorded) -> int:
    return next(iter(known.ports.values()))
