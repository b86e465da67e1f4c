"""Wait for a state with a deadline; the only place where tests let time pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

HANG_SECONDS = 120.0
"""After so long what is waited for does not come: far more than any state takes, also where many share a slow machine."""


def wait_for(probe: Callable[[], T | None], *, what: str, timeout: float = HANG_SECONDS, every: float = 0.02) -> T:
    """Call `probe` until it returns something truthy, and return that.

    Args:
        probe: what to ask.
        what: the state that is waited for, for the failure message.
        timeout: seconds until giving up; a guard against a hang, never a measure of speed.
        every: seconds between two tries.
    """
    deadline = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(every)
