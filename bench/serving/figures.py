"""What the measurements say: medians, spread, ratios of what was measured in the same round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from measuring import Cell, Results
from wrk import Load


def loads(results: Results, cell: Cell, service: str) -> Sequence[Load]:
    """What was measured; none for a cell that was not."""
    return results.loads[cell][service] if cell in results.loads and service in results.loads[cell] else []


def rate(results: Results, cell: Cell, service: str) -> float | None:
    """Requests a second, the median of the rounds."""
    found = loads(results, cell, service)
    return median(load.rate for load in found) if found else None


def latency(results: Results, cell: Cell, service: str, percentile: str) -> float | None:
    """Milliseconds, the median of the rounds; percentile is "p50" or "p99"."""
    found = loads(results, cell, service)
    return median(getattr(load, percentile) for load in found) if found else None


def spread(results: Results, cell: Cell, service: str) -> float | None:
    """From the lowest to the highest round, as a share of the median."""
    rates = [load.rate for load in loads(results, cell, service)]
    return (max(rates) - min(rates)) / median(rates) if len(rates) > 1 else None


def ratio(results: Results, cell: Cell, service: str, other: str) -> float | None:
    """How many times the requests of the other, which is asked in JSON: the median of the ratios of each round."""
    ours, theirs = loads(results, cell, service), loads(results, replace(cell, encoding="json"), other)
    if len(ours) == len(theirs) and ours:
        return median(one.rate / another.rate for one, another in zip(ours, theirs, strict=True))
    if not ours or not theirs:
        return None
    return median(load.rate for load in ours) / median(load.rate for load in theirs)
