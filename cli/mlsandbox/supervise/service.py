"""The life of one service: start, probe, wait for its end, pause, start again."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlsandbox.supervise.backoff import Backoff
from mlsandbox.supervise.child import Child, Identity
from mlsandbox.supervise.listening import is_taken
from mlsandbox.supervise.logfiles import LogFile
from mlsandbox.supervise.probe import Answer, Verdict, ask
from mlsandbox.supervise.spec import HttpProbe, Need, ProcessSpec
from mlsandbox.supervise.status import ServiceStatus
from mlsandbox.supervise.transition import Event, State

_SILENT_LIMIT = 3
"""Unanswered probes in a row after which a ready service counts as unready: one may be lost under load."""
_LONGEST_WAIT = 1.0
"""Seconds of a pause for which clients may wait at a front."""
_EVENT_OF = {
    Verdict.READY: Event.ANSWERED,
    Verdict.REFUSED: Event.DECLINED,
    Verdict.NOT_READY: Event.UNANSWERED,
    Verdict.FOREIGN: Event.UNANSWERED,
    Verdict.SILENT: Event.UNANSWERED,
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service needs of its supervisor."""

    identity: Identity
    changed: Callable[[], None]
    """Called after each change of a status."""
    note: Callable[[str], None]
    """One line for the supervisor's own log."""
    backoff: Backoff
    claim: Callable[[str], str] = lambda _service: ""
    """Called before each start with the service's name: why it cannot be had where it answers, else nothing."""
    let_go: Callable[[str], None] = lambda _service: None
    """Called with the service's name when it stays down for so long that nobody should wait for it where it answers."""


class Service:
    """One entry of the list, kept running until `stop`."""

    def __init__(self, spec: ProcessSpec, surroundings: Surroundings) -> None:
        self.spec = spec
        self.status = ServiceStatus(spec.name, spec.digest())
        self.child: Child | None = None
        self._around = surroundings
        self._log = LogFile(Path(spec.log_path))
        self._reached = {Need.STARTED: asyncio.Event(), Need.READY: asyncio.Event()}
        self._task: asyncio.Task[None] | None = None
        self._kill_reason = ""
        self._lived_ready = False

    def start(self, needs_met: Callable[[], Awaitable[None]]) -> None:
        """Begin as soon as `needs_met()` returns; comes back at once."""
        self._task = asyncio.get_running_loop().create_task(self._run(needs_met), name=self.spec.name)
        self._task.add_done_callback(self._note_failure)

    async def reached(self, need: Need) -> None:
        """Wait until another service may count on this one."""
        await self._reached[need].wait()

    async def stop(self) -> None:
        """End it and all that came of it; returns when nothing is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._advance(Event.STOP)
        if self.child is not None:
            await self.child.end(self.spec.stop_grace)
            self._advance(Event.GONE, pid=None, exit_code=self.child.exited.result(), memory_bytes=None, reason="")
            self.child = None
        self._log.close()

    def check_memory(self) -> None:
        """Note how much it uses, and end it when that is past its cap (it is restarted then)."""
        if self.child is None or self.status.state is State.STOPPING:
            return
        used = self.child.resident_bytes() >> 20 << 20
        if used != self.status.memory_bytes:
            self._set(replace(self.status, memory_bytes=used))
        cap = self.spec.memory_bytes
        if cap is not None and used > cap:
            self._kill_reason = f"used {used >> 20} MB of memory, the cap is {cap >> 20} MB"
            self._around.note(f"{self.spec.name}: {self._kill_reason}")
            self.child.kill()

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._around.note("".join(traceback.format_exception(error)))

    async def _run(self, needs_met: Callable[[], Awaitable[None]]) -> None:
        await needs_met()
        crashes = 0
        while True:
            began = time.monotonic()
            code, reason = await self._live()
            crashes = self._around.backoff.count(crashes, lived=time.monotonic() - began, was_ready=self._lived_ready)
            pause = self._around.backoff.pause(crashes)
            self._advance(Event.EXITED, pid=None, exit_code=code, reason=reason, memory_bytes=None, probe=None)
            self._around.note(f"{self.spec.name}: {reason}; " + ("gave up" if pause is None else f"again in {pause:g} s"))
            self._reached[Need.STARTED].set()  # it had its chance: what only needs it started goes on
            if pause is None:
                self._advance(Event.GAVE_UP, reason=f"{reason}; gave up after {crashes} ends in quick succession")
                return
            if pause > _LONGEST_WAIT:
                self._around.let_go(self.spec.name)
            await asyncio.sleep(pause)
            self._set(replace(self.status, restarts=self.status.restarts + 1))

    async def _live(self) -> tuple[int | None, str]:
        """One life of the process: its exit code (None when it could not be started) and why it ended."""
        self._kill_reason = ""
        self._lived_ready = False
        taken = [f"port {port} ({name})" for name, port in self.spec.ports.items() if is_taken(port)]
        if taken:
            return None, f"{' and '.join(taken)} is taken by another process"
        unclaimed = self._around.claim(self.spec.name)
        if unclaimed:
            return None, unclaimed
        try:
            self.child = Child(self.spec, self._around.identity, self._log)
        except OSError as error:
            return None, f"could not be started: {error}"
        self._around.note(f"{self.spec.name}: started, pid {self.child.pid}")
        self._advance(Event.SPAWNED, pid=self.child.pid, reason="")
        self._reached[Need.STARTED].set()
        probing = asyncio.get_running_loop().create_task(self._probe(self.spec.readiness))
        try:
            code = await asyncio.shield(self.child.exited)
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
        await self.child.clear()
        self.child = None
        return code, self._kill_reason or _ending(code)

    async def _probe(self, probe: HttpProbe | None) -> None:
        if probe is None:
            self._heard(Answer(Verdict.READY, ""))
            return
        silent = 0
        while True:
            answer = await ask(probe, self._around.identity.stack_id)
            silent = silent + 1 if answer.verdict is Verdict.SILENT else 0
            if silent == 0 or silent >= _SILENT_LIMIT or self.status.state is not State.READY:
                self._heard(answer)
            await asyncio.sleep(probe.period * (10 if self.status.state is State.READY else 1))

    def _heard(self, answer: Answer) -> None:
        body = answer.body if answer.body is not None else self.status.probe
        self._advance(_EVENT_OF[answer.verdict], reason=answer.reason, probe=body)
        if self.status.state is State.READY:
            self._lived_ready = True
            self._reached[Need.READY].set()
        else:
            self._reached[Need.READY].clear()

    def _advance(self, event: Event, **facts: Any) -> None:
        self._set(self.status.after(event, **facts))

    def _set(self, status: ServiceStatus) -> None:
        if status != self.status:
            self.status = status
            self._around.changed()


def _ending(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"ended by signal {-code}"
