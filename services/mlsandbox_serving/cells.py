"""Numbers of prometheus_client, changed at the speed of a request.

prometheus_client's own `inc` takes a lock, asks for the process's id, and writes value and time anew: about a microsecond for each
number, of which a request changes some twenty. Here eight bytes are changed where they lie in the shared file, and nothing else
(https://github.com/prometheus/client_python, mmap_dict.py: values are doubles in the machine's order, at multiples of eight bytes).
Nobody else may change these numbers, and one thread at a time.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from prometheus_client import Counter, Gauge, Histogram

_DOUBLE = 8


class Numbers(Protocol):
    """Numbers by their places."""

    def __getitem__(self, place: int, /) -> float:
        """The number at a place."""

    def __setitem__(self, place: int, number: float, /) -> None:
        """Change it."""


class Cell:
    """One number."""

    __slots__ = ("_numbers", "_place")

    def __init__(self, numbers: Numbers, place: int) -> None:
        self._numbers = numbers
        self._place = place

    def add(self, amount: float) -> None:
        """Add to it."""
        self._numbers[self._place] += amount

    def set(self, number: float) -> None:
        """Make it `number`."""
        self._numbers[self._place] = number


class Tallied(NamedTuple):
    """Observations that are counted already."""

    counts: list[tuple[int, int]]
    """Indices of buckets, and how many fall in each."""
    total: float


class Buckets:
    """One histogram.

    Args:
        numbers: where the counts and the sum are.
        places: of each bucket's count, then of the sum.
        bounds: upper ones, the last one infinite.
    """

    __slots__ = ("_bounds", "_numbers", "_places", "_sum")

    def __init__(self, numbers: Numbers, places: Sequence[int], bounds: Sequence[float]) -> None:
        self._numbers = numbers
        *self._places, self._sum = places
        self._bounds = bounds

    def one(self, value: float) -> None:
        """Observe a value."""
        numbers = self._numbers
        numbers[self._places[bisect_left(self._bounds, value)]] += 1.0
        numbers[self._sum] += value

    def many(self, values: Sequence[float]) -> None:
        """Observe values, with one change per bucket."""
        if len(values) == 1:
            self.one(values[0])
        elif values:
            self.add(self.tallied(values))

    def tallied(self, values: Sequence[float]) -> Tallied:
        """Count values, none of them NaN, without observing them; in any thread."""
        bounds = self._bounds
        if hasattr(values, "dtype"):
            import numpy as np  # noqa: PLC0415 - an array was given

            buckets = np.bincount(np.searchsorted(bounds, values))
            return Tallied([(bucket, count) for bucket, count in enumerate(buckets.tolist()) if count], float(np.sum(values)))
        ordered = sorted(values)
        counts = []
        start, end = 0, len(ordered)
        while start < end:
            bucket = bisect_left(bounds, ordered[start])
            after = bisect_right(ordered, bounds[bucket], start)
            counts.append((bucket, after - start))
            start = after
        return Tallied(counts, sum(ordered))

    def add(self, tallied: Tallied) -> None:
        """Observe what was counted."""
        numbers = self._numbers
        for bucket, count in tallied.counts:
            numbers[self._places[bucket]] += count
        numbers[self._sum] += tallied.total


class Cells:
    """Finds the numbers of prometheus_client's objects: in this process, or in the files that its workers share."""

    def __init__(self) -> None:
        self._mapped: dict[str, memoryview[float]] = {}

    def cell(self, child: Counter | Gauge) -> Cell:
        """The number of a counter or gauge whose labels are set."""
        numbers, (place,) = self._places([child._value])  # noqa: SLF001 - no public way; tests hold the installed version to it
        return Cell(numbers, place)

    def buckets(self, child: Histogram) -> Buckets:
        """The numbers of a histogram whose labels are set."""
        numbers, places = self._places([*child._buckets, child._sum])  # noqa: SLF001
        return Buckets(numbers, places, child._upper_bounds)  # noqa: SLF001

    def _places(self, values: Sequence[Any]) -> tuple[Numbers, Sequence[int]]:
        """Where values are that lie in one file, as all of one metric do."""
        try:
            places = [value._file._positions[value._key] // _DOUBLE for value in values]  # noqa: SLF001
            name = values[0]._file._fname  # noqa: SLF001
        except AttributeError:
            return _Held(values), range(len(values))
        mapped = self._mapped.get(name)
        if mapped is None or len(mapped) <= max(places):
            # A mapping of its own: prometheus_client can still close its own one, and grow the file under both.
            with Path(name).open("r+b") as file:
                mapped = self._mapped[name] = memoryview(mmap.mmap(file.fileno(), 0)).cast("d")
        return mapped, places


class _Held:
    """Values that prometheus_client holds in this process."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values

    def __getitem__(self, place: int) -> float:
        number: float = self._values[place].get()
        return number

    def __setitem__(self, place: int, number: float) -> None:
        self._values[place].set(number)
