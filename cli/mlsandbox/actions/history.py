"""Who changed what answers, when and why; and which version answered at a given time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from mlsandbox.actions.records import records
from mlsandbox.errors import UsageError
from mlsandbox.ledger import Entry, Interval, champion_at, stamp
from mlsandbox.setting_kinds import parse_duration

_AS_IN: Final = 'as in: sandbox history --at 2026-11-03T10:00:00   or, in local time, --at "2026-11-03 10:00"   or --at "2h ago"'
_FRACTION: Final = re.compile(r":\d\d[.,]\d")
_SECOND, _MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """The time that was asked for, and how exactly."""

    time: datetime
    lasting: timedelta
    """As exactly as it was said: a millisecond with a fraction of seconds, else a second."""


@dataclass(frozen=True, slots=True)
class History:
    """The ledger, the newest entry last."""

    entries: tuple[Entry, ...]
    more: int
    """Older entries that were left out."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """A version that answered at the time, and why."""

    version: str
    digest: str
    began: str
    """From here on it may have answered …"""
    since: str
    """… and from here on nobody else did."""
    until: str | None
    """None: it still answers."""
    previous: str
    """Who answered before it; empty when nobody did."""
    action: str
    by: str
    reason: str
    endpoint: str
    ended_by: Entry | None


@dataclass(frozen=True, slots=True)
class ModelThen:
    """Who answered for one model."""

    model: str
    answered: tuple[Answered, ...]
    """Several while it was changed, the newest last; empty: nobody."""


@dataclass(frozen=True, slots=True)
class HistoryAt:
    """Who answered at a time."""

    at: str
    """In UTC."""
    models: tuple[ModelThen, ...]
    warnings: tuple[str, ...]


def history(root: Path, model: str | None = None, *, count: int | None = None) -> History:
    """The entries of the ledger.

    Args:
        root: the project's folder.
        model: only of this one.
        count: only the newest so many.

    Raises:
        UsageError: there is no such model.
        LedgerBroken: the ledger cannot be read at all.
    """
    known = records(root)
    chosen = known.chosen(model)
    entries = [entry for entry in known.entries if entry.model in chosen]
    shown = entries if count is None else entries[max(len(entries) - count, 0) :]
    return History(tuple(shown), len(entries) - len(shown), known.warnings)


def history_at(root: Path, moment: Moment, model: str | None = None) -> HistoryAt:
    """Who answered then.

    Args:
        root: the project's folder.
        moment: when.
        model: only of this one.

    Raises:
        UsageError: there is no such model.
        LedgerBroken: the ledger cannot be read at all.
    """
    known = records(root)
    then = tuple(ModelThen(each, _answered(known.entries, each, moment)) for each in known.chosen(model))
    return HistoryAt(stamp(moment.time.timestamp()), then, known.warnings)


def parse_moment(text: str, now: datetime) -> Moment:
    """The time that a text means (pure, but for the zone that times without one are in).

    Args:
        text: ISO 8601 with or without a zone (then local), "now", or how long ago: "90m", "2h ago".
        now: with a zone.

    Raises:
        UsageError: it is no such text, or lies in the future.
    """
    said = text.strip().removesuffix(" ago")
    try:
        ago = 0.0 if said == "now" else parse_duration(said)
        return Moment((now - timedelta(seconds=ago)).astimezone(UTC), _SECOND)
    except (ValueError, OverflowError):
        pass
    try:
        time = datetime.fromisoformat(said).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"--at {text!r} is no time", fix=_AS_IN) from None
    if time > now:
        raise UsageError(f"--at {text} is still to come", why=f"It is {now.astimezone():%Y-%m-%d %H:%M:%S %z} now.", fix=_AS_IN)
    return Moment(time, _MILLISECOND if _FRACTION.search(said) else _SECOND)


def _answered(entries: Iterable[Entry], model: str, moment: Moment) -> tuple[Answered, ...]:
    found: Sequence[Interval] = champion_at(entries, model, moment.time, moment.lasting)
    return tuple(
        Answered(
            version=each.version,
            digest=each.digest,
            began=stamp(each.began.timestamp()),
            since=stamp(each.since.timestamp()),
            until=None if each.until is None else stamp(each.until.timestamp()),
            previous=each.entry.previous,
            action=each.entry.action.value,
            by=each.entry.by,
            reason=each.entry.reason,
            endpoint=each.entry.endpoint,
            ended_by=each.ended,
        )
        for each in found
    )
