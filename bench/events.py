"""What the digest of a prediction's event costs: packing one with it and without, by turns, in one process.

    python bench/events.py [--rounds 9] [--seconds 0.2]

An event is packed as the model service packs it, of one row and of a thousand, ten columns of numbers and two probabilities each. What
`sandbox replay` can tell by the digest is in docs/versions.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlsandbox_serving.prediction_events import PredictionEvents
from mlsandbox_serving.record import Facts, Identity, Privacy

COLUMNS = 10
ROWS = (1, 1_000)
IDENTITY = Identity("churn", "v3", "sha256:" + "a" * 64)
_CHECK_EVERY = 10
"""Events between two looks at the clock."""


@dataclass(frozen=True)
class Rows:
    """Rows as they were checked."""

    by_name: dict[str, list[float]]
    rows: int

    def head(self, rows: int) -> dict[str, list[float]]:
        return {name: values[:rows] for name, values in self.by_name.items()}


class Unsealed(PredictionEvents):
    """The same events, with a digest that is always the same one."""

    def _digest(self, record: dict[str, Any], at: bytes) -> str:
        del record, at
        return "blake2b-1:" + "0" * 40


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2, help="of each measurement")
    given = parser.parse_args()

    print("| rows | with it, µs | without, µs | ratio | spread of the ratio |")
    print("|---:|---:|---:|---:|---|")
    for rows in ROWS:
        sealed: list[float] = []
        plain: list[float] = []
        turn = [(PredictionEvents, sealed), (Unsealed, plain)]
        for _ in range(given.rounds):
            for made, found in turn:
                found.append(_microseconds(made, rows, given.seconds))
            turn.reverse()
        ratios = [one / other for one, other in zip(sealed, plain, strict=True)]
        each = f"{statistics.median(sealed):.1f} | {statistics.median(plain):.1f} | {statistics.median(ratios):.2f}"
        print(f"| {rows:,} | {each} | {min(ratios):.2f} to {max(ratios):.2f} |")


def _microseconds(made: type[PredictionEvents], rows: int, seconds: float) -> float:
    """Processor time of one event."""
    events = made(IDENTITY, Privacy(), max_rows=rows, classes=[0, 1])
    drawn = np.random.default_rng(0)
    columns = Rows({f"column_{number}": drawn.normal(size=rows).tolist() for number in range(COLUMNS)}, rows)
    probabilities = [[share, 1 - share] for share in drawn.random(rows).tolist()]
    predictions = [round(each[1]) for each in probabilities]
    facts = Facts("POST", "/predict", "0af7651916cd43dd8448eb211c80319c", None, timestamp=time.time())
    done, began, until = 0, time.process_time(), time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(_CHECK_EVERY):
            if events.payload(facts, columns, predictions, probabilities) is None:
                raise RuntimeError("an event could not be packed")
        done += _CHECK_EVERY
    return (time.process_time() - began) / done * 1e6


if __name__ == "__main__":
    main()
