"""Which services to start, restart or stop, and why (pure); the same words for every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mlsandbox.engines.base import Action, Move, Observed, ObservedService, Step
from mlsandbox.supervise.transition import State

_ANSWERING: Final = frozenset({State.STARTING, State.READY, State.UNREADY, State.BACKOFF})
"""States of a service whose requests must not be lost: one that restarts may be back in a moment."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service as it is to be."""

    name: str
    digest: str
    """Names what it is started from."""
    recipe: Mapping[str, str] = field(default_factory=dict)
    """What it is started from, flat."""


def plan_services(wanted: Sequence[Wanted], observed: Observed) -> tuple[Step, ...]:
    """One step for each service that is wanted or there: what is there and unwanted first, then those wanted in their order."""
    names = {each.name for each in wanted}
    leaving = (
        Step(Action.STOP, service.name, "not part of the stack any more") for service in observed.services if service.name not in names
    )
    return (*leaving, *(_step(each, observed.service(each.name)) for each in wanted))


def plan_moves(wanted: Mapping[str, str], observed: Observed) -> tuple[Move, ...]:
    """The fronts that change hands while both services are there; one that nobody answers for any more is no move.

    Args:
        wanted: by front the service that is to answer.
        observed: how things stand.
    """
    moves = []
    for front in observed.fronts:
        former = observed.service(front.service)
        service = wanted.get(front.name, front.service)
        if service != front.service and former is not None and former.state in _ANSWERING:
            moves.append(Move(front.name, service, front.service))
    return tuple(moves)


def _step(wanted: Wanted, service: ObservedService | None) -> Step:
    if service is None or service.state is State.STOPPED:
        return Step(Action.START, wanted.name, "not running")
    if service.digest != wanted.digest:
        return Step(Action.RESTART, wanted.name, _changed(service.recipe, wanted.recipe))
    if service.state in {State.FAILED, State.REFUSED}:
        return Step(Action.RESTART, wanted.name, f"{service.state}: {service.reason}")
    return Step(Action.KEEP, wanted.name, f"unchanged, {service.state}")


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Names what differs; a value that is short is shown with what it was."""
    names = [name for name in (*new, *(name for name in old if name not in new)) if old.get(name) != new.get(name)]
    if not old or not names:
        return "changed"
    return "changed: " + ", ".join(_difference(name, old.get(name), new.get(name)) for name in names)


def _difference(name: str, old: str | None, new: str | None) -> str:
    if name.lower().endswith("_proxy") or any(len(value or "") > 32 for value in (old, new)):
        return name
    return f"{name} {'nothing' if old is None else old} -> {'nothing' if new is None else new}"
