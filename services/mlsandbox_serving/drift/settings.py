"""What of a monitor can be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_PAIRS: Final = 200


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a monitor.

    Args:
        rows_between_false_alarms: on average so many rows lie between two alarms without a cause; one budget for everything.
        pairs: how many pairs of columns are watched, the strongest first; 0 for none, at most 200.
        learn_rows: without a reference, so many live rows become it.
    """

    rows_between_false_alarms: float = 1_000_000.0
    pairs: int = 50
    learn_rows: int = 5_000

    def __post_init__(self) -> None:
        if not self.rows_between_false_alarms >= 1:
            raise ValueError(f"rows_between_false_alarms is {self.rows_between_false_alarms}: at least 1")
        if not 0 <= self.pairs <= MOST_PAIRS:
            raise ValueError(f"pairs is {self.pairs}: 0 to {MOST_PAIRS}")
        if self.learn_rows < 1:
            raise ValueError(f"learn_rows is {self.learn_rows}: at least 1")
