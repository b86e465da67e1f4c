"""What the service is to reach, and what it reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from figures import latency, ratio
from measuring import MANY_ROWS, Cell, Results

ON: Final = "on"
OFF: Final = "off"
BENTOML: Final = "bentoml"
FASTAPI: Final = "fastapi"
_LARGEST: Final = 300
"""Megabytes of a worker with the census model."""


@dataclass(frozen=True)
class Outcome:
    """One aim.

    Args:
        what: is compared.
        aim: in words.
        found: in words.
        reached: whether it is.
    """

    what: str
    aim: str
    found: str
    reached: bool


def outcomes(results: Results) -> list[Outcome]:
    """Every aim that was measured."""
    found: list[Outcome] = []
    for model, rows, connections, other, least in (
        ("logistic", 1, 1, BENTOML, 6.0),
        ("logistic", 1, 32, BENTOML, 20.0),
        ("forest", 1, 1, BENTOML, 1.4),
        ("forest", 1, 32, BENTOML, 12.0),
        ("census", 1, 1, BENTOML, 1.3),
        ("census", 1, 32, BENTOML, 5.0),
        ("logistic", MANY_ROWS, 1, BENTOML, 6.0),
        ("logistic", 1, 1, FASTAPI, 1.5),
        ("logistic", 1, 32, FASTAPI, 3.0),
        ("logistic", 1, 32, OFF, 0.75),
        ("forest", 1, 32, OFF, 0.95),
        ("census", 1, 32, OFF, 0.95),
    ):
        cell = Cell(model, rows, "json", connections)
        reached = ratio(results, cell, ON, other)
        if reached is not None:
            found.append(Outcome(f"requests/s to {_NAMES[other]}: {cell}", f"≥ {least:g}", f"{reached:.2f}", reached >= least))
    return [*found, *_everywhere(results), *_beside(results)]


_NAMES: Final = {BENTOML: "bare BentoML's", FASTAPI: "FastAPI's", OFF: "its own with everything off"}


def _everywhere(results: Results) -> Iterator[Outcome]:
    cells = [cell for cell in results.loads if cell.encoding == "json"]
    ratios = {cell: value for cell in cells if (value := ratio(results, cell, ON, FASTAPI)) is not None}
    if ratios:
        worst = min(ratios, key=lambda cell: ratios[cell])
        found = f"{ratios[worst]:.2f} ({worst})"
        yield Outcome("requests/s to FastAPI's: the least of all", "≥ 1", found, ratios[worst] >= 1)
    slower: dict[Cell, float] = {}
    for cell in cells:
        ours, theirs = latency(results, cell, ON, "p99"), latency(results, cell, FASTAPI, "p99")
        if cell.connections == 32 and ours is not None and theirs is not None:
            slower[cell] = ours / theirs
    if slower:
        worst = max(slower, key=lambda cell: slower[cell])
        found = f"{slower[worst]:.2f} ({worst})"
        yield Outcome("p99 at 32 connections to FastAPI's: the most of all", "≤ 1", found, slower[worst] <= 1)


def _beside(results: Results) -> Iterator[Outcome]:
    for model in results.titles:
        for what, unit, form, table in (("start", "s", ".2f", results.starts), ("memory", "MB", ".0f", results.memory)):
            ours, theirs = _median(table, model, ON), _median(table, model, BENTOML)
            if ours is not None and theirs is not None:
                yield Outcome(
                    f"{what} with {model}, beside bare BentoML", f"≤ {theirs:{form}} {unit}", f"{ours:{form}} {unit}", ours <= theirs
                )
    census = _median(results.memory, "census", ON)
    if census is not None:
        yield Outcome("memory with census, supervisor and worker", f"< {_LARGEST} MB", f"{census:.0f} MB", census < _LARGEST)


def _median(table: Mapping[tuple[str, str], list[float]], model: str, service: str) -> float | None:
    found = table.get((model, service))
    return median(found) if found else None
