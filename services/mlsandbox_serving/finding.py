"""What the programs that find events share: their conditions, their output and their end; see `contract.Finder`.

They are started for every `sandbox logs`: only what loads in no time is imported here.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from mlsandbox_serving.contract import Dataset, Field, Finder, LogTable

POLL_SECONDS: Final = 0.2


class Conditions(NamedTuple):
    """Which events are wanted; everything given must hold."""

    requests: bool = False
    """Answers to requests, good or bad, alone."""
    errors: bool = False
    drift: bool = False
    """Alerts of drift that were raised or cleared, alone."""
    outliers: bool = False
    """Rows unlike the reference, alone."""
    predictions: bool = False
    """Predictions alone, each with `Finder.FITS`."""
    request_id: str | None = None
    level: str | None = None
    """This one of `LogTable.LEVELS` or a more severe one."""
    model: str | None = None
    version: str | None = None
    since: float | None = None
    """Epoch seconds, inclusive."""
    limit: int = 100
    """How many at most: the newest."""
    rows: int | None = None
    """Newest first, and no more events than hold so many rows together, but for the first one, which always comes."""
    follow: bool = False
    """Then every new one; not with `rows`."""

    @property
    def datasets(self) -> tuple[str, ...]:
        """An event is of all of these, which of more than one none is."""
        named = (
            (self.errors, Dataset.ERROR),
            (self.drift, Dataset.DRIFT),
            (self.outliers, Dataset.OUTLIERS),
            (self.predictions, Dataset.PREDICTION),
        )
        return tuple(dataset for is_wanted, dataset in named if is_wanted)


class FindFailed(Exception):
    """Events cannot be found; `code` is one of `contract.Finder`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code: Final = code


def within(rows: int, newest_first: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The first events, until the next one would make it more rows than that; the first one in any case."""
    taken = 0
    for event in newest_first:
        predictions = event.get(Field.PREDICTIONS)
        held = len(predictions) if isinstance(predictions, list) else 0
        if taken and taken + held > rows:
            return
        taken += held
        yield event


def run_finder(find: Callable[[Conditions], Iterator[dict[str, Any] | None]]) -> int:
    """Read the conditions, write what is found, and return the exit code.

    Args:
        find: given the conditions, yields events and, while it follows, None when there is nothing new for now. Raises FindFailed.
    """
    try:
        wanted = parse(sys.stdin.buffer.readline())
        for event in find(wanted):
            if event is not None:
                _write(_checked(event) if wanted.predictions else event)
            elif _reader_is_gone():
                return 0
    except FindFailed as failure:
        sys.stderr.write(json.dumps({"error": {"code": failure.code, "message": str(failure)}}, ensure_ascii=False) + "\n")
        return Finder.FAILED
    except (BrokenPipeError, KeyboardInterrupt):
        _discard_output()
    return 0


def parse(line: bytes) -> Conditions:
    """The conditions of one line.

    Raises:
        FindFailed: they are none.
    """
    try:
        conditions = Conditions(**json.loads(line))
    except (TypeError, ValueError) as error:
        raise FindFailed(Finder.INVALID, f"these are no conditions: {error}") from error
    if conditions.level is not None and conditions.level not in LogTable.LEVELS:
        raise FindFailed(Finder.INVALID, f"{conditions.level!r} is no level; these are: {', '.join(LogTable.LEVELS)}")
    if conditions.follow and conditions.rows is not None:
        raise FindFailed(Finder.INVALID, "events are followed in the order of their time, and the newest rows come in the opposite one")
    return conditions


def _checked(event: dict[str, Any]) -> dict[str, Any]:
    """The event and whether it is as it was written."""
    from mlsandbox_serving.event_digest import fits  # noqa: PLC0415 - what most who ask do not need

    return {**event, Finder.FITS: fits(event)}


def _write(event: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def _reader_is_gone() -> bool:
    """Wait a moment for the end of standard input."""
    ready, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
    return bool(ready) and not os.read(sys.stdin.fileno(), 4096)


def _discard_output() -> None:
    """Nobody reads any more: what is buffered must not complain at our end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
