"""Tells a stack's gateway who answers for a front, over HAProxy's runtime API inside of its container: no connection is closed for it."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from mlsandbox.engines.docker_daemon import Daemon
from mlsandbox.engines.docker_observe import Container
from mlsandbox.errors import SwitchFailed
from mlsandbox.stack.components.gateway import ADMIN_PORT, NAME

_SAY: Final = f'exec 3<>"/dev/tcp/127.0.0.1/${ADMIN_PORT}" && printf "%s\\n" "$0" >&3 && cat <&3'
_LOOK_SECONDS: Final = 0.05
_FOUND_SECONDS: Final = 10.0
"""Until a name that the engine knows must have been looked up: it is asked every second."""
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
        slots = self.slots(front)
        asked = [each for each in slots.values() if each.is_asked and (each.service, each.port) == (service, port)]
        free = sorted(
            (each for each in slots.values() if not each.is_asked and not each.requests), key=lambda each: each.service != service
        )
        if asked or not free:
            slot = next(iter(asked), None)
            if slot is None:
                raise _failed(front, service, "All of its places are taken by versions that have not ended what they began.")
        else:
            slot = free[0]
            renamed = [] if slot.service == service else [f"set server {front}/{slot.name} fqdn {service}"]
            self._say(f"set server {front}/{slot.name} state maint", *renamed)
        found = self._wait(front, slot.name, lambda each: each.address in addresses, _FOUND_SECONDS)
        if found is None:
            raise _failed(front, service, f"The gateway does not find {service} in the stack's networks.")
        if found.port != port:
            self._say(f"set server {front}/{slot.name} addr {found.address} port {port}")
            if self.slots(front)[slot.name].port != port:
                raise _failed(front, service, f"The gateway does not take its port {port}.")
        return slot.name

    def flip(self, front: str, slot: str) -> None:
        """From now on this slot gets all new requests; the others end what they began.

        Raises:
            SwitchFailed: it cannot be asked; all is as before.
        """
        self._say(f"set server {front}/{slot} state ready")
        if self._wait(front, slot, lambda each: each.is_up, _FOUND_SECONDS) is None:
            self._say(f"set server {front}/{slot} state maint")
            raise _failed(front, slot, "The gateway cannot reach it.")
        others = [each.name for each in self.slots(front).values() if each.is_asked and each.name != slot]
        self._say(*(f"set server {front}/{each} state drain" for each in others))

    def settle(self, front: str, service: str, patience: float) -> None:
        """Wait until nobody but a service has requests of a front without an answer; those that take too long are cut off.

        Args:
            front: whose.
            service: who is asked now.
            patience: seconds.
        """
        if not self._quiet(front, patience):
            self._say(*(f"shutdown sessions server {front}/{each.name}" for each in self.slots(front).values() if not each.is_asked))
            self._quiet(front, _ENDED_SECONDS)
        for each in self.slots(front).values():
            if not each.is_asked:  # its name is not looked up any more: it may be nobody's soon
                self._say(f"set server {front}/{each.name} state maint", f"set server {front}/{each.name} fqdn {service}")

    def slots(self, front: str) -> Mapping[str, Slot]:
        """How they stand, by name.

        Raises:
            SwitchFailed: the gateway has no such front, or does not answer.
        """
        state, counted = self._say(f"show servers state {front}"), self._say(f"show stat {front} 4 -1")
        lines = [line for line in state.splitlines()[1:] if line.strip()]
        rows = list(csv.DictReader([line.removeprefix("# ") for line in lines], delimiter=" "))
        requests = {row["svname"]: int(row["scur"]) for row in csv.DictReader(counted.removeprefix("# ").splitlines())}
        if not rows:
            raise SwitchFailed(
                f"the gateway cannot be told who answers for {front}",
                why=state.strip() or "It does not answer.",
                fix=f"look at it: sandbox logs {NAME}",
            )
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

    def _quiet(self, front: str, seconds: float) -> bool:
        deadline, quiet = time.monotonic() + seconds, 0
        while quiet < _QUIET_LOOKS:
            busy = any(each.requests for each in self.slots(front).values() if not each.is_asked)
            quiet = 0 if busy else quiet + 1
            if busy and time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _wait(self, front: str, slot: str, ready: Callable[[Slot], bool], seconds: float) -> Slot | None:
        deadline = time.monotonic() + seconds
        while True:
            now = self.slots(front)[slot]
            if ready(now):
                return now
            if time.monotonic() > deadline:
                return None
            time.sleep(_LOOK_SECONDS)

    def _say(self, *commands: str) -> str:
        return self.daemon.execute(self.container, ("bash", "-c", _SAY, ";".join(commands))) if commands else ""


def _failed(front: str, service: str, why: str) -> SwitchFailed:
    return SwitchFailed(
        f"{service} was not made to answer for {front}; who answered before goes on",
        why=why,
        fix=f"look at the gateway: sandbox logs {NAME}   then again",
        details={"front": front, "service": service},
    )
