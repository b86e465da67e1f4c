"""Hand in labels of predictions from a file."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlsandbox.actions.label_rows import AnyLine, LabelRow, LineError, NoLabel
from mlsandbox.actions.outcomes import Report
from mlsandbox.endpoint import Endpoint
from mlsandbox.errors import FeedbackRefused, NotRunning, SandboxError

BATCH_LABELS: Final = 1_000
"""Labels in one request."""
_TOLD_ERRORS: Final = 20
_TELL_SECONDS: Final = 1.0
_INVALID: Final = 422


@dataclass(frozen=True, slots=True)
class FeedbackImport:
    """What became of the lines of a file."""

    file: Path
    model: str
    dry_run: bool
    lines: int
    """Lines that were read."""
    accepted: int
    """Labels that the service took; in a dry run those that it would be sent."""
    without_label: int
    """Lines whose label is empty: not known yet."""
    unknown: int
    """Labels taken that are none of the model's classes."""
    refused: int
    """Lines that hold no label."""
    errors: tuple[LineError, ...]
    """The first of those lines."""
    elapsed: float
    """Seconds."""


@dataclass(slots=True)
class _Tally:
    """What is counted on the way."""

    lines: int = 0
    accepted: int = 0
    without_label: int = 0
    unknown: int = 0
    refused: int = 0
    last_line: int = 0
    errors: list[LineError] = field(default_factory=list)

    def refuse(self, error: LineError) -> None:
        self.refused += 1
        if len(self.errors) < _TOLD_ERRORS:
            self.errors.append(error)


def import_labels(
    endpoint: Endpoint,
    file: Path,
    lines: Iterable[AnyLine],
    *,
    model: str,
    output: Mapping[str, Any],
    size: int,
    dry_run: bool,
    report: Report,
) -> FeedbackImport:
    """Hand in every label of a file, in order, many at a time; lines that hold none are told and left out.

    Args:
        endpoint: of the model.
        file: its path.
        lines: of the file.
        model: its name.
        output: of its schema.
        size: most labels in one request.
        dry_run: send nothing.
        report: told how far it came.

    Raises:
        FeedbackRefused, NotRunning: labels cannot be handed in any more; says how far it came.
    """
    began = told = time.monotonic()
    tally = _Tally()
    classes = frozenset(output.get("classes") or ())
    for batch in _batches(lines, size, tally):
        taken = batch if dry_run else _send(endpoint, batch, tally)
        tally.accepted += len(taken)
        tally.unknown += sum(each.label not in classes for each in taken) if classes else 0
        tally.last_line = batch[-1].line
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            report.step(f"{tally.accepted:,} labels taken")
    return FeedbackImport(
        file=file,
        model=model,
        dry_run=dry_run,
        lines=tally.lines,
        accepted=tally.accepted,
        without_label=tally.without_label,
        unknown=tally.unknown,
        refused=tally.refused,
        errors=tuple(sorted(tally.errors, key=lambda each: each.line)),
        elapsed=time.monotonic() - began,
    )


def _batches(lines: Iterable[AnyLine], size: int, tally: _Tally) -> Iterator[list[LabelRow]]:
    batch: list[LabelRow] = []
    for each in lines:
        tally.lines += 1
        if isinstance(each, LabelRow):
            batch.append(each)
        elif isinstance(each, NoLabel):
            tally.without_label += 1
        else:
            tally.refuse(each)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _send(endpoint: Endpoint, batch: list[LabelRow], tally: _Tally) -> list[LabelRow]:
    """Those of the labels that were taken; what the service names as none is left out, and the others are sent again."""
    left = batch
    while left:
        try:
            endpoint.feedback([each.to_json() for each in left])
        except (FeedbackRefused, NotRunning) as error:
            faults = _faults(error, len(left))
            if not faults:
                raise _stopped(error, tally) from error
            for place, message in faults.items():
                tally.refuse(LineError(left[place].line, message))
            left = [each for place, each in enumerate(left) if place not in faults]
        else:
            break
    return left


def _faults(error: SandboxError, count: int) -> dict[int, str]:
    """What the service says of items that are no labels, by their places; empty when it says something else."""
    details = error.details.get("details")
    if error.details.get("status") != _INVALID or not isinstance(details, dict):
        return {}
    found: dict[int, str] = {}
    for fault in details.get("faults", []):
        if isinstance(fault.get("item"), int) and 0 <= fault["item"] < count:
            found.setdefault(fault["item"], f"{fault.get('field') or 'the line'}: expected {fault.get('expected')}, got {fault.get('got')}")
    return found


def _stopped(error: SandboxError, tally: _Tally) -> SandboxError:
    if not tally.accepted:
        return error
    return FeedbackRefused(
        f"{tally.accepted} labels, up to line {tally.last_line}, are taken; then {error.what}",
        why=error.why,
        fix=f"{error.fix}   then hand in the whole file again: what comes twice counts once",
        details={**error.details, "accepted": tally.accepted, "line": tally.last_line},
    )
