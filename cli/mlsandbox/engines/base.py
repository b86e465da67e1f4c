"""What every engine can do: look, plan, carry out, show output. `up` is plan and apply; `down` is plan_stop and apply."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol

from mlsandbox.docker_host import ImageRef
from mlsandbox.engines.asking import ANSWER_SECONDS, Answered
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.spec import Environment, StackSpec
from mlsandbox.supervise.transition import State


@dataclass(frozen=True, slots=True)
class Desired:
    """A stack, and where what it refers to lies on this machine."""

    spec: StackSpec
    pythons: Mapping[Environment, Path]
    """The interpreter of each environment."""
    packages: Mapping[str, Path]
    """The folder of each package (bento), by tag."""
    programs: Mapping[str, Path] = field(default_factory=dict)
    """The programs of others, by their command: for engines that run child processes."""
    images: Mapping[Environment, ImageRef] = field(default_factory=dict)
    """The image of each environment: for engines that run containers."""
    proxy: str = ""
    """`[stack] proxy`: for engines that do not pass this machine's own environment on."""


@dataclass(frozen=True, slots=True)
class ObservedService:
    """One service as it is now."""

    name: str
    state: State
    digest: str
    """Names what it was started from."""
    recipe: Mapping[str, str] = field(default_factory=dict)
    """What it was started from, flat, to say what changed; may be empty."""
    pid: int | None = None
    since: str = ""
    """UTC time of the last change of state, ISO 8601."""
    restarts: int = 0
    exit_code: int | None = None
    """Of its last end; negative for a signal."""
    reason: str = ""
    """Why it is not ready; empty when it is."""
    probe: Mapping[str, Any] | None = None
    """Last JSON answer of its readiness probe."""
    memory_bytes: int | None = None
    ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_ended_well(self) -> bool:
        """It runs once, and did: ready without a process, with the exit code 0."""
        return self.state is State.READY and self.pid is None and self.exit_code == 0


@dataclass(frozen=True, slots=True)
class ObservedFront:
    """Where a model is asked, and who answers there."""

    name: str
    port: int
    service: str


