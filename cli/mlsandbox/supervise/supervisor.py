"""Keeps the list of processes running: starts in order, follows changes of the list, stops in reverse, says how things stand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Collection, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from mlsandbox.atomic import write_atomic
from mlsandbox.supervise.backoff import Backoff
from mlsandbox.supervise.child import Identity
from mlsandbox.supervise.fronts import Fronts
from mlsandbox.supervise.graph import GraphInvalid, start_levels
from mlsandbox.supervise.listening import Meeting
from mlsandbox.supervise.logfiles import timestamp
from mlsandbox.supervise.service import Service, Surroundings
from mlsandbox.supervise.spec import Folder, FrontSpec, ListInvalid, ProcessSpec, list_digest, list_from_json
from mlsandbox.supervise.status import SupervisorStatus, status_to_json
from mlsandbox.supervise.transition import RUNNING, State

_LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the project's folder."""
_MEMORY_EVERY: Final = 3
"""Looks between two measurements of memory."""


class Supervisor:
    """One per project, for as long as its stack runs."""

    def __init__(self, folder: Folder, stack_id: str, lock: int) -> None:
        self._folder = folder
        self._lock = lock
        self._meeting = Meeting(folder.front_socket)
        self._fronts = Fronts(_note, self._mark_changed)
        self._moving: asyncio.Future[list[bool | BaseException]] | None = None
        self._identity = Identity(folder.project, stack_id, str(self._meeting.path), open_all_files())
        self._around = Surroundings(self._identity, self._mark_changed, _note, Backoff(), self._fronts.claim, self._fronts.let_go)
        self._services: dict[str, Service] = {}
        self._started = timestamp()
        self._digest = ""
        self._follows = 0
        self._error = ""
        self._stopping = False
        self._write_planned = False
        self._wake = asyncio.Event()
        self._reload = False

    async def run(self, ready: int) -> None:
        """Supervise until SIGTERM, SIGINT or the end of the project's folder.

        Args:
            ready: descriptor of a pipe; one byte is written when the list is being followed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_stop)
        for number in (signal.SIGHUP, signal.SIGUSR1):
            loop.add_signal_handler(number, self._ask_reload)
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        self._fronts.listen(self._meeting.socket)
        await self._follow_list()
        self._write_status()
        with contextlib.suppress(BrokenPipeError):  # whoever started us has been killed meanwhile
            os.write(ready, b"1")
        os.close(ready)
        looking = loop.create_task(self._look())
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            if self._reload and not self._stopping:
                self._reload = False
                await self._follow_list()
        looking.cancel()
        for name in self._services:
            self._fronts.let_go(name)
        await self._stop(self._services)
        self._fronts.close()
        self._meeting.remove()
        self._write_status()

    def _ask_stop(self) -> None:
        _note("asked to stop")
        self._stopping = True
        if self._moving is not None:
            self._moving.cancel()
        self._mark_changed()
        self._wake.set()

    def _ask_reload(self) -> None:
        self._reload = True
        self._wake.set()

    def _reap(self) -> None:
        for service in self._services.values():
            if service.child is not None:
                service.child.reap()

    async def _follow_list(self) -> None:
        """Make what runs equal to processes.json; what has not changed is not touched, unless it is down for good."""
        try:
            text = self._folder.processes.read_text("utf-8")
            listed = list_from_json(text)
            wanted = {spec.name: spec for spec in listed.processes}
            levels = start_levels({name: spec.needs for name, spec in wanted.items()})
        except (OSError, ListInvalid, GraphInvalid) as error:
            self._error = str(error)
            self._follows += 1
            _note(self._error)
            self._mark_changed()
            return
        leaving = {name for name in self._services if name not in wanted}
        going = leaving | {name for name, service in self._services.items() if name in wanted and _must_restart(service, wanted[name])}
        kept = await self._move_fronts(listed.fronts, going)
        for name in leaving:
            self._fronts.let_go(name)
        await self._stop(going)
        for name in [name for name in self._services if name not in wanted]:
            del self._services[name]
        for name, service in self._services.items():
            service.spec = wanted[name]
        # One that pauses binds its sockets when it starts: nobody may have to wait for that.
        running = {name for name, service in self._services.items() if service.status.state is not State.BACKOFF}
        self._error = await self._fronts.follow(listed.fronts, kept, running - going)
        self._start([wanted[name] for level in levels for name in level])
        self._digest = list_digest(text)
        self._follows += 1
        self._mark_changed()

    async def _move_fronts(self, wanted: Sequence[FrontSpec], going: Collection[str]) -> Collection[str]:
        """Let other services answer that are ready, before any is stopped; the fronts that stay where they are although they should not."""
        moving: dict[str, Coroutine[Any, Any, bool]] = {}
        kept = set()
        for spec in self._fronts.asked_of(wanted):
            service, former = self._services.get(spec.service), self._services.get(self._fronts.answering(spec.name))
            if former is None or former.status.state not in RUNNING | {State.BACKOFF}:
                continue  # nobody is there who would go on: `follow` gives it to the other
            if service is not None and service.status.state is State.READY and spec.service not in going:
                moving[spec.name] = self._fronts.move(spec.name, spec.service, grace=former.spec.stop_grace)
            elif former.spec.name not in going:
                why = "is not in the list" if service is None else f"is {service.status.state}"
                self._fronts.keep(spec.name, f"{spec.service} {why}")
                kept.add(spec.name)
        self._moving = asyncio.gather(*moving.values(), return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):  # asked to stop meanwhile
            for name, moved in zip(moving, await self._moving, strict=True):
                if moved is not True and self._fronts.answering(name) not in going:
                    kept.add(name)
                if isinstance(moved, BaseException):
                    self._fronts.keep(name, f"{type(moved).__name__}: {moved}")
        self._moving = None
        return kept

    def _start(self, wanted: list[ProcessSpec]) -> None:
        fresh = [spec for spec in wanted if spec.name not in self._services or self._services[spec.name].status.state is State.STOPPED]
        for spec in fresh:
            self._services[spec.name] = Service(spec, self._around)
        for spec in fresh:
            self._services[spec.name].start(partial(self._needs_met, spec))

    async def _needs_met(self, spec: ProcessSpec) -> None:
        for name, need in spec.needs.items():
            await self._services[name].reached(need)

    async def _stop(self, names: Collection[str]) -> None:
        """Stop these services, those that need others first."""
        needs = {name: [need for need in service.spec.needs if need in self._services] for name, service in self._services.items()}
        for level in reversed(start_levels(needs)):
            await asyncio.gather(*(self._services[name].stop() for name in level if name in names))

    async def _look(self) -> None:
        """From time to time: is the project still there, and how much memory is used?"""
        looks = 0
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if not self._owns_folder():
                _note("the project's folder is gone")
                self._ask_stop()
                return
            looks += 1
            if looks % _MEMORY_EVERY == 1:
                for service in self._services.values():
                    service.check_memory()

    def _owns_folder(self) -> bool:
        try:
            return os.path.samestat(self._folder.lock.stat(), os.fstat(self._lock))
        except OSError:
            return False

    def _mark_changed(self) -> None:
        if not self._write_planned:
            self._write_planned = True
            asyncio.get_running_loop().call_soon(self._write_status)

    def _write_status(self) -> None:
        self._write_planned = False
        self._close_fronts()
        services = tuple(service.status for service in self._services.values())
        status = SupervisorStatus(
            self._identity.stack_id,
            os.getpid(),
            self._started,
            self._digest,
            services,
            self._follows,
            self._stopping,
            self._error,
            self._fronts.statuses,
        )
        with contextlib.suppress(OSError):  # a full disk, or a folder that was deleted: supervising goes on
            write_atomic(self._folder.status, status_to_json(status), durable=False)

    def _close_fronts(self) -> None:
        """Whoever comes is refused, where nobody answers or will by himself."""
        for name, service in self._services.items():
            state = service.status.state
            if state is State.FAILED or (state is State.REFUSED and not self._fronts.has_workers(name)):
                self._fronts.let_go(name)


def open_all_files() -> int:
    """Let this process open as many files as it may: connections of all clients may be on their way here. How many it was before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS has a bound of its own below the hard limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(soft, 0)


def _must_restart(service: Service, wanted: ProcessSpec) -> bool:
    return service.status.digest != wanted.digest() or service.status.state in {State.FAILED, State.REFUSED}


def _note(text: str) -> None:
    """One line in logs/supervisor.log, which is where a detached supervisor's standard error goes."""
    with contextlib.suppress(OSError):
        os.write(2, f"{timestamp()} {text}\n".encode(errors="replace"))
