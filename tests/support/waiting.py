"""Wait for a state with a deadline; the only place where tests let time pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(probe: Callable[[], T | None], *, timeout: float, what: str, every: float = 0.02) -> T:
    """Call `probe` until it returns something truthy, and return that.

    Args:
        probe: what to ask.
        timeout: seconds until giving up.
        what: the state that is waited for, for the failure message.
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
