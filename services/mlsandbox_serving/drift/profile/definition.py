"""A reference profile as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mlsandbox_serving.drift.streams import Kind, Pair, Stream

ValueType = Literal["number", "date", "boolean", "text"]
"""What a column holds, as far as cells are concerned."""


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What a monitor would have said of the last fifth of the reference, knowing the rest.

    Args:
        rows: replayed; 0 when the reference is too small for it.
        unsteady: kinds that would have raised an alarm, with the columns that did: no alarm of theirs can be taken for a change.
    """

    rows: int
    unsteady: Mapping[Kind, tuple[str, ...]]

    @property
    def stationary(self) -> bool:
        """Whether the reference looks the same from its beginning to its end."""
        return not self.unsteady


@dataclass(frozen=True, eq=False)
class Profile:
    """All that is kept of reference data: counts and borders, no rows.

    Args:
        rows: of the reference.
        streams: columns, then predictions and scores, then labels and loss.
        pairs: whose relation can be watched, the strongest first; positions refer to `streams`.
        self_check: whether the reference is stationary.
        left_out: columns that are not watched, and why.
        source: "given", or "live" when a monitor made it of its first rows.
    """

    rows: int
    streams: tuple[Stream, ...]
    pairs: tuple[Pair, ...]
    self_check: SelfCheck
    left_out: Mapping[str, str]
    source: Literal["given", "live"] = "given"

    @property
    def stride(self) -> int:
        """Rows from one to the next that are as good as independent in every column."""
        return max((stream.stride for stream in self.streams), default=1)

    def names(self, kind: Kind) -> tuple[str, ...]:
        """The streams of one kind."""
        return tuple(stream.name for stream in self.streams if stream.kind is kind)
