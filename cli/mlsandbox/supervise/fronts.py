"""Fronts: listening sockets that stay while the processes that answer there change.

The supervisor binds the socket of each front and lends it to the workers of the process that is to answer (`contract.Handover`). A front
moves without a moment in which nobody accepts, and open connections go along: see docs/adr/0023-fronts.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from mlsandbox.supervise.lending import Front, Worker, rebind
from mlsandbox.supervise.listening import Taken
from mlsandbox.supervise.spec import FrontSpec
from mlsandbox.supervise.status import FrontStatus
from mlsandbox_serving.contract import Handover
from mlsandbox_serving.handover import Channel

_SERVING_SECONDS: Final = 5.0
"""For a worker to accept from a socket that it was lent, or to say that it hears."""
_CUT_SECONDS: Final = 5.0
"""For a worker whose time is up to end what it has left."""
_MOST_WAITING: Final = 100
"""Connections on their way, for each of which a descriptor is open here; then no more are read."""
_ANSWER_TO: Final[Mapping[str, str]] = {
    Handover.SERVE: Handover.SERVING,
    Handover.HOLD: Handover.HELD,
    Handover.YIELD: Handover.YIELDED,
    Handover.CUT: Handover.YIELDED,
}
_AGAIN_SECONDS: Final = 0.01
"""Until what had no room is sent again."""


class Fronts:
    """All fronts of one supervisor, in its event loop's thread.

    Args:
        note: one line for the supervisor's log.
        changed: called when a status has changed.
    """

    def __init__(self, note: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._note = note
        self._changed = changed
        self._fronts: dict[str, Front] = {}
        self._workers: list[Worker] = []
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
            self._pass_on(front)  # nothing is on its way any more: who was not heard for that is heard again

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

    async def follow(self, wanted: Sequence[FrontSpec], kept: Collection[str], running: Collection[str]) -> str:
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
        for spec in wanted:
            self._name(spec, kept=spec.name in kept)
        reasons = [await self._bind_anew(wanted), *(self._open(self._fronts[spec.name], running) for spec in wanted)]
        self._changed()
        return " and ".join(reason for reason in reasons if reason)

    async def move(self, name: str, service: str, *, grace: float) -> bool:
        """Have the workers of `service`, which is ready, answer for a front; whether they do.

        Args:
            name: of the front.
            service: that is to answer.
            grace: seconds for the former workers to hand their connections on; what is left then is cut off.
        """
        front = self._fronts[name]
        try:
            front.open()
        except Taken as taken:
            self.keep(name, str(taken))
            return False
        former = front.service
        taking = [worker for worker in self._workers if (worker.front, worker.service) == (name, service)]
        # All have to hear before one is lent the socket: from then on it may answer, and a move that is withdrawn was none.
        deaf = await self._deaf(taking, front, Handover.HOLD)
        serving = [] if deaf else taking
        if serving:
            began = time.time()
            deaf = await self._deaf(taking, front, Handover.SERVE)
            serving = [worker for worker in taking if worker not in deaf and worker in self._workers]
            for worker in deaf:
                await self._cut(worker, front)
        if not serving:
            why = f"its worker {deaf[0].pid} does not accept connections" if deaf else f"no worker of {service} came for the front"
            self.keep(name, f"{service} did not take over: {why}")
            return False
        self._set(front, service=service, former=former, error="")
        left = []
        for worker in self._workers:
            if worker.front == name and worker.service == service and worker not in taking:
                self._tell(worker, front, Handover.SERVE)  # it came meanwhile
            elif worker.front == name and worker.service != service and worker.serving:
                left.append(worker)
        await asyncio.gather(*(self._end(worker, front, grace) for worker in left))
        self._set(front, began=began, ended=time.time(), moves=front.status.moves + 1)
        self._note(f"front {name} moved from {former} to {service} within {front.status.ended - began:.3f} s")
        return True

    def _name(self, spec: FrontSpec, *, kept: bool) -> None:
        """Have the service that is wanted answer for a front, where nobody has to hand anything over."""
        front = self._fronts.get(spec.name)
        now = time.time()
        if front is None:
            self._fronts[spec.name] = Front(spec, FrontStatus(spec.name, spec.port, spec.service, began=now, ended=now))
        elif front.service != spec.service and not kept:
            moves = front.status.moves + 1
            self._set(front, service=spec.service, former=front.service, began=now, ended=now, moves=moves, error="")
        elif not kept:
            self._set(front, error="")

    async def _bind_anew(self, wanted: Sequence[FrontSpec]) -> str:
        """Give fronts the addresses that are wanted, or leave all where they are and say why."""
        changed = {self._fronts[spec.name]: spec for spec in wanted if self._fronts[spec.name].address != (spec.host, spec.port)}
        held = {front.spec.port for front in self._fronts.values() if front.socket is not None}
        open_ones = [front for front in changed if front.socket is not None]
        clash = any(changed[front].port in held for front in open_ones)
        if clash:  # with ourselves: what was lent must go first
            lent = [(worker, front) for front in open_ones for worker in self._workers if worker.front == front.spec.name]
            await asyncio.gather(*(self._ask(worker, front, Handover.HOLD, _SERVING_SECONDS) for worker, front in lent))
        why = rebind(changed, clash=clash)
        for front in changed:
            self._set(front, port=front.spec.port)
        for worker in self._workers:
            if any(worker.front == front.spec.name for front in open_ones):
                worker.serving = False  # not from the socket that is there now
        return why

    def _open(self, front: Front, running: Collection[str]) -> str:
        """Let the workers of a service that runs answer; why they cannot."""
        if front.service in running:
            try:
                front.open()
            except Taken as taken:
                return str(taken)
        for worker in self._workers:
            if worker.front == front.spec.name and worker.service == front.service and not worker.serving:
                self._tell(worker, front, Handover.SERVE)
        return ""

    def _of(self, service: str) -> list[Front]:
        return [front for front in self._fronts.values() if front.service == service]

    def _set(self, front: Front, **facts: Any) -> None:
        front.status = replace(front.status, **facts)
        self._changed()

    def _welcome(self) -> None:
        assert self._listening is not None  # noqa: S101 - it is heard at
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        worker = Worker()
        worker.channel = Channel(
            connection, lambda message, descriptor: self._heard(worker, message, descriptor), lambda: self._lost(worker)
        )
        self._workers.append(worker)

    def _heard(self, worker: Worker, message: Mapping[str, Any], descriptor: int | None) -> None:
        word = message[Handover.DO]
        if word == Handover.HELLO:
            worker.front, worker.service = str(message.get("front")), str(message.get("service"))
            worker.pid = message["pid"] if isinstance(message.get("pid"), int) else 0
            self._note(f"front {worker.front}: {worker.service}, pid {worker.pid}, has come for it")
            front = self._fronts.get(worker.front)
            if front is not None and front.service == worker.service:
                with contextlib.suppress(Taken):
                    front.open()
                self._tell(worker, front, Handover.SERVE)
            elif front is not None:  # it may have been heard before, and have served
                self._tell(worker, front, Handover.YIELD)
        elif word == worker.asked:
            worker.end(well=True)
        elif word == Handover.CONNECTION and descriptor is not None and worker.front in self._fronts:
            front = self._fronts[worker.front]
            front.connections.append(descriptor)
            self._pass_on(front)
        elif descriptor is not None:
            os.close(descriptor)
        elif word == Handover.CONNECTION:
            self._note(f"front {worker.front}: a connection of {worker.service} was lost: no more files can be opened here")

    def _lost(self, worker: Worker) -> None:
        self._workers.remove(worker)
        worker.end(well=False)

    async def _ask(self, worker: Worker, front: Front, word: str, seconds: float) -> bool:
        """Tell it, and wait for what it has to say to that; whether it did in time."""
        worker.said = asyncio.get_running_loop().create_future()
        worker.asked = _ANSWER_TO[word]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                self._tell(worker, front, word)
                return await worker.said
        return False

    async def _deaf(self, workers: Sequence[Worker], front: Front, word: str) -> list[Worker]:
        """Tell all of them; those that are there and say nothing to it in time."""
        answers = await asyncio.gather(*(self._ask(worker, front, word, _SERVING_SECONDS) for worker in workers))
        return [worker for worker, well in zip(workers, answers, strict=True) if not well and worker in self._workers]

    async def _end(self, worker: Worker, front: Front, grace: float) -> None:
        """Have a former worker hand on what it has; when its time is up nothing is left with it."""
        if not await self._ask(worker, front, Handover.YIELD, grace) and worker in self._workers:
            self._note(f"front {front.spec.name}: the time of {worker.service}, pid {worker.pid}, is up: what it has left is cut off")
            await self._cut(worker, front)

    async def _cut(self, worker: Worker, front: Front) -> None:
        """Nothing that this worker does is an answer at the front from here on."""
        if worker.channel is not None:
            worker.channel.resume()  # what it has to say waits behind connections
        if not await self._ask(worker, front, Handover.CUT, _CUT_SECONDS) and worker in self._workers and worker.pid > 1:
            self._note(f"front {front.spec.name}: {worker.service}, pid {worker.pid}, does not hear: it is killed")
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(worker.pid, signal.SIGKILL)

    def _tell(self, worker: Worker, front: Front, word: str) -> None:
        """Send it, as soon as there is room for it."""
        if worker not in self._workers or worker.channel is None:
            worker.end(well=False)
            return
        worker.serving = word == Handover.SERVE and front.socket is not None
        if word != Handover.SERVE:
            worker.channel.send({Handover.DO: word})
        elif front.socket is None:
            worker.end(well=False)
        elif not worker.channel.send({Handover.DO: word}, front.socket.fileno()):
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._tell_again, worker, front)
        if worker.serving and front.connections:
            self._pass_on(front)

    def _tell_again(self, worker: Worker, front: Front) -> None:
        if worker.serving:
            self._tell(worker, front, Handover.SERVE)

    def _pass_on(self, front: Front) -> None:
        """Give the connections that are on their way to those who answer, in turn; what finds no room waits."""
        answering = (front.spec.name, front.service)
        workers = [worker for worker in self._workers if (worker.front, worker.service) == answering and worker.serving]
        while front.connections and any(self._gave(worker, front) for worker in self._in_turn(workers)):
            os.close(front.connections.popleft())
        if front.connections and workers and front.again is None:  # else whoever comes next gets them
            front.again = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._pass_on_again, front)
        for worker in self._workers:
            if worker.front == front.spec.name and worker.channel is not None:
                if len(front.connections) < _MOST_WAITING:
                    worker.channel.resume()
                elif worker.service != front.service:
                    worker.channel.pause()

    def _pass_on_again(self, front: Front) -> None:
        front.again = None
        self._pass_on(front)

    def _in_turn(self, workers: Sequence[Worker]) -> Sequence[Worker]:
        self._turn += 1
        first = self._turn % max(len(workers), 1)
        return (*workers[first:], *workers[:first])

    @staticmethod
    def _gave(worker: Worker, front: Front) -> bool:
        return worker.channel is not None and worker.channel.send({Handover.DO: Handover.CONNECTION}, front.connections[0])
