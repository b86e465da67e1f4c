"""Text of the ledger: its entries, who answered when, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from mlsandbox.actions.history import Answered, History, HistoryAt, ModelThen
from mlsandbox.actions.ledger_check import LedgerCheck
from mlsandbox.ledger import Action, Entry, moment
from mlsandbox.output import Paint
from mlsandbox.views.tables import table

_WORDS = {
    Action.PACKAGED: "packaged",
    Action.STARTED: "started again",
    Action.DEPLOYED: "deployed",
    Action.PROMOTED: "promoted",
    Action.ROLLED_BACK: "rolled back to",
    Action.RETIRED: "retired",
    Action.STOPPED: "stopped",
    Action.REMOVED: "package removed",
}


def history_text(result: History, paint: Paint) -> str:
    """Entries as a table, the newest last, with times as they are here."""
    if not result.entries:
        return "the ledger is empty: nothing was packaged yet; sandbox up packages the model and starts it"
    several = len({each.model for each in result.entries}) > 1
    rows = [
        (here(each.time), *((each.model,) if several else ()), each.version, action_text(each), each.by, " ".join(each.reason.split()))
        for each in result.entries
    ]
    head, *body = table(("when", *(("model",) if several else ()), "version", "what", "by", "why"), rows).splitlines()
    older = [paint.dim(f"… and {result.more} before these: sandbox history -n {result.more + len(result.entries)}")] if result.more else []
    return "\n".join([*older, paint.strong(head), *body])


def action_text(entry: Entry) -> str:
    """What was done, as in "promoted, v1 before" or "challenged, 10 % of the requests"."""
    if entry.action is Action.CHALLENGED:
        shadow, percent = entry.facts.get("shadow"), entry.facts.get("percent")
        return "tried on copies of all requests" if shadow else f"tried on {percent:g} % of the requests" if percent else "tried"
    return _WORDS[entry.action] + (f", {entry.previous} before" if entry.previous and entry.previous != entry.version else "")


def history_at_text(result: HistoryAt, paint: Paint) -> str:
    """Who answered then, for each model."""
    if not result.models:
        return "the ledger is empty: nothing was packaged yet; sandbox up packages the model and starts it"
    return "\n".join(line for each in result.models for line in _then(each, result.at, paint))


def check_text(result: LedgerCheck) -> str:
    """That the ledger is whole, and what stands for it."""
    if not result.entries:
        return f"the ledger is empty: {result.file}"
    lines = [
        f"the ledger is whole: {_count(result.entries)}, from {here(result.first)} to {here(result.last)}",
        f"  head {result.head}",
        f"  file {result.file}",
    ]
    torn = "  At its end is a part of an entry whose writing was interrupted; the next entry sets it aside."
    return "\n".join([*lines, *([torn] if result.torn else [])])


def here(text: str | None, *, exact: bool = False) -> str:
    """A time of the ledger as it is on clocks here, "2026-11-03 10:00:00", as `--at` takes it; `exact`: with milliseconds."""
    if not text:
        return ""
    time = moment(text).astimezone().replace(tzinfo=None)
    return time.isoformat(sep=" ", timespec="milliseconds" if exact else "seconds")


def _then(then: ModelThen, at: str, paint: Paint) -> Iterator[str]:
    asked = here(at, exact=not at.endswith(".000Z"))
    if not then.answered:
        yield f"{paint.strong(then.model)}: nobody answered at {asked}"
        return
    if len(then.answered) == 1:
        (only,) = then.answered
        yield f"{paint.strong(f'{then.model} {only.version}')} answered at {asked}"
    else:
        names = " and ".join(each.version for each in then.answered)
        yield f"{paint.strong(then.model)}: {names} answered at {asked}, while it was changed"
    for each in then.answered:
        yield from _facts(each, several=len(then.answered) > 1)


def _facts(answered: Answered, *, several: bool) -> Iterator[str]:
    name = f"{answered.version} " if several else ""
    since, until = here(answered.since, exact=True), here(answered.until, exact=True) or "now"
    switch = moment(answered.since) - moment(answered.began)
    milliseconds = f"{switch / timedelta(milliseconds=1):.0f} ms"
    took = (
        f" (the switch to it took {milliseconds})" if answered.previous else f" (started {milliseconds} before; it may have answered then)"
    )
    took = took if switch else ""
    yield f"  {name}since {since}{took}, until {until}"
    why = f": {answered.reason}" if answered.reason else ""
    yield f"  {name}{_WORDS[Action(answered.action)]} by {answered.by}{why}"
    if answered.ended_by is not None:
        ended = answered.ended_by
        by = "stopped" if ended.action is Action.STOPPED else f"{ended.version} {_WORDS[ended.action]}"
        yield f"  {name}ended: {by} by {ended.by}{f': {ended.reason}' if ended.reason else ''}"
    yield f"  {name}{answered.digest}"


def _count(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries} entries"


def lasted(since: str | None) -> datetime | None:
    """The time of a text, for `tables.ago`; None of none."""
    return moment(since) if since else None