@dataclass(frozen=True, slots=True)
class Observed:
    """A snapshot: all that planning needs to know."""

    running: bool = False
    stack_id: str | None = None
    """The nonce that our own services answer /readyz with."""
    pid: int | None = None
    """Of the supervisor, where there is one."""
    started: str = ""
    """UTC time at which the stack was started, ISO 8601."""
    services: tuple[ObservedService, ...] = ()
    fronts: tuple[ObservedFront, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Something runs, and all of it is ready."""
        return self.running and bool(self.services) and all(service.state is State.READY for service in self.services)

    @property
    def ports(self) -> Mapping[str, int]:
        """Ports that services and fronts of this stack hold, by name."""
        held = {name: number for service in self.services for name, number in service.ports.items()}
        return {**held, **{front.name: front.port for front in self.fronts}}

    def front(self, name: str) -> ObservedFront | None:
        """The front of that name, None when it is not there."""
        return next((front for front in self.fronts if front.name == name), None)

    def service(self, name: str) -> ObservedService | None:
        """The service of that name, None when it is not there."""
        return next((service for service in self.services if service.name == name), None)


class Action(StrEnum):
    """What is done to a service."""

    START = "start"
    RESTART = "restart"
    STOP = "stop"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and why."""

    action: Action
    service: str
    why: str

    def __str__(self) -> str:
        return f"{self.action:<7} {self.service}: {self.why}"


@dataclass(frozen=True, slots=True)
class Move:
    """A front that another service is to answer for, while both run."""

    front: str
    service: str
    former: str

    def __str__(self) -> str:
        return f"{'switch':<7} {self.front}: from {self.former} to {self.service}"


@dataclass(frozen=True, slots=True)
class Switched:
    """A move that was made."""

    front: str
    service: str
    former: str
    began: float
    """Epoch seconds before which the new service answered nothing …"""
    ended: float
    """… and after which the former one answered nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` will do; its text is what --dry-run prints."""

    steps: tuple[Step, ...]
    moves: tuple[Move, ...] = ()
    """Made when the services that are moved to are ready and proven, before anything else is touched."""
    files: tuple[RenderedFile, ...] = ()
    """Written below `.sandbox/stack` first."""
    folders: tuple[str, ...] = ()
    """Data folders that must be there."""
    secrets: tuple[str, ...] = ()
    """Secrets that must be there."""
    stops_all: bool = False
    """Nothing may run afterwards."""
    refreshes: tuple[RenderedFile, ...] = ()
    """Files that services read again by themselves, as they are now, where they are to be others."""

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that do something."""
        return tuple(step for step in self.steps if step.action is not Action.KEEP)

    def __str__(self) -> str:
        return "\n".join(str(each) for each in (*self.moves, *self.steps)) or "nothing to do"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to a service while a plan was carried out."""

    service: str
    state: State
    elapsed: float
    """Seconds since `apply` began."""
    reason: str = ""


class Result(StrEnum):
    """How `apply` ended."""

    READY = "ready"
    STOPPED = "stopped"
    REFUSED = "refused"
    """A service runs and said that it will never be ready."""
    CRASHED = "crashed"
    TIMEOUT = "timeout"


class Undone(StrEnum):
    """What was done about a stack that did not become ready."""

    NOTHING = "nothing"
    """It was left as it is, to be looked at."""
    STOPPED = "stopped"
    """Nothing ran before; nothing runs now."""
    RESTORED = "restored"
    """What ran before runs again."""
    NOT_RESTORED = "not restored"
    """What ran before was asked for again and is not ready."""
    KEPT = "kept"
    """What ran before was never touched and goes on; what was started beside it is gone again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `apply` has to tell; the service fields are about the one that stood in the way."""

    result: Result
    service: str = ""
    reason: str = ""
    body: Mapping[str, Any] | None = None
    """What it answered to its readiness probe."""
    exit_code: int | None = None
    lines: tuple[str, ...] = ()
    """The end of its output."""
    undone: Undone = Undone.NOTHING
    switched: tuple[Switched, ...] = ()
    """What answers otherwise now, whatever became of the rest: a move that was made is not undone."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a service's output."""

    service: str
    time: str
    """UTC, ISO 8601, milliseconds."""
    text: str


class Keeping(StrEnum):
    """Kinds of what an engine has outside of a project's folder."""

    VOLUME = "volume"
    IMAGE = "image"
    SHARED = "shared image"
    """Of our own services, whatever the project."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Something outside of the project's folder that `down` leaves."""

    kind: Keeping
    name: str
    size_bytes: int | None = None


Report = Callable[[Change], None]
Prove = Callable[[Move], None]
"""Told before a move, when its service is ready; what it raises keeps the front where it is."""


def unproven(_move: Move) -> None:
    """The `Prove` that asks for nothing."""


class Engine(Protocol):
    """Runs the services of one project."""

    name: ClassVar[str]

    def observe(self, *, memory: bool = False) -> Observed:
        """How things stand; changes nothing.

        Args:
            memory: whether it is needed what each service uses, where that takes time to find out.
        """
        ...

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        """What makes the observed equal to the desired; changes nothing."""
        ...

    def plan_stop(self, services: Collection[str] | None, observed: Observed) -> Plan:
        """What stops these services (None: all)."""
        ...

    def apply(self, plan: Plan, report: Report, *, timeout: float, prove: Prove = unproven) -> Outcome:
        """Carry out a plan and wait until all is ready, or all is stopped.

        With moves, first the services that are moved to are started beside those that answer; then `prove` is asked about each, the
        fronts are moved, and only then the rest of the plan is carried out. When one is not ready in time, or `prove` raises, what was
        started for the moves is stopped again and everything else goes on untouched.

        A stack that is refused or crashes is undone: a new one is stopped, a changed one goes back to what ran before. One that
        is not ready within `timeout` seconds is left to be looked at. An interrupt (any BaseException) is undone too, then raised.
        """
        ...

    def service_names(self) -> tuple[str, ...]:
        """Services that the stack has, running or not, and those that ran before and whose output is still there; sorted."""
        ...

    def run_in(self, service: str, args: Sequence[str], text: str) -> Iterator[str]:
        """Run the service's Python once more beside it, with its environment variables and files, and give the lines it writes.

        Args:
            service: its name.
            args: after the interpreter, as in ("-m", "mlsandbox_serving.log_store.find").
            text: what it reads on standard input, which stays open until the iterator is closed: one without end ends with it.

        Raises:
            NotRunning: the service is not there, and this engine needs it to run.
            CommandFailed: it ended with another exit code than 0; `details` holds it as returncode, and the end of its stderr.
        """
        ...

    def ask(
        self, service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *, timeout: float = ANSWER_SECONDS
    ) -> Answered:
        """Ask a service at its own port, whoever answers for its front; also one that nothing outside of the stack can reach.

        Args:
            service: its name.
            method: of HTTP.
            path: with the query, if there is one.
            headers: besides those that HTTP itself needs.
            body: empty for none.
            timeout: seconds without a byte after which nobody answers.

        Raises:
            NotRunning: it is not there, or does not answer.
        """
        ...

    def kept(self) -> tuple[Kept, ...]:
        """What this project has outside of its folder: volumes and images; what runs or not."""
        ...

    def remove_kept(self, only: Collection[Kept] | None = None) -> tuple[Kept, ...]:
        """Remove these of it, or all of it once nothing runs; what could be removed."""
        ...

    def shared(self, *, but_for: Collection[Path] | None = None) -> tuple[Kept, ...]:
        """What all projects of this machine share of it: images of our own services; the same, whichever project this is of.

        Args:
            but_for: only what nothing uses but the stacks of the projects in these folders; None: all.
        """
        ...

    def remove_shared(self) -> tuple[Kept, ...]:
        """Remove that, as far as nothing uses it; what could be removed."""
        ...

    def logs(self, services: Collection[str], *, lines: int, follow: bool) -> Iterator[LogLine]:
        """The last `lines` lines of each service's output, merged by time; with `follow`, then every new one, without end.

        Also of what does not run any more: stopped, replaced or undone.
        """
        ...
