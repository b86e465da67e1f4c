"""One running process: spawned in a session of its own under the guard, its output captured, ended with all that came of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from mlsandbox.supervise.guard import guard_argv
from mlsandbox.supervise.logfiles import LineSplitter, LogFile
from mlsandbox.supervise.spec import ProcessSpec
from mlsandbox.supervise.sweep import is_alive, members
from mlsandbox_serving.contract import Env

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """The marks of one supervisor's processes."""

    project: str
    stack_id: str
    front_socket: str = ""
    """Where processes ask for the sockets of fronts."""
    files: int = 0
    """How many a process may open; 0: as many as the supervisor."""

    def marks(self, service: str, parent: int) -> dict[str, str]:
        """Environment variables by which a process of `service` is found again."""
        marks = {Env.PROJECT_DIR: self.project, Env.STACK_ID: self.stack_id, Env.SERVICE: service, Env.PARENT_PID: str(parent)}
        return {**marks, Env.FRONT_SOCKET: self.front_socket} if self.front_socket else marks


class Child:
    """A process that runs. Make, signal and wait for it in the event loop's thread (the guard watches that thread)."""

    def __init__(self, spec: ProcessSpec, identity: Identity, log: LogFile) -> None:
        """Start it.

        Raises:
            OSError: it cannot be started (no such folder, no more processes).
        """
        self._name = spec.name
        self._identity = identity
        self._log = log
        self._lines = LineSplitter()
        environment: Mapping[str, str] = {**spec.surroundings, **spec.env, **identity.marks(spec.name, os.getpid())}
        read, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                guard_argv(list(spec.argv), files=identity.files),
                env=environment,
                cwd=spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                start_new_session=True,
            )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        os.set_blocking(read, False)
        self._output: int | None = read
        loop = asyncio.get_running_loop()
        loop.add_reader(read, self._read)
        self.exited: asyncio.Future[int] = loop.create_future()
        """The exit code, negative for a signal."""

    @property
    def pid(self) -> int:
        return self._process.pid

    def reap(self) -> None:
        """Look whether it has ended (on SIGCHLD)."""
        code = self._process.poll()
        if code is not None and not self.exited.done():
            self.exited.set_result(code)

    async def end(self, grace: float) -> None:
        """SIGTERM to its process group, then SIGKILL to whatever of it is left after `grace` seconds; closes its output."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if not self.exited.done():
                os.killpg(self.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.shield(self.exited)
        await self.clear()

    async def clear(self) -> None:
        """Kill what is left of it: after its own end nobody else ends its children, and they may hold its ports."""
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        left = members(self._identity.project, self._identity.stack_id, self._name)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        await self.exited
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while any(is_alive(process) for process in left):  # noqa: ASYNC110 - other programs' processes raise no event
                    await asyncio.sleep(0.01)
        self._close_output()

    def resident_bytes(self) -> int:
        """Resident memory of the process and its children (shared pages count for each)."""
        total = 0
        with contextlib.suppress(psutil.Error):
            leader = psutil.Process(self.pid)
            for process in (leader, *leader.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
        return total

    def kill(self) -> None:
        """End the process at once; what came of it is cleared when its end is seen."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read(self) -> None:
        if self._output is None:
            return
        try:
            chunk = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if chunk:
            self._log.write(self._lines.feed(chunk))
        else:
            self._close_output()

    def _close_output(self) -> None:
        if self._output is None:
            return
        asyncio.get_running_loop().remove_reader(self._output)
        with contextlib.suppress(OSError):
            while chunk := os.read(self._output, _CHUNK):
                self._log.write(self._lines.feed(chunk))
        self._log.write(self._lines.flush())
        os.close(self._output)
        self._output = None
