"""Fronts: listening sockets that stay while the processes that answer there change.

The supervisor binds the socket of each front and lends it to the workers of the process that is to answer (`contract.Handover`). A front
moves without a moment in which nobody accepts, and open connections go along: see docs/adr/0023-fronts.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mlsandbox.supervise.listening import Taken, bound
from mlsandbox.supervise.spec import FrontSpec
from mlsandbox.supervise.status import FrontStatus
from mlsandbox_serving.contract import Handover
from mlsandbox_serving.handover import Channel

_SERVING_SECONDS: Final = 5.0
"""For a worker to accept from a socket that it was lent."""
_AGAIN_SECONDS: Final = 0.01
"""Until what had no room is sent again."""


@dataclass(eq=False, slots=True)
class _Worker:
    """A process that may answer for a front."""

    front: str = ""
    service: str = ""
    pid: int = 0
    channel: Channel | None = None
    serving: bool = False
    """It was told to, and not to stop since."""
    asked: str = ""
    """The word that it is to say next."""
    said: asyncio.Future[bool] | None = None

    def end(self, *, well: bool) -> None:
        if self.said is not None and not self.said.done():
            self.said.set_result(well)


@dataclass(eq=False, slots=True)
class _Front:
    """One front, and who answers there."""

    spec: FrontSpec
    status: FrontStatus
    socket: socket.socket | None = None
    """None while nobody is there who would answer, or will be soon: who comes then is refused."""
    connections: deque[int] = field(default_factory=deque)
    """On their way from one worker to another."""

    @property
    def service(self) -> str:
        return self.status.service

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        while self.connections:
            os.close(self.connections.popleft())

    def open(self) -> None:
        """Raises: Taken."""
        if self.socket is None:
            self.socket = bound(self.spec)


class Fronts:
    """All fronts of one supervisor, in its event loop's thread.

    Args:
        note: one line for the supervisor's log.
        changed: called when a status has changed.
    """

    def __init__(self, note: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._note = note
        self._changed = changed
        self._fronts: dict[str, _Front] = {}
        self._workers: list[_Worker] = []
        self._turn = 0
        self._listening: socket.socket | None = None

    @property
    def statuses(self) -> tuple[FrontStatus, ...]:
        """As they stand."""
        return tuple(front.status for front in self._fronts.values())

    def listen(self, listening: socket.socket) -> None:
        """Hear workers at this Unix socket, which is closed at the end."""
        self._listening = listening
        asyncio.get_running_loop().add_reader(listening, self._welcome)

    def close(self) -> None:
        """Nobody is heard any more, and who comes to a front is refused."""
        for front in self._fronts.values():
            front.close()
        for worker in self._workers:
            if worker.channel is not None:
                worker.channel.close()
            worker.end(well=False)
        self._workers.clear()
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()

    def claim(self, service: str) -> str:
        """Called before each start of a process: bind the sockets that it answers at; why one cannot be had, else nothing."""
        reasons = []
        for front in self._of(service):
            try:
                front.open()
            except Taken as taken:
                reasons.append(str(taken))
        return " and ".join(reasons)

    def let_go(self, service: str) -> None:
        """The process goes, or does not come back by itself: who comes where it answered is refused at once."""
        for front in self._of(service):
            front.close()

    def has_workers(self, service: str) -> bool:
        """Whether one of the process's workers is there."""
        return any(worker.service == service for worker in self._workers)

    def asked_of(self, wanted: Sequence[FrontSpec]) -> tuple[FrontSpec, ...]:
        """Those of `wanted` that somebody else answers for now."""
        return tuple(spec for spec in wanted if spec.name in self._fronts and self._fronts[spec.name].service != spec.service)

    def answering(self, name: str) -> str:
        """Who answers for a front."""
        return self._fronts[name].service

    def keep(self, name: str, why: str) -> None:
        """Leave a front with who answers for it."""
        self._set(self._fronts[name], error=why)
        self._note(f"front {name} stays with {self._fronts[name].service}: {why}")

    def follow(self, wanted: Sequence[FrontSpec], kept: Collection[str], running: Collection[str]) -> str:
        """Make the fronts those that are wanted.

        Args:
            wanted: all of them.
            kept: names of fronts that stay with who answers for them.
            running: processes that are not started anew: their sockets must be there.

        Returns:
            Why one of these cannot be had, else nothing.
        """
        for name in self._fronts.keys() - {spec.name for spec in wanted}:
            front = self._fronts.pop(name)
            front.close()
            for worker in self._workers:
                if worker.front == name and worker.serving:
                    self._tell(worker, front, Handover.YIELD)
        reasons = [self._follow(spec, kept=spec.name in kept, running=running) for spec in wanted]
        self._changed()
        return " and ".join(reason for reason in reasons if reason)

    async def move(self, name: str, service: str, *, grace: float) -> bool:
        """Have the workers of `service`, which is ready, answer for a front; whether they do.

        Args:
            name: of the front.
            service: that is to answer.
            grace: seconds for the former workers to hand their connections on; what is left then stays with them until it ends.
        """
        front = self._fronts[name]
        try:
            front.open()
        except Taken as taken:
            self.keep(name, str(taken))
            return False
        former, began = front.service, time.time()
        taking = [worker for worker in self._workers if (worker.front, worker.service) == (name, service)]
        answers = await asyncio.gather(*(self._ask(worker, front, Handover.SERVE, _SERVING_SECONDS) for worker in taking))
        deaf = [worker for worker, serves in zip(taking, answers, strict=True) if not serves and worker in self._workers]
        if deaf or not any(answers):
            why = f"its worker {deaf[0].pid} does not accept connections" if deaf else f"no worker of {service} came for the front"
            for worker in taking:
                self._tell(worker, front, Handover.YIELD)
            self.keep(name, f"{service} did not take over: {why}")
            return False
        self._set(front, service=service, former=former, error="")
        left = []
        for worker in self._workers:
            if worker.front == name and worker.service == service and worker not in taking:
                self._tell(worker, front, Handover.SERVE)  # it came meanwhile
            elif worker.front == name and worker.service != service and worker.serving:
                left.append(worker)
        await asyncio.gather(*(self._ask(worker, front, Handover.YIELD, grace) for worker in left))
        self._set(front, began=began, ended=time.time(), moves=front.status.moves + 1)
        self._note(f"front {name} moved from {former} to {service} within {front.status.ended - began:.3f} s")
        return True

    def _follow(self, spec: FrontSpec, *, kept: bool, running: Collection[str]) -> str:
        front = self._fronts.get(spec.name)
        if front is None:
            now = time.time()
            front = self._fronts[spec.name] = _Front(spec, FrontStatus(spec.name, spec.port, spec.service, began=now, ended=now))
        elif front.service != spec.service and not kept:
            now = time.time()
            self._set(front, service=spec.service, former=front.service, began=now, ended=now, moves=front.status.moves + 1, error="")
        elif not kept:
            self._set(front, error="")
        moved = (front.spec.host, front.spec.port) != (spec.host, spec.port)
        former, front.spec = front.spec, spec
        self._set(front, port=spec.port)
        try:
            if moved and front.socket is not None:
                fresh = bound(spec)
                front.socket.close()
                front.socket = fresh
            elif front.service in running:
                front.open()
        except Taken as taken:
            front.spec = former
            self._set(front, port=former.port)
            return str(taken)
        for worker in self._workers:
            if worker.front == spec.name and worker.service == front.service and (moved or not worker.serving):
                self._tell(worker, front, Handover.SERVE)
        return ""

    def _of(self, service: str) -> list[_Front]:
        return [front for front in self._fronts.values() if front.service == service]

    def _set(self, front: _Front, **facts: Any) -> None:
        front.status = replace(front.status, **facts)
        self._changed()

    def _welcome(self) -> None:
        assert self._listening is not None  # noqa: S101 - it is heard at
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        worker = _Worker()
        worker.channel = Channel(
            connection, lambda message, descriptor: self._heard(worker, message, descriptor), lambda: self._lost(worker)
        )
        self._workers.append(worker)

    def _heard(self, worker: _Worker, message: Mapping[str, Any], descriptor: int | None) -> None:
        word = message[Handover.DO]
        if word == Handover.HELLO:
            worker.front, worker.service = str(message.get("front")), str(message.get("service"))
            worker.pid = message["pid"] if isinstance(message.get("pid"), int) else 0
            front = self._fronts.get(worker.front)
            if front is not None and front.service == worker.service:
                with contextlib.suppress(Taken):
                    front.open()
                self._tell(worker, front, Handover.SERVE)
        elif word == worker.asked:
            worker.end(well=True)
        elif word == Handover.CONNECTION and descriptor is not None and worker.front in self._fronts:
            front = self._fronts[worker.front]
            front.connections.append(descriptor)
            self._pass_on(front)
        elif descriptor is not None:
            os.close(descriptor)

    def _lost(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.end(well=False)

    async def _ask(self, worker: _Worker, front: _Front, word: str, seconds: float) -> bool:
        """Tell it, and wait for what it has to say to that; whether it did in time."""
        worker.said = asyncio.get_running_loop().create_future()
        worker.asked = Handover.SERVING if word == Handover.SERVE else Handover.YIELDED
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                self._tell(worker, front, word)
                return await worker.said
        return False

    def _tell(self, worker: _Worker, front: _Front, word: str) -> None:
        """Send it, as soon as there is room for it."""
        if worker not in self._workers or worker.channel is None:
            worker.end(well=False)
            return
        serves = word == Handover.SERVE
        worker.serving = serves
        if not serves:
            worker.channel.send({Handover.DO: word})
        elif front.socket is not None and not worker.channel.send({Handover.DO: word}, front.socket.fileno()):
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._tell_again, worker, front)
        if serves and front.connections:
            self._pass_on(front)

    def _tell_again(self, worker: _Worker, front: _Front) -> None:
        if worker.serving:
            self._tell(worker, front, Handover.SERVE)

    def _pass_on(self, front: _Front) -> None:
        """Give the connections that are on their way to those who answer, in turn; what finds no room waits."""
        while front.connections:
            workers = [worker for worker in self._workers if (worker.front, worker.service) == (front.spec.name, front.service)]
            for _ in workers:
                self._turn += 1
                channel = workers[self._turn % len(workers)].channel
                if channel is not None and channel.send({Handover.DO: Handover.CONNECTION}, front.connections[0]):
                    os.close(front.connections.popleft())
                    break
            else:
                if workers:  # else whoever comes next gets them
                    asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._pass_on, front)
                return
