"""How long to wait before the next start, and when to stop trying (pure)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling pauses; gives up after several crashes in quick succession."""

    first: float = 0.25
    """Seconds before the first restart."""
    longest: float = 30.0
    steady: float = 5.0
    """Seconds of life after which the end of a process that had become ready counts as the first again."""
    crashes: int = 5
    """Quick crashes in a row after which it gives up."""

    def count(self, before: int, *, lived: float, was_ready: bool) -> int:
        """Crashes in a row, with one more that lived for `lived` seconds; one that never got ready is quick however long it took."""
        return 1 if was_ready and lived >= self.steady else before + 1

    def pause(self, crashes: int) -> float | None:
        """Seconds to wait after so many crashes in a row; None: give up."""
        if crashes >= self.crashes:
            return None
        return min(self.longest, self.first * 2.0 ** (crashes - 1))
