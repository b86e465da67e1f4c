"""What the entries of the ledger say about who answered when (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlsandbox.ledger.entry import ANSWERS, Action, Entry, moment

_NO_TIME: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Interval:
    """A time for which one version of a model did what `entry` says."""

    entry: Entry
    """What began it."""
    began: datetime
    """Before this it did not answer …"""
    since: datetime
    """… and from this on no other version did: the two are the ends of the switch, and the same where nothing was switched."""
    until: datetime | None = None
    """From this on it did not answer; None: it still does."""
    ended: Entry | None = None
    """What ended it."""

    @property
    def version(self) -> str:
        return self.entry.version

    @property
    def digest(self) -> str:
        return self.entry.digest


def intervals(entries: Iterable[Entry], model: str) -> tuple[Interval, ...]:
    """Who was the model's champion from when until when, in the order of the ledger. A champion that goes on is one interval."""
    found: list[Interval] = []
    for entry in _of(entries, model):
        current = found[-1] if found and found[-1].until is None else None
        if entry.action not in ANSWERS and entry.action is not Action.STOPPED:
            continue
        if current is not None and entry.action is not Action.STOPPED and _same(current.entry, entry):
            continue
        if current is not None:
            found[-1] = _ended(current, entry)
        if entry.action in ANSWERS:
            found.append(_begun(entry))
    return tuple(found)


def challengers(entries: Iterable[Entry], model: str) -> tuple[Interval, ...]:
    """Which versions were tried beside the champion, from when until when; one that runs with another share is a new interval.

    A stack that is stopped and started again has the same challenger, so being stopped ends none.
    """
    found: list[Interval] = []
    for entry in _of(entries, model):
        current = found[-1] if found and found[-1].until is None else None
        leaves = entry.action in {Action.RETIRED, Action.REMOVED} or entry.action in ANSWERS
        if current is not None and (entry.action is Action.CHALLENGED or (leaves and _same(current.entry, entry))):
            found[-1] = _ended(current, entry)
        if entry.action is Action.CHALLENGED:
            found.append(_begun(entry))
    return tuple(found)


def champion_at(entries: Iterable[Entry], model: str, time: datetime, lasting: timedelta = _NO_TIME) -> tuple[Interval, ...]:
    """Who answered at a time, or within `lasting` from it on: nobody, one, or several when it was changed then, the newest last."""
    return tuple(each for each in intervals(entries, model) if _overlaps(each, time, time + lasting))


def where(entries: Sequence[Entry]) -> Mapping[str, Interval]:
    """For each model that answers who does, and since when."""
    last = {model: intervals(entries, model)[-1:] for model in models(entries)}
    return {model: found[0] for model, found in last.items() if found and found[0].until is None}


def models(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The models that the ledger knows, in the order in which they came."""
    return tuple(dict.fromkeys(entry.model for entry in entries))


def previous_champion(entries: Iterable[Entry], model: str) -> Entry | None:
    """What made the version the champion that a rollback goes back to; None: there is none.

    A version that was rolled back from is not gone back to: after v1, v2, v3 and one rollback it is v1. Neither is one whose package was
    removed.
    """
    line: list[Entry] = []
    removed: set[tuple[str, str]] = set()
    for entry in _of(entries, model):
        if entry.action is Action.REMOVED:
            removed.add(_identity(entry))
        elif entry.action is Action.PACKAGED:
            removed.discard(_identity(entry))
        elif entry.action is Action.ROLLED_BACK:
            line = _rolled_back(line, entry)
        elif entry.action in ANSWERS and not (line and _same(line[-1], entry)):
            line.append(entry)
    return next((each for each in reversed(line[:-1]) if not _same(each, line[-1]) and _identity(each) not in removed), None)


def answered_since(entries: Sequence[Entry], model: str, time: datetime) -> tuple[str, ...]:
    """The versions that were the champion or a challenger at any time since then, in the order in which they first were."""
    known = sorted((*intervals(entries, model), *challengers(entries, model)), key=lambda each: each.entry.sequence)
    return tuple(dict.fromkeys(each.version for each in known if each.until is None or each.until > time))


def _rolled_back(line: Sequence[Entry], entry: Entry) -> list[Entry]:
    """The line of champions without those that were rolled back from."""
    back = next((index for index in range(len(line) - 2, -1, -1) if _same(line[index], entry)), None)
    return [*line[:-1], entry] if back is None else [*line[:back], entry]


def _overlaps(interval: Interval, start: datetime, end: datetime) -> bool:
    """Whether it has a moment in common with [start, end), or with `start` alone where that is empty."""
    return (interval.began < end or interval.began <= start) and (interval.until is None or start < interval.until)


def _begun(entry: Entry) -> Interval:
    since = moment(entry.time)
    return Interval(entry, min(since, moment(entry.began)) if entry.began else since, since)


def _ended(interval: Interval, entry: Entry) -> Interval:
    return Interval(interval.entry, interval.began, interval.since, moment(entry.time), entry)


def _of(entries: Iterable[Entry], model: str) -> Iterable[Entry]:
    return (entry for entry in entries if entry.model == model)


def _same(one: Entry, other: Entry) -> bool:
    return _identity(one) == _identity(other)


def _identity(entry: Entry) -> tuple[str, str]:
    return entry.version, entry.digest
