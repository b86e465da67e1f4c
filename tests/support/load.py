"""Steady, bounded load on an endpoint of this machine, and what became of each request."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from support.sandbox import post

_PAUSE: Final = 0.05


class Load:
    """Posts one row again and again in a thread, until left; at most `limit` requests."""

    def __init__(self, url: str, row: Mapping[str, object], *, limit: int = 5_000) -> None:
        self.answered: list[str] = []
        """Ids of the requests that were answered with 200."""
        self.outcomes: Counter[str] = Counter()
        """How many requests got which status, or which error of the connection."""
        self._url = f"{url}/predict"
        self._row = row
        self._limit = limit
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(60)

    def go_on(self, seconds: float) -> None:
        """Return after so long, or when the load has ended."""
        self._ended.wait(seconds)

    @property
    def failed(self) -> dict[str, int]:
        """Outcomes that are no answer."""
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}

    def _run(self) -> None:
        while not self._ended.is_set() and self.outcomes.total() < self._limit:
            try:
                status, _, headers = post(self._url, self._row)
            except OSError as error:
                self.outcomes[type(error).__name__] += 1
            else:
                self.outcomes[str(status)] += 1
                if status == 200:
                    self.answered.append({name.lower(): value for name, value in headers.items()}["x-request-id"])
            time.sleep(_PAUSE)
