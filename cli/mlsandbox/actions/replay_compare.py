"""A logged prediction and what its package says again: equal, within the package's tolerance, or different (pure)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from mlsandbox.actions.replaying import Answered
from mlsandbox_serving.contract import Field, Finder

_SHOWN_VALUES: Final = 5
"""Differences that are kept of one request."""
_SHOWN_COLUMNS: Final = 6


class Verdict(StrEnum):
    """What came of replaying one logged prediction, the worst last."""

    EQUAL = "equal"
    WITHIN = "within-tolerance"
    CANNOT = "cannot"
    DIFFERENT = "different"
    TAMPERED = "tampered"


@dataclass(frozen=True, slots=True)
class ValueDifference:
    """One value that is not what was logged.

    Args:
        row: of the request, from 0.
        output: "prediction", "prediction 2" of several, or "probability of 'yes'".
        logged: in the event.
        replayed: now.
        delta: replayed minus logged; None where these are no numbers.
        inputs: the first columns of the row, as they were logged.
    """

    row: int
    output: str
    logged: Any
    replayed: Any
    delta: float | None
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one logged prediction.

    Args:
        request_id: of its request.
        event_id: of the event.
        time: of the request.
        model: that answered.
        version: that answered.
        digest: of the package that answered.
        rows: of the request.
        compared: of these rows.
        verdict: in one word.
        why: in a sentence; empty when it is equal.
        differing: values that differ.
        differences: the first of them.
        sealed: whether the event has a digest, by which a change of it would be known.
    """

    request_id: str
    event_id: str
    time: str
    model: str
    version: str
    digest: str
    rows: int
    compared: int
    verdict: Verdict
    why: str = ""
    differing: int = 0
    differences: tuple[ValueDifference, ...] = ()
    sealed: bool = True


def judged(
    event: Mapping[str, Any], verdict: Verdict, why: str = "", *, compared: int = 0, differences: Sequence[ValueDifference] = ()
) -> Replayed:
    """A verdict on an event."""
    rows = event.get(Field.ROWS)
    return Replayed(
        request_id=str(event.get(Field.REQUEST_ID) or ""),
        event_id=str(event.get(Field.EVENT_ID) or ""),
        time=str(event.get(Field.TIMESTAMP) or ""),
        model=str(event.get(Field.MODEL) or ""),
        version=str(event.get(Field.VERSION) or ""),
        digest=str(event.get(Field.DIGEST) or ""),
        rows=rows if isinstance(rows, int) else 0,
        compared=compared,
        verdict=verdict,
        why=why,
        differing=len(differences),
        differences=tuple(differences[:_SHOWN_VALUES]),
        sealed=event.get(Finder.FITS) is not None,
    )


def tampered(event: Mapping[str, Any], *, has_digest: bool) -> Replayed | None:
    """The verdict on an event that is not as it was written; None: it is, or nobody can say.

    Args:
        event: as it was found.
        has_digest: whether its package writes a digest into each.
    """
    fits = event.get(Finder.FITS)
    if fits is False:
        return judged(event, Verdict.TAMPERED, "the event is not as it was written: its digest does not fit")
    if fits is None and has_digest:
        return judged(event, Verdict.TAMPERED, "the event is not as it was written: its digest was taken out")
    return None


def why_not(event: Mapping[str, Any], guarded: Collection[str], columns: Sequence[str]) -> str | None:
    """Why the rows of an event cannot be asked about again; None: they can.

    Args:
        event: as it was found.
        guarded: columns of the package that are private or hashed.
        columns: that the package takes.
    """
    inputs, predictions = event.get(Field.INPUTS), event.get(Field.PREDICTIONS)
    if not isinstance(predictions, list):
        return "its predictions are not in the event"
    if guarded:
        names = ", ".join(sorted(guarded))
        return (
            f"{'column' if len(guarded) == 1 else 'columns'} {names} {'is' if len(guarded) == 1 else 'are'} logged as a hash, or not at all"
        )
    if inputs is None:
        return "its inputs were not logged (log_inputs)"
    if not isinstance(inputs, Mapping) or sorted(inputs) != sorted(columns):
        return "the columns in the event are not those of the package"
    if any(not isinstance(values, list) or len(values) != len(predictions) for values in inputs.values()):
        return "the event does not hold as many rows as predictions"
    return None


def compared(event: Mapping[str, Any], answer: Answered, classes: Sequence[Any] | None) -> Replayed:
    """Hold what a package answered now to what was logged.

    Args:
        event: the logged prediction.
        answer: to its rows.
        classes: of a classifier, in the order of the probabilities.
    """
    if answer.error is not None:
        return judged(event, Verdict.DIFFERENT, f"it was answered then, and now: {answer.error['code']}: {answer.error['message']}")
    logged, scores = event[Field.PREDICTIONS], event.get(Field.PROBABILITIES)
    if len(answer.predictions) != len(logged) or (scores is None) != (answer.probabilities is None):
        return judged(event, Verdict.DIFFERENT, "what is answered now has another form than what was logged")
    outputs = [("predictions", logged, answer.predictions)]
    if scores is not None:
        outputs.append(("probabilities", scores, answer.probabilities or []))
    exact = True
    differences: list[ValueDifference] = []
    for name, then, now in outputs:
        bound = answer.tolerance.get(name)
        for row, place, old, new in _pairs(then, now):
            if _same(old, new):
                continue
            exact = False
            if not _near(old, new, bound):
                differences.append(_difference(event, row, _named(name, place, classes), old, new))
    rows, total = len(logged), event.get(Field.ROWS, len(logged))
    part = f"the first {rows} of {total} rows, which alone were logged" if rows != total else ""
    verdict = Verdict.DIFFERENT if differences else Verdict.EQUAL if exact else Verdict.WITHIN
    return judged(event, verdict, part, compared=rows, differences=differences)


def _pairs(then: Sequence[Any], now: Sequence[Any]) -> Iterator[tuple[int, int | None, Any, Any]]:
    """Row, place in it, and both values; a row whose form differs is one value."""
    for row, (old, new) in enumerate(zip(then, now, strict=True)):
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for place, (one, other) in enumerate(zip(old, new, strict=True)):
                yield row, place, one, other
        else:
            yield row, None, old, new


def _same(old: Any, new: Any) -> bool:
    return isinstance(old, bool) == isinstance(new, bool) and bool(old == new)


def _near(old: Any, new: Any, bound: Mapping[str, float] | None) -> bool:
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return all(_same(one, other) or _near(one, other, bound) for one, other in zip(old, new, strict=True))
    if bound is None or not (_is_number(old) and _is_number(new)):
        return False
    return math.isfinite(new) and abs(new - old) <= bound["atol"] + bound["rtol"] * abs(old)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _named(output: str, place: int | None, classes: Sequence[Any] | None) -> str:
    if output == "probabilities":
        known = classes is not None and place is not None and place < len(classes)
        return f"probability of {classes[place]!r}" if known and classes is not None and place is not None else f"probability {place}"
    return "prediction" if place is None else f"prediction {place}"


def _difference(event: Mapping[str, Any], row: int, output: str, old: Any, new: Any) -> ValueDifference:
    inputs = event.get(Field.INPUTS) or {}
    shown = {name: inputs[name][row] for name in list(inputs)[:_SHOWN_COLUMNS]}
    return ValueDifference(row, output, old, new, new - old if _is_number(old) and _is_number(new) else None, shown)
