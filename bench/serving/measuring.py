"""Measure every service with every model, by turns, and keep what was found."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from processes import Placement, memory, wait_until_idle
from services import Running, Service, ServiceFailed, ask, check
from workloads import Workload, train
from wrk import Load, LoadFailed, NoAnswer, Request, measure

MANY_ROWS: Final = 10_000
"""A request of so many rows is slow with every model."""
WARM_UP: Final = 0.2
LONGEST: Final = 6.0
"""Seconds of one measurement, unless there is no answer in that time."""
LAST_TRY: Final = 40.0
_CYCLES: Final = 2.2
"""How often every connection is to be answered at least."""


@dataclass(frozen=True)
class Cell:
    """What is measured of a service: one number of the table."""

    model: str
    rows: int
    encoding: str
    connections: int

    def __str__(self) -> str:
        """For people."""
        return f"{self.model}, {counted(self.rows, 'row')}, {counted(self.connections, 'connection')}"


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Args:
        services: in the order of the table.
        models: names of workloads.MODELS.
        rows: of a request.
        connections: for each number of rows.
        encodings: "json", "binary".
        seconds: of one measurement at least.
        rounds: of each.
        placement: who runs on which cores.
    """

    services: Sequence[Service]
    models: Sequence[str]
    rows: Sequence[int]
    connections: dict[int, Sequence[int]]
    encodings: Sequence[str]
    seconds: float
    rounds: int
    placement: Placement

    def cells(self, service: Service, model: str) -> list[Cell]:
        """What is measured of this service with this model, in order."""
        encodings = [encoding for encoding in self.encodings if encoding in service.encodings]
        return [
            Cell(model, rows, encoding, connections)
            for rows in self.rows
            for encoding in encodings
            for connections in self.connections[rows]
        ]


@dataclass
class Results:
    """What was found; lists have one value for each round that went well.

    Args:
        loads: by cell and name of the service.
        starts: seconds to the first answer, by model and name of the service.
        memory: megabytes after the load, by model and name of the service.
        titles: of the models.
        notes: what went otherwise than planned.
    """

    loads: dict[Cell, dict[str, list[Load]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    starts: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    titles: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say it, and keep its first line for the table, once."""
        print(f"  {text}", flush=True)
        line = text.partition("\n")[0]
        if line not in self.notes:
            self.notes.append(line)


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def run(plan: Plan, folder: Path) -> Results:
    """Measure what is planned; progress is printed.

    Args:
        plan: what.
        folder: an empty one.
    """
    results = Results()
    for model in plan.models:
        workload = train(model, folder / model)
        results.titles[model] = workload.title
        able = [service for service in plan.services if _prepared(service, workload, results)]
        for number in range(plan.rounds):
            for service in _turn(able, number):
                began = time.monotonic()
                try:
                    _round(plan, service, workload, results, first=number == 0)
                except ServiceFailed as error:
                    results.note(f"{service.title} is left out of a round with {workload.title}: {error}")
                print(f"{model}, round {number + 1} of {plan.rounds}: {service.title}, {time.monotonic() - began:.0f} s", flush=True)
    return results


def _prepared(service: Service, workload: Workload, results: Results) -> bool:
    try:
        service.prepare(workload)
    except ServiceFailed as error:
        results.note(f"{service.title} is left out with {workload.title}: {error}")
        return False
    return True


def _turn(services: Sequence[Service], number: int) -> Iterator[Service]:
    """Each round begins with another service, and every second one goes backwards."""
    first = number % len(services) if services else 0
    order = [*services[first:], *services[:first]]
    return iter(order if number % 2 == 0 else order[::-1])


def _round(plan: Plan, service: Service, workload: Workload, results: Results, *, first: bool) -> None:
    with service.running(workload, plan.placement) as running:
        results.starts[workload.name, service.name].append(running.start)
        if first:
            for rows in plan.rows:
                for encoding in plan.encodings:
                    if encoding in service.encodings:
                        check(service, running.port, workload, rows, encoding)
        for cell in plan.cells(service, workload.name):
            left = running.settle()
            if left is not None:
                results.note(f"{service.title}, before {cell}: {left}")
            try:
                found = _measure(plan, service, workload, running, cell)
            except LoadFailed as error:
                results.note(f"{service.title}, {cell}: {error}")
            else:
                results.loads[cell][service.name].append(found)
            if not wait_until_idle(running.pids):
                results.note(f"{service.title} was still busy half a minute after {cell}")
        results.memory[workload.name, service.name].append(memory(running.pids))


def _measure(plan: Plan, service: Service, workload: Workload, running: Running, cell: Cell) -> Load:
    request = service.request(workload, workload.batches(cell.rows), cell.encoding)
    wanted = _CYCLES * cell.connections * min(_alone(running, request), _alone(running, request))
    if wanted < plan.seconds:
        with contextlib.suppress(NoAnswer):  # slower together than alone: measured below
            measure(running.port, request, cell.connections, WARM_UP)
            return measure(running.port, request, cell.connections, plan.seconds)
        wait_until_idle(running.pids)
    seconds = min(max(wanted, plan.seconds), LONGEST)
    while True:
        try:
            return measure(running.port, request, cell.connections, seconds, slow=True)
        except NoAnswer:
            seconds *= 2
            if seconds > LAST_TRY:
                raise
            wait_until_idle(running.pids)


def _alone(running: Running, request: Request) -> float:
    """Seconds that one request takes."""
    began = time.monotonic()
    ask(running.port, request, request.bodies[0])
    return time.monotonic() - began
