"""Which ports a stack gets. `allocate` decides on values; how the machine looks is passed in, `this_machine()` is the real one."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mlsandbox.errors import PortForbidden, PortInUse
from mlsandbox_serving.contract import BLOCK_SIZE, FIRST_PORT, Port

_LAST_PORT: Final = 65_535
_SLOTS: Final = {slot.value: index for index, slot in enumerate(Port)}


class Availability(StrEnum):
    """What an attempt to bind a port showed."""

    FREE = "free"
    TAKEN = "taken"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that listens on a port."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class Machine:
    """How to look at a machine's ports."""

    probe: Callable[[int], Availability]
    owner: Callable[[int], Owner | None]
    """None: nobody that this user may see."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A port that could not be what it was, or what it usually is."""

    name: str
    wanted: int
    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """The outcome: a number for each name, and what had to move."""

    ports: Mapping[str, int]
    moved: tuple[Moved, ...] = ()


def allocate(
    names: Sequence[str],
    *,
    pinned: Mapping[str, int],
    previous: Mapping[str, int],
    reserved: Mapping[int, str],
    ours: Collection[int],
    machine: Machine,
) -> Allocation:
    """Choose a number for each name.

    A pinned number is taken or refused. A number that the stack had before stays as long as it can. A stack without numbers gets
    the first block of ten in which all it needs is free; names outside the block's ten slots get the next free ports after it.

    Args:
        names: what needs a port; values of `contract.Port`, or those with a model's name behind them.
        pinned: numbers that the user insists on, by name.
        previous: numbers of the last time, by name.
        reserved: numbers of other stacks, running or not, with whose they are.
        ours: numbers that this stack's own processes hold now.
        machine: how to look at ports.

    Raises:
        PortInUse, PortForbidden: a pinned port cannot be had.
    """
    choice = _Choice(reserved, frozenset(ours), machine)
    for name in names:
        if name in pinned:
            choice.pin(name, pinned[name])
    open_names = [name for name in names if name not in pinned]
    for name in open_names:
        if name in previous and choice.refusal(previous[name]) is None:
            choice.take(name, previous[name])
    base = _base_of(previous)
    if base is None:
        base = choice.first_block([name for name in open_names if name in _SLOTS])
    for name in open_names:
        if name not in choice.ports:
            choice.place(name, previous.get(name, base + _SLOTS[name] if name in _SLOTS else None), base + BLOCK_SIZE)
    return Allocation({name: choice.ports[name] for name in names}, tuple(choice.moved))


class _Choice:
    """The numbers chosen so far."""

    def __init__(self, reserved: Mapping[int, str], ours: frozenset[int], machine: Machine) -> None:
        self.ports: dict[str, int] = {}
        self.moved: list[Moved] = []
        self._reserved = reserved
        self._ours = ours
        self._machine = machine

    def take(self, name: str, number: int) -> None:
        self.ports[name] = number

    def pin(self, name: str, number: int) -> None:
        if number not in self._ours:
            availability = self._machine.probe(number)
            if availability is Availability.TAKEN:
                raise _in_use(name, number, self._machine.owner(number))
            if availability is Availability.FORBIDDEN:
                raise _forbidden(name, number)
        self.take(name, number)

    def place(self, name: str, wanted: int | None, after: int) -> None:
        """Take the wanted number, or the next free one from `after` on."""
        why = None if wanted is None else self.refusal(wanted)
        if wanted is not None and why is None:
            self.take(name, wanted)
            return
        number = next(number for number in range(after, _LAST_PORT + 1) if self.refusal(number) is None)
        self.take(name, number)
        if wanted is not None and why is not None:
            self.moved.append(Moved(name, wanted, number, why))

    def first_block(self, slots: Sequence[str]) -> int:
        """The first number of the first block in which all of `slots` are free."""
        first_refusal: str | None = None
        for base in range(FIRST_PORT, _LAST_PORT - BLOCK_SIZE, BLOCK_SIZE):
            refusal = self._block_refusal(base, slots)
            if refusal is None:
                if first_refusal is not None and slots:
                    told = Port.API.value if Port.API in slots else slots[0]  # the others have moved with it
                    why = f"{first_refusal}, and a stack has its ports side by side"
                    self.moved.append(Moved(told, FIRST_PORT + _SLOTS[told], base + _SLOTS[told], why))
                return base
            first_refusal = first_refusal or refusal
        return FIRST_PORT

    def _block_refusal(self, base: int, slots: Sequence[str]) -> str | None:
        for number in range(base, base + BLOCK_SIZE):
            if number in self._reserved:
                return f"{number} belongs to {self._reserved[number]}"
        for name in slots:
            why = self.refusal(base + _SLOTS[name])
            if why is not None:
                return why
        return None

    def refusal(self, number: int) -> str | None:
        """Why this number cannot be had; None when it can."""
        if number in self.ports.values():
            return f"{number} is used for another service of this stack"
        if number in self._reserved:
            return f"{number} belongs to {self._reserved[number]}"
        if number in self._ours:
            return None
        availability = self._machine.probe(number)
        if availability is Availability.TAKEN:
            return f"{number} is taken by {describe(self._machine.owner(number))}"
        return f"{number} may not be bound" if availability is Availability.FORBIDDEN else None


def describe(owner: Owner | None) -> str:
    """`"ssh" (pid 4806)`, or what can be said of a process that is not visible."""
    return "another user's process" if owner is None else f'"{owner.name}" (pid {owner.pid})'


def this_machine() -> Machine:
    """The machine that this runs on."""
    return Machine(probe_by_binding, owner_of)


def probe_by_binding(number: int) -> Availability:
    """Whether nobody listens on the port at any address that we use."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "0.0.0.0")):  # noqa: S104 - only probed
        try:
            with socket.socket(family) as trial:
                # As servers do: connections of a process that has ended, still lingering, are no hindrance.
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind((address, number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return Availability.TAKEN
            if error.errno in {errno.EACCES, errno.EPERM}:
                return Availability.FORBIDDEN
            # else: this machine has no IPv6
    return Availability.FREE


def owner_of(number: int) -> Owner | None:
    """The process that listens on the port, as far as this user may see."""
    import psutil  # noqa: PLC0415 - only when something is in the way

    try:
        for connection in psutil.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == number and connection.pid:
                return Owner(connection.pid, psutil.Process(connection.pid).name())
    except psutil.Error:
        return None
    return None


def _base_of(previous: Mapping[str, int]) -> int | None:
    """The start of the block that most of the numbers come from."""
    bases = [number - _SLOTS[name] for name, number in previous.items() if name in _SLOTS]
    return max(set(bases), key=lambda base: (bases.count(base), -base)) if bases else None


def _in_use(name: str, number: int, owner: Owner | None) -> PortInUse:
    return PortInUse(
        f"the {name} port {number} is taken by {describe(owner)}",
        why="It is pinned, so another port was not chosen.",
        fix="stop that process, or let the sandbox choose: sandbox up --port auto",
        details={"port": number, "name": name, "owner": None if owner is None else {"pid": owner.pid, "name": owner.name}},
    )


def _forbidden(name: str, number: int) -> PortForbidden:
    return PortForbidden(
        f"the {name} port {number} may not be bound by this user",
        why="Ports below 1024 usually need root.",
        fix="pin a higher one, or let the sandbox choose: sandbox up --port auto",
        details={"port": number, "name": name},
    )
