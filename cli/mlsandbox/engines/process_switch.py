"""Moves fronts to other processes: these are started beside those that answer, proven, and lent the sockets; then the rest changes."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from mlsandbox.engines.base import Outcome, Plan, Prove, Result, Switched, Undone
from mlsandbox.engines.process_wait import wait_until_ready
from mlsandbox.errors import SwitchFailed
from mlsandbox.render.config import FOLDER as CONFIG_FOLDER
from mlsandbox.render.tree import RenderedFile, write_tree
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
        """Move the fronts; returns when the former services have answered all that they were asked there.

        Raises:
            SwitchFailed: one could not be moved; all is as it was before.
        """
        try:
            return self._moved()
        except BaseException as error:
            self.go_back(wait=isinstance(error, Exception))
            raise

    def go_back(self, *, wait: bool) -> bool:
        """Have the list of before followed again; with `wait` returns when it is. Whether the supervisor goes on."""
        if self.folder.processes.read_text("utf-8") == self.before:
            return control.current_status(self.folder) is not None
        after = self._follow(self.before)
        grace = self._grace({*self._targets, *self._formers}) + _SPARE_SECONDS
        return not wait or self._followed(after, time.monotonic() + grace) is not None

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
        status = control.current_status(self.folder)
        after = status.follows - 1 if status is not None else 0
        if self._started:
            folders = tuple(f"{CONFIG_FOLDER}/{name}/" for name in self._started)
            theirs = [file for file in self.plan.files if file.path.startswith(folders) or not file.path.startswith(f"{CONFIG_FOLDER}/")]
            # What others read stays as it is until the fronts are moved.
            write_tree(self.folder.processes.parent, [file for file in theirs if file.path != LIST])
            after = self._follow(list_to_json(self._beside()))
        digest = list_digest(self.folder.processes.read_text("utf-8"))
        return wait_until_ready(self.folder, self.tell, deadline=deadline, after=after, digest=digest, only=self._targets)

    def _moved(self) -> tuple[Switched, ...]:
        beside, targets = self._beside(), {move.front: move.service for move in self.plan.moves}
        fronts = tuple(replace(front, service=targets.get(front.name, front.service)) for front in beside.fronts)
        after = self._follow(list_to_json(replace(beside, fronts=fronts)))
        status = self._followed(after, time.monotonic() + self._grace(self._formers) + _SPARE_SECONDS)
        if status is None:
            raise SwitchFailed("no front was moved", why="The supervisor ended, or does not answer.", fix="start it again: sandbox up")
        switched = []
        for move in self.plan.moves:
            front = status.front(move.front)
            if front is None or front.service != move.service:
                raise SwitchFailed(
                    f"{move.former} still answers at {move.front}: {move.service} could not take its place",
                    why=status.error or ("" if front is None else front.error),
                    fix=f"look at what it wrote: sandbox logs {move.service}",
                    details={"front": move.front, "service": move.service, "former": move.former},
                )
            switched.append(Switched(move.front, move.service, move.former, front.began, front.ended))
        return tuple(switched)

    def _beside(self) -> ProcessList:
        """What runs, and what is moved to."""
        former = list_from_json(self.before)
        wanted = list_from_json(next(file.text for file in self.plan.files if file.path == LIST))
        new = {each.name: each for each in wanted.processes if each.name in self._started}
        listed = (*(each for each in former.processes if each.name not in new), *new.values())
        names = {each.name for each in listed}
        return replace(former, processes=tuple(each.without(each.needs.keys() - names) for each in listed))

    def _grace(self, names: Collection[str]) -> float:
        """Seconds that these may take to answer what they were asked, or to end."""
        return sum(each.stop_grace for each in self._beside().processes if each.name in names)

    def _follow(self, text: str) -> int:
        """Have a list followed; how often one had been read before."""
        status = control.current_status(self.folder)
        write_tree(self.folder.processes.parent, (RenderedFile(LIST, text, 0o600),))
        control.reload(self.folder)
        return status.follows if status is not None else 0

    def _followed(self, after: int, deadline: float) -> SupervisorStatus | None:
        """The first status after that; None when the supervisor is gone, or nothing came until the deadline."""
        for status in control.watch(self.folder, deadline=deadline):
            if status is None or status.stopping:
                return None
            if status.follows > after:
                return status
        return None
