"""Moves fronts to other processes: these are started beside those that answer, proven, and lent the sockets; then the rest changes."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mlsandbox.engines.base import Move, Outcome, Plan, Prove, Result, Switched, Undone
from mlsandbox.engines.process_wait import wait_until_ready
from mlsandbox.errors import SwitchFailed
from mlsandbox.render.config import FOLDER as CONFIG_FOLDER
from mlsandbox.render.tree import RenderedFile, write_over, write_tree
from mlsandbox.supervise import control
from mlsandbox.supervise.spec import Folder, ProcessList, list_digest, list_from_json, list_to_json
from mlsandbox.supervise.status import SupervisorStatus

LIST: Final = "processes.json"
_SPARE_SECONDS: Final = 30.0
"""For the supervisor to follow a list, besides what it waits for."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The moves of one plan, made under the supervisor that runs.

    Args:
        folder: of the supervisor.
        plan: with moves.
        before: text of the list that it follows.
        tell: told each change of a service's state.
    """

    folder: Folder
    plan: Plan
    before: str
    tell: control.Tell

    def begin(self, prove: Prove, *, deadline: float) -> Outcome:
        """Start what is moved to, wait until it is ready, and have it proven; nothing else is touched, and nothing is left of a failure.

        Args:
            prove: asked about each move.
            deadline: of `time.monotonic`.
        """
        try:
            outcome = self._ready(deadline)
            if outcome.result is Result.READY:
                for move in self.plan.moves:
                    prove(move)
        except BaseException as error:
            self.go_back(wait=isinstance(error, Exception))  # an interrupt is an order to be quick
            raise
        if outcome.result is not Result.READY:
            return replace(outcome, undone=Undone.KEPT if self.go_back(wait=True) else Undone.NOT_RESTORED)
        return outcome

    def move(self) -> tuple[Switched, ...]:
        """Move the fronts, one after the other; returns when the former services have answered all that they were asked there.

        An interrupt is raised when the supervisor has done what it was asked to, so that who answers then goes on to; a second one at once.

        Raises:
            SwitchFailed: one could not be moved, and answers as before; those that moved before it stay where they are.
        """
        switched: list[Switched] = []
        for move in self.plan.moves:
            made = [each.front for each in switched]
            after = self._follows()
            try:
                switched.append(self._moved(move, made, after))
            except SwitchFailed as failed:
                failed.details["moved"] = made
                self._leave(made, wait=True)
                raise
            except BaseException:
                status = self._settled(after)
                front = None if status is None else status.front(move.front)
                if status is not None and (front is None or front.service != move.service):
                    self._leave(made, wait=False)
                raise
        return tuple(switched)

    def go_back(self, *, wait: bool) -> bool:
        """Have the list of before followed again; with `wait` returns when it is. Whether the supervisor goes on."""
        if self.folder.processes.read_text("utf-8") == self.before:
            return control.current_status(self.folder) is not None
        try:
            after = self._follow(self.before)
        except OSError:  # a full disk has room in place: the list of before is the shorter one
            write_over(self.folder.processes, self.before)
            control.reload(self.folder)
            return control.current_status(self.folder) is not None
        return not wait or self._followed(after, self._deadline({*self._targets, *self._formers})) is not None

    @property
    def _targets(self) -> frozenset[str]:
        return frozenset(move.service for move in self.plan.moves)

    @property
    def _formers(self) -> frozenset[str]:
        return frozenset(move.former for move in self.plan.moves)

    @property
    def _started(self) -> frozenset[str]:
        """Those that are moved to and do not run yet as they are to be."""
        return frozenset(step.service for step in self.plan.changes if step.service in self._targets)

    def _ready(self, deadline: float) -> Outcome:
        after = self._follows() - 1
        if self._started:
            folders = tuple(f"{CONFIG_FOLDER}/{name}/" for name in self._started)
            theirs = [file for file in self.plan.files if file.path.startswith(folders) or not file.path.startswith(f"{CONFIG_FOLDER}/")]
            # What others read stays as it is until the fronts are moved.
            write_tree(self.folder.processes.parent, [file for file in theirs if file.path != LIST])
            after = self._follow(list_to_json(self._beside()))
        digest = list_digest(self.folder.processes.read_text("utf-8"))
        return wait_until_ready(self.folder, self.tell, deadline=deadline, after=after, digest=digest, only=self._targets)

    def _moved(self, move: Move, made: Sequence[str], after: int) -> Switched:
        """Move one front, after these."""
        self._follow(list_to_json(self._with_moved([*made, move.front])))
        status = self._followed(after, self._deadline(self._formers))
        if status is None:
            raise SwitchFailed(
                f"{move.front} was not moved", why="The supervisor ended, or does not answer.", fix="start it again: sandbox up"
            )
        front = status.front(move.front)
        if front is None or front.service != move.service:
            raise SwitchFailed(
                f"{move.former} still answers at {move.front}: {move.service} could not take its place",
                why=status.error or ("" if front is None else front.error),
                fix=f"look at what it wrote: sandbox logs {move.service}",
                details={"front": move.front, "service": move.service, "former": move.former},
            )
        return Switched(move.front, move.service, move.former, front.began, front.ended)

    def _settled(self, after: int) -> SupervisorStatus | None:
        """Have an interrupted change be followed to its end."""
        control.reload(self.folder)  # the interrupt may have come before that
        return self._followed(after, self._deadline(self._formers))

    def _leave(self, made: Collection[str], *, wait: bool) -> None:
        """Go back, but for fronts that have moved, and who answers there."""
        if not made:
            self.go_back(wait=wait)
            return
        needed = {move.service for move in self.plan.moves if move.front in made}
        moved = self._with_moved(made)
        former = {each.name for each in list_from_json(self.before).processes}
        left = tuple(each for each in moved.processes if each.name in former | needed)
        after = self._follow(list_to_json(replace(moved, processes=left)))
        if wait:
            self._followed(after, self._deadline({*self._targets, *self._formers}))

    def _with_moved(self, fronts: Collection[str]) -> ProcessList:
        """What runs, and what is moved to, with these fronts moved."""
        beside, targets = self._beside(), {move.front: move.service for move in self.plan.moves if move.front in fronts}
        return replace(beside, fronts=tuple(replace(front, service=targets.get(front.name, front.service)) for front in beside.fronts))

    def _beside(self) -> ProcessList:
        """What runs, and what is moved to."""
        former = list_from_json(self.before)
        wanted = list_from_json(next(file.text for file in self.plan.files if file.path == LIST))
        new = {each.name: each for each in wanted.processes if each.name in self._started}
        listed = (*(each for each in former.processes if each.name not in new), *new.values())
        names = {each.name for each in listed}
        return replace(former, processes=tuple(each.without(each.needs.keys() - names) for each in listed))

    def _deadline(self, names: Collection[str]) -> float:
        """Until when these may take to answer what they were asked, or to end."""
        grace = sum(each.stop_grace for each in self._beside().processes if each.name in names)
        return time.monotonic() + grace + _SPARE_SECONDS

    def _follows(self) -> int:
        """How often the supervisor has read a list."""
        status = control.current_status(self.folder)
        return status.follows if status is not None else 0

    def _follow(self, text: str) -> int:
        """Have a list followed; how often one had been read before."""
        after = self._follows()
        write_tree(self.folder.processes.parent, (RenderedFile(LIST, text, 0o600),))
        control.reload(self.folder)
        return after

    def _followed(self, after: int, deadline: float) -> SupervisorStatus | None:
        """The first status after that; None when the supervisor is gone, or nothing came until the deadline."""
        for status in control.watch(self.folder, deadline=deadline):
            if status is None or status.stopping:
                return None
            if status.follows > after:
                return status
        return None
