"""Send rows of the reference with one column changed, evenly over a time, to one endpoint."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mlsandbox.actions.drift_rows import Known
from mlsandbox.actions.drift_shift import Change
from mlsandbox.actions.outcomes import Report
from mlsandbox.data_rows import Row
from mlsandbox.endpoint import Endpoint
from mlsandbox.errors import PredictionFailed, UsageError

MOST_RATE: Final = 10_000
MOST_SECONDS: Final = 3_600.0
MOST_ROWS: Final = 1_000_000
_REQUESTS_PER_SECOND: Final = 10
_TELL_SECONDS: Final = 2.0
_INVALID: Final = 422
_HOPELESS: Final = 100
"""So many rows refused before one was taken: the rest will be as well."""
_TOLD_REFUSALS: Final = 5


@dataclass(frozen=True, slots=True)
class Dose:
    """How much is sent.

    Args:
        rate: rows per second.
        seconds: how long.
        size: most rows in one request.
    """

    rate: int
    seconds: float
    size: int

    @property
    def rows(self) -> int:
        return max(round(self.rate * self.seconds), 1)

    @property
    def batch(self) -> int:
        """Rows in one request: a tenth of a second's."""
        return max(1, min(self.size, self.rate // _REQUESTS_PER_SECOND))


@dataclass(frozen=True, slots=True)
class Injection:
    """What was sent."""

    model: str
    version: str
    column: str
    shift: str
    source: str
    known: int
    """Rows that were drawn from."""
    total: int
    """Rows that there are; more than `known` when these are a sample."""
    planned: int
    sent: int
    """Rows that the endpoint answered."""
    changed: int
    """Those of them whose value was another one than in the reference."""
    refused: int
    """Rows that it did not take."""
    refusals: Mapping[str, int]
    """Why, and how often."""
    elapsed: float
    """Seconds."""
    link: str | None = None
    """A dashboard that shows it."""
    dry_run: bool = False


@dataclass(slots=True)
class _Tally:
    sent: int = 0
    changed: int = 0
    refused: int = 0
    refusals: dict[str, int] = field(default_factory=dict)

    def refuse(self, why: str, rows: int = 1) -> None:
        self.refused += rows
        if why in self.refusals or len(self.refusals) < _TOLD_REFUSALS:
            self.refusals[why] = self.refusals.get(why, 0) + rows


Drawn = tuple[Row, bool]
"""A row, and whether it differs from that of the reference."""


def check_dose(rate: int, seconds: float, size: int) -> Dose:
    """The dose, within bounds.

    Raises:
        UsageError: it is out of them.
    """
    if not 1 <= rate <= MOST_RATE or not 0 < seconds <= MOST_SECONDS or rate * seconds > MOST_ROWS:
        raise UsageError(
            f"{rate} rows a second for {seconds:g} s are out of bounds",
            why=f"At most {MOST_RATE:,} rows a second, {MOST_SECONDS:g} s, and {MOST_ROWS:,} rows in all.",
            fix="write it as in: sandbox drift inject --column NAME --shift 1sd --for 30s --rate 100",
        )
    return Dose(rate, seconds, size)


def drawn_rows(known: Known, column: str, change: Change) -> Iterator[Drawn]:
    """Rows drawn with replacement, without end, with the change applied to its share of them; the same ones each time."""
    chance = random.Random(0)  # noqa: S311 - test data, not a secret
    while True:
        row = known.rows[chance.randrange(len(known.rows))]
        hit = column in row and chance.random() < change.share
        value = change.of(row[column]) if hit else None
        yield ({**row, column: value}, value != row[column]) if hit else (row, False)


def send(endpoint: Endpoint, known: Known, column: str, change: Change, dose: Dose, *, shift: str, model: str, report: Report) -> Injection:
    """Send the rows, evenly over the time.

    Args:
        endpoint: of the model.
        known: rows to draw from.
        column: that is changed.
        change: what happens to it.
        dose: how much.
        shift: the change in words.
        model: its name.
        report: told how far it came.

    Raises:
        PredictionFailed: the endpoint takes none of these rows, or fails; says how many it took before.
        NotRunning: it is gone.
    """
    rows, tally, version = drawn_rows(known, column, change), _Tally(), ""
    began = told = time.monotonic()
    offered = 0
    while offered < dose.rows:
        now = time.monotonic()
        if now - began > dose.seconds:
            break
        due = began + offered / dose.rate
        if due > now:
            time.sleep(min(due - now, 1.0))
            continue
        batch = [next(rows) for _ in range(min(dose.batch, dose.rows - offered))]
        offered += len(batch)
        version = _send(endpoint, batch, tally) or version
        if not tally.sent and tally.refused >= min(_HOPELESS, dose.rows):
            raise _hopeless(tally, column)
        if now - told >= _TELL_SECONDS:
            told = now
            report.step(f"{tally.sent:,} of {dose.rows:,} rows sent")
    elapsed = time.monotonic() - began
    return Injection(
        model=model,
        version=version,
        column=column,
        shift=shift,
        source=known.source,
        known=len(known.rows),
        total=known.total,
        planned=dose.rows,
        sent=tally.sent,
        changed=tally.changed,
        refused=tally.refused,
        refusals=tally.refusals,
        elapsed=elapsed,
    )


def planned(known: Known, column: str, dose: Dose, *, shift: str, model: str, version: str) -> Injection:
    """What `send` would send."""
    return Injection(model, version, column, shift, known.source, len(known.rows), known.total, dose.rows, 0, 0, 0, {}, 0.0, dry_run=True)


def _send(endpoint: Endpoint, batch: list[Drawn], tally: _Tally) -> str:
    """Send rows in one request, again without those that are refused; the version that answered, "" when none was left."""
    left = batch
    while left:
        try:
            answer = endpoint.predict({"rows": [row for row, _ in left]})
        except PredictionFailed as error:
            if error.details.get("status") != _INVALID:
                raise _stopped(error, tally) from error
            faults = _faults(error, len(left))
            for why in faults.values():
                tally.refuse(why)
            if not faults:
                tally.refuse(error.why or error.what, len(left))
                return ""
            left = [each for place, each in enumerate(left) if place not in faults]
        else:
            tally.sent += len(left)
            tally.changed += sum(is_changed for _, is_changed in left)
            return str(answer.body["version"])
    return ""


def _faults(error: PredictionFailed, count: int) -> dict[int, str]:
    """Why rows were refused, by their places."""
    details = error.details.get("details")
    found: dict[int, str] = {}
    for fault in details.get("faults", []) if isinstance(details, dict) else []:
        place: Any = fault.get("row")
        if isinstance(place, int) and 0 <= place < count:
            found.setdefault(place, f"column {fault.get('column')!r}: {fault.get('problem')}, expected {fault.get('expected')}")
    return found


def _hopeless(tally: _Tally, column: str) -> PredictionFailed:
    return PredictionFailed(
        f"the endpoint took none of the first {tally.refused} rows",
        why="\n".join(tally.refusals),
        fix=f"choose a smaller change that column {column!r} can hold: sandbox drift inject --help",
        details={"refused": tally.refused, "refusals": dict(tally.refusals)},
    )


def _stopped(error: PredictionFailed, tally: _Tally) -> PredictionFailed:
    if not tally.sent:
        return error
    details = {**error.details, "sent": tally.sent}
    return PredictionFailed(f"{tally.sent} rows were sent; then {error.what}", why=error.why, fix=error.fix, details=details)
