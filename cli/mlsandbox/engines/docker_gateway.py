"""Tells a stack's gateway who answers for a front, over HAProxy's runtime API inside of its container: no connection is closed for it."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mlsandbox.engines.docker_daemon import Daemon
from mlsandbox.engines.docker_observe import Container
from mlsandbox.errors import SwitchFailed
from mlsandbox.stack.components.gateway import ADMIN_PORT, NAME, SLOTS

_SAID: Final = "# said"
"""Behind all that the gateway says: without it, it is the engine or the shell that speaks."""
_ANSWER_SECONDS: Final = 5
"""In which it has said all: it takes milliseconds, unless it hangs."""
_SAY: Final = (
    f'exec 3<>"/dev/tcp/127.0.0.1/${ADMIN_PORT}" && printf "%s\\n" "$0" >&3 && timeout {_ANSWER_SECONDS} cat <&3 && printf "{_SAID}"'
)
_STATE: Final = "be_id "
_COUNTED: Final = "pxname,"
"""The first columns of two tables; "# " is before them."""
_LOOK_SECONDS: Final = 0.05
_FOUND_SECONDS: Final = 10.0
"""Until a name that the engine knows must have been looked up: it is asked every second."""
_BACK_SECONDS: Final = 2.0
"""In which the engine has started it again, once it was seen not to answer."""
_ENDED_SECONDS: Final = 5.0
"""After requests were cut off."""
_QUIET_LOOKS: Final = 2
_RUNNING: Final = 2
_ASIDE: Final = 0x01 | 0x08
"""Of `srv_admin_state`: it was told to take nothing (maint), or nothing new (drain)."""
_NAMELESS: Final = 0x20
"""Of the same: nobody has its name."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the servers of a backend, as HAProxy calls them."""

    name: str
    service: str
    """Whose name it looks up."""
    port: int
    address: str
    """"-" as long as it knows none."""
    admin: int
    running: bool
    requests: int
    """Without an answer yet."""

    @property
    def is_asked(self) -> bool:
        """It gets requests, if it can be reached."""
        return not self.admin & _ASIDE

    @property
    def is_up(self) -> bool:
        """It gets requests, and knows where."""
        return self.running and not self.admin & (_ASIDE | _NAMELESS)


