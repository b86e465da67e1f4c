"""One entry of the ledger: what happened to one version of one model, from when on, by whom and why (pure)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Action(StrEnum):
    """What was done."""

    PACKAGED = "packaged"
    STARTED = "started"
    """The stack came up again, and the same version answers as before it was stopped."""
    DEPLOYED = "deployed"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    CHALLENGED = "challenged"
    RETIRED = "retired"
    """It runs no longer beside the champion."""
    STOPPED = "stopped"
    """No version of the model answers from here on."""
    REMOVED = "removed"
    """Its package is gone."""


ANSWERS: Final = frozenset({Action.STARTED, Action.DEPLOYED, Action.PROMOTED, Action.ROLLED_BACK})
"""From each of these on its version is the champion, until the next of these or STOPPED."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it is written: the ledger gives it its sequence and its author, and its time when it has none.

    Args:
        action: what was done.
        model: to which model.
        version: and to which version of it, "v3".
        digest: of that version's package, "sha256:…".
        reason: why, in the words of who did it.
        endpoint: the front that it answers at, "api"; empty when it answers at none.
        previous: the champion before; empty when there was none.
        time: when it took effect, as `stamp` writes it; of a switch, when it ended.
        began: of a switch: from here on this version may have answered, and until `time` the one before; empty: there was no such time.
        facts: whatever else is to be known, as JSON has it.
    """

    action: Action
    model: str
    version: str
    digest: str
    reason: str = ""
    endpoint: str = ""
    previous: str = ""
    time: str = ""
    began: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it stands in the ledger; `sequence` counts from 1, `by` is "user@host", the rest as in `Draft`."""

    sequence: int
    time: str
    action: Action
    model: str
    version: str
    digest: str
    by: str
    reason: str = ""
    endpoint: str = ""
    previous: str = ""
    began: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def says(self) -> str:
        """The entry in one line, as in "entry 3: v2 of churn was promoted at 2026-11-03T10:00:00.000Z by ada@mill"."""
        return f"entry {self.sequence}: {self.version} of {self.model} was {self.action} at {self.time} by {self.by}"


def entry_of(draft: Draft, *, sequence: int, time: str, by: str) -> Entry:
    """The entry that a draft becomes; its own time goes before `time`, and its facts are what JSON makes of them."""
    said = {each.name: getattr(draft, each.name) for each in fields(Draft)}
    reason = draft.reason.encode("utf-8", "backslashreplace").decode("utf-8")  # a terminal may hand over bytes that are no text
    facts = json.loads(json.dumps(dict(draft.facts)))
    return Entry(sequence=sequence, by=by, **{**said, "time": draft.time or time, "reason": reason, "facts": facts})


def document_of(entry: Entry) -> dict[str, Any]:
    """An entry as JSON has it; what it does not say is left out, but for a digest that nobody knows."""
    return {name: value for name, value in asdict(entry).items() if value not in ("", {}) or name == "digest"}


def read_entry(document: Mapping[str, Any]) -> Entry:
    """An entry of its document.

    Raises:
        ValueError, TypeError: it is none that this version of the tool writes.
    """
    entry = Entry(**{**document, "action": Action(document.get("action", ""))})
    for each in fields(Entry):
        value, kind = getattr(entry, each.name), {"sequence": int, "facts": dict}.get(each.name, str)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{each.name} is {value!r}")
    for text in (entry.time, entry.began):
        if text:
            moment(text)
    return entry


def stamp(epoch: float, *, up: bool = False) -> str:
    """Seconds since 1970 as the ledger has them, "2026-11-03T10:00:00.000Z": to the millisecond before, or with `up` after."""
    thousandths = round(epoch * 1e6) / 1e3
    whole = math.ceil(thousandths) if up else math.floor(thousandths)
    return (_EPOCH + timedelta(milliseconds=whole)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The time that `stamp` wrote.

    Raises:
        ValueError: the text is no time with a zone.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return time.astimezone(UTC)
