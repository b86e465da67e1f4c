"""Which ports a stack gets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mlsandbox.actions.starting import is_asked_at
from mlsandbox.errors import Exit, PortForbidden, PortInUse
from mlsandbox.stack.ports import Allocation, Availability, Machine, Moved, Owner, allocate

NAMES = ("fluentd", "log-store", "shipper", "api", "shipper-two", "api-two")


def _allocate(
    taken: Mapping[int, Owner | None] | None = None,
    *,
    pinned: Mapping[str, int] | None = None,
    previous: Mapping[str, int] | None = None,
    reserved: Mapping[int, str] | None = None,
    ours: frozenset[int] = frozenset(),
) -> Allocation:
    """Ports on a machine where `taken` is taken, and numbers below 1024 are forbidden."""
    owners = taken or {}

    def probe(number: int) -> Availability:
        if number in owners:
            return Availability.TAKEN
        return Availability.FORBIDDEN if number < 1024 else Availability.FREE

    return allocate(
        NAMES,
        pinned=pinned or {},
        previous=previous or {},
        reserved=reserved or {},
        ours=ours,
        machine=Machine(probe, owners.get),
    )


FIRST = {"fluentd": 7316, "log-store": 7319, "shipper": 7318, "api": 7310, "shipper-two": 7320, "api-two": 7321}


def test_first_stack() -> None:
    """The first stack must get the first block in the contract's order, further models the ports after it."""
    assert _allocate() == Allocation(FIRST)


def test_taken_block() -> None:
    """A new stack must take the next block when one of its ports is taken, and say which, by whom, and where its API is now."""
    allocation = _allocate({7318: Owner(4806, "ssh")})

    assert allocation.ports == {"fluentd": 7326, "log-store": 7329, "shipper": 7328, "api": 7320, "shipper-two": 7330, "api-two": 7331}
    assert allocation.moved == (Moved("api", 7310, 7320, '7318 is taken by "ssh" (pid 4806), and a stack has its ports side by side'),)


def test_other_stacks() -> None:
    """A block with a port of another stack must be left alone, whether that one runs or not."""
    allocation = _allocate(reserved={7311: "the stack in /home/a"})

    assert allocation.ports["api"] == 7320
    assert allocation.moved[0].why.startswith("7311 belongs to the stack in /home/a")


def test_same_ports_again() -> None:
    """A stack must keep its numbers, whatever the rule would give it now."""
    previous = {**FIRST, "api": 7340, "api-two": 9000}

    assert _allocate(previous=previous) == Allocation(previous)


def test_own_ports_are_free() -> None:
    """Ports that the stack's own processes hold must not count as taken."""
    assert _allocate({7310: Owner(1, "python")}, previous=FIRST, ours=frozenset({7310})) == Allocation(FIRST)


def test_one_port_moves() -> None:
    """A known port that is taken must move alone, and say so."""
    allocation = _allocate({7310: None, 7322: None}, previous=FIRST)

    assert allocation.ports == {**FIRST, "api": 7323}
    assert allocation.moved == (Moved("api", 7310, 7323, "7310 is taken by another user's process"),)


def test_new_name_joins_its_block() -> None:
    """A port that is needed for the first time must come from the block that the stack has."""
    previous = {name: number + 20 for name, number in FIRST.items() if name != "log-store"}

    assert _allocate(previous=previous).ports["log-store"] == 7339


def test_pinned() -> None:
    """A pinned number must be taken as it is."""
    assert _allocate(pinned={"api": 8080}).ports == {**FIRST, "api": 8080}


def test_pinned_and_taken() -> None:
    """A pinned port that is taken must be an error that names its owner, with the exit code of a missing prerequisite."""
    with pytest.raises(PortInUse) as caught:
        _allocate({8080: Owner(4806, "ssh")}, pinned={"api": 8080})

    assert caught.value.what == 'the api port 8080 is taken by "ssh" (pid 4806)'
    assert caught.value.details == {"port": 8080, "name": "api", "owner": {"pid": 4806, "name": "ssh"}}
    assert caught.value.exit is Exit.PREREQUISITE


def test_pinned_and_forbidden() -> None:
    """A pinned port that the user may not bind must say that, not that it is taken."""
    with pytest.raises(PortForbidden, match="the api port 80 may not be bound"):
        _allocate(pinned={"api": 80})


def test_pinned_twice_is_never_shared() -> None:
    """No two services may get one number, also when one of them was pinned onto the other's."""
    ports = _allocate(pinned={"api": 7319}).ports

    assert len(set(ports.values())) == len(ports)


def test_only_a_port_that_somebody_asks_at_is_warned_of() -> None:
    """A model's port that moved must be warned of; that of a new stack, or one that only the stack asks at, is but a note."""
    api, other = Moved("api", 7310, 7340, "taken"), Moved("drift", 7318, 7348, "taken")

    assert is_asked_at(api, {"api": 7310})
    assert not is_asked_at(api, {})
    assert not is_asked_at(other, {"api": 7310})