@dataclass(frozen=True, slots=True)
class Gateway:
    """That of one stack, which runs."""

    daemon: Daemon
    container: Container

    def asked(self, fronts: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """The services that are asked at these fronts, by front.

        Raises:
            SwitchFailed: the gateway has no such front, or does not answer.
        """
        said = self._say(*(f"show servers state {front}" for front in fronts))
        found: dict[str, list[str]] = {front: [] for front in fronts}
        for front in fronts:
            for row in _rows(said, front):
                if not int(row["srv_admin_state"]) & _ASIDE:
                    found[front].append(row["srv_fqdn"])
        return {front: tuple(services) for front, services in found.items()}

    def prepare(self, front: str, service: str, port: int, addresses: Collection[str]) -> str:
        """Have a slot ready that would ask a service; it is not asked yet, unless it is already.

        Args:
            front: whose.
            service: its name, as the engine knows it.
            port: its own.
            addresses: those that its container has: one that was looked up earlier may be another's.

        Returns:
            The slot's name.

        Raises:
            SwitchFailed: there is none, or the service's name is not found.
        """

        def is_found(slot: Slot) -> bool:
            return slot.service == service and slot.address in addresses and not slot.admin & _NAMELESS

        slot = _chosen(self.slots(front).values(), service, port)
        if slot is None:
            raise _failed(front, service, "All of its places are taken by versions that have not ended what they began.")
        if is_found(slot) and slot.port == port:
            return slot.name
        found = self._wait(front, slot.name, is_found, *(() if slot.is_asked else _aside(front, slot, service)))
        if found is None:
            raise _failed(front, service, f"The gateway does not find {service} in the stack's networks.")
        if found.port != port:
            told = f"set server {front}/{slot.name} addr {found.address} port {port}"
            if self._wait(front, slot.name, lambda each: each.port == port, told) is None:
                raise _failed(front, service, f"The gateway does not take its port {port}.")
        return slot.name

    def flip(self, front: str, slot: str) -> bool:
        """From now on this slot gets all new requests; the others end what they began. All of it is told at once, or nothing is.

        Returns:
            Whether the others had nothing to end at that moment.

        Raises:
            SwitchFailed: it cannot be asked, or the gateway does not answer: who is asked now has to be looked at.
        """
        others = (f"set server {front}/{each} state drain" for each in SLOTS if each != slot)
        # A free place that was set aside is drained, too: that it has a name is all that it takes to be asked, and it is not.
        slots = self.slots(front, f"set server {front}/{slot} state ready", *others)
        if not slots[slot].is_up and self._wait(front, slot, lambda each: each.is_up) is None:
            raise _failed(front, slot, "The gateway cannot reach it.")
        return not any(each.requests for each in slots.values() if not each.is_asked)

    def settle(self, front: str, patience: float, *, quiet: bool = False) -> Collection[Slot]:
        """Wait until nobody has requests of a front without an answer who is not asked any more; what takes too long is cut off.

        Args:
            front: whose.
            patience: seconds.
            quiet: they were seen to have none once, since they are not asked any more.

        Returns:
            How the front's slots stand then.
        """
        slots = self._quiet(front, patience, 1 if quiet else 0)
        left = _busy(slots)
        if left:
            self._say(*(f"shutdown sessions server {front}/{each.name}" for each in left))
            slots = self._quiet(front, _ENDED_SECONDS, 0)
        return slots

    def tidy(self, front: str, service: str, stay: Collection[str], slots: Iterable[Slot]) -> None:
        """Have names looked up no more that nobody has.

        Args:
            front: whose.
            service: who is asked.
            stay: services that are there, and may be asked again.
            slots: as they stand.
        """
        gone = [each for each in slots if not each.is_asked and each.service not in stay]
        self._say(*(command for each in gone for command in _aside(front, each, service)))

    def slots(self, front: str, *commands: str) -> Mapping[str, Slot]:
        """How they stand once these commands were obeyed, by name.

        Raises:
            SwitchFailed: the gateway has no such front, or does not answer.
        """
        said = self._say(*commands, f"show servers state {front}", f"show stat {front} 4 -1")
        state, _, counted = said.partition(_COUNTED)
        rows = _rows(state, front)
        requests = {row["svname"]: int(row["scur"]) for row in csv.DictReader((_COUNTED + counted).splitlines()) if row["scur"]}
        return {
            row["srv_name"]: Slot(
                name=row["srv_name"],
                service=row["srv_fqdn"],
                port=int(row["srv_port"]),
                address=row["srv_addr"],
                admin=int(row["srv_admin_state"]),
                running=int(row["srv_op_state"]) == _RUNNING,
                requests=requests.get(row["srv_name"], 0),
            )
            for row in rows
        }

    def _quiet(self, front: str, seconds: float, quiet: int) -> Collection[Slot]:
        """Wait until none that is not asked any more has requests, or time is over; `quiet` is how often none was seen to have some."""
        deadline = time.monotonic() + seconds
        while True:
            slots = self.slots(front).values()
            busy = _busy(slots)
            quiet = 0 if busy else quiet + 1
            if quiet >= _QUIET_LOOKS or (busy and time.monotonic() > deadline):
                return slots
            time.sleep(_LOOK_SECONDS)

    def _wait(self, front: str, slot: str, ready: Callable[[Slot], bool], *commands: str) -> Slot | None:
        """The slot once it is as it is to be, after these commands; None when it does not become that."""
        deadline = time.monotonic() + _FOUND_SECONDS
        now = self.slots(front, *commands)[slot]
        while not ready(now):
            if time.monotonic() > deadline:
                return None
            time.sleep(_LOOK_SECONDS)
            now = self.slots(front)[slot]
        return now

    def _say(self, *commands: str) -> str:
        """What it says to commands. While it does not answer it is asked again: a gateway that was killed is soon back."""
        if not commands:
            return ""
        deadline = math.inf
        while True:
            said = self.daemon.execute(self.container, ("bash", "-c", _SAY, ";".join(commands)))
            if said.endswith(_SAID) or time.monotonic() > deadline:
                return said.removesuffix(_SAID)
            deadline = min(deadline, time.monotonic() + _BACK_SECONDS)
            time.sleep(_LOOK_SECONDS)


def _busy(slots: Iterable[Slot]) -> list[Slot]:
    """Those that are not asked any more, and have requests yet."""
    return [each for each in slots if each.requests and not each.is_asked]


def _rows(said: str, front: str) -> list[dict[str, str]]:
    """The servers of a front, of one or several tables of states.

    Raises:
        SwitchFailed: it has none.
    """
    columns = next((line.removeprefix("# ").split() for line in said.splitlines() if line.removeprefix("# ").startswith(_STATE)), [])
    lines = (line.split() for line in said.splitlines())
    rows = [dict(zip(columns, words, strict=True)) for words in lines if columns and len(words) == len(columns)]
    found = [row for row in rows if row["be_name"] == front]
    if not found:
        raise SwitchFailed(
            f"the gateway cannot be told who answers for {front}",
            why=said.strip() or "It does not answer.",
            fix=f"look at it: sandbox logs {NAME}",
        )
    return found


def _chosen(slots: Iterable[Slot], service: str, port: int) -> Slot | None:
    """The slot that asks the service already, else a free one, best one that knows its name."""
    asked = [each for each in slots if each.is_asked and (each.service, each.port) == (service, port)]
    free = [each for each in slots if not each.is_asked and not each.requests]
    return next(iter([*asked, *sorted(free, key=lambda each: (each.service, each.port) != (service, port))]), None)


def _aside(front: str, slot: Slot, service: str) -> tuple[str, ...]:
    """Commands by which a slot is asked nothing, and knows a service's name."""
    quiet = f"set server {front}/{slot.name} state maint"
    return (quiet,) if slot.service == service else (quiet, f"set server {front}/{slot.name} fqdn {service}")


def _failed(front: str, service: str, why: str) -> SwitchFailed:
    return SwitchFailed(
        f"{service} was not made to answer for {front}; who answered before goes on",
        why=why,
        fix=f"look at the gateway: sandbox logs {NAME}   then again",
        details={"front": front, "service": service},
    )
