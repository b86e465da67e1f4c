"""Ask two versions about the same rows, each in its own environment, by turns, and see how long each takes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, Final

from mlsandbox.actions.diff_rows import RowsToAsk
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.replaying import Answered, Request, answers_of
from mlsandbox.comparing.answers import Answer, Tolerance
from mlsandbox.comparing.comparison import Asked, Timing
from mlsandbox.data_rows import Row
from mlsandbox.packaging.package import Package

BATCH: Final = 500
"""Rows in one question."""
SINGLES: Final = 200
"""Rows that are asked about one by one, to see how long that takes."""
FEW_SINGLES: Final = 20
"""So many at least, however slow the versions are."""
_WARM: Final = 5
"""The first of them are not counted."""
_SINGLES_SECONDS: Final = 20.0
_TELL_SECONDS: Final = 1.0
_ONLY_ROW: Final = re.compile(r"(^|; )row 0, ")
"""Where a message names the row of a question that has one alone."""

Ask = Callable[[Package, Iterable[Request], Report], Iterator[Answered]]


class Asker:
    """One version that is asked, one question after the other.

    Args:
        answers: gives the answer to each request of `requests` before it takes the next one.
    """

    def __init__(self, package: Package, report: Report, ask: Ask) -> None:
        self._next: Request | None = None
        self.answers = ask(package, self._requests(), report)
        self.tolerance: Tolerance | None = Tolerance()
        self._asked = False

    def close(self) -> None:
        """End the program that answers."""
        self._next = None
        if self._asked:
            for _ in self.answers:
                pass

    def ask(self, rows: Sequence[Row]) -> tuple[list[Answer], float | None]:
        """Answers to some rows, and the seconds that the model took; None when some were refused."""
        said = self._said(rows)
        if said.error is None:
            probabilities = said.probabilities or [None] * len(rows)
            found = [Answer(value, scores) for value, scores in zip(said.predictions, probabilities, strict=True)]
            given = said.tolerance.get("predictions") if said.tolerance else None
            self.tolerance = Tolerance.from_json(given)
            return found, said.seconds
        if len(rows) == 1:
            return [Answer(code=said.error["code"], message=_ONLY_ROW.sub(r"\1", said.error["message"]))], None
        middle = len(rows) // 2
        return [*self.ask(rows[:middle])[0], *self.ask(rows[middle:])[0]], None

    def _said(self, rows: Sequence[Row]) -> Answered:
        names = dict.fromkeys(name for row in rows for name in row)
        self._next = Request(0, {name: [row.get(name) for row in rows] for name in names})
        self._asked = True
        return next(self.answers)

    def _requests(self) -> Iterator[Request]:
        while self._next is not None:
            request, self._next = self._next, None
            yield request


def ask_both(old: Package, new: Package, rows: RowsToAsk, *, rtol: float | None, report: Report, ask: Ask | None = None) -> Asked:
    """Ask both about all rows, then about some of them one by one; whose turn is first changes each time.

    Args:
        old: the first version.
        new: the second.
        rows: for each.
        rtol: how far numbers may be apart to be the same, as a part of the first; None: as the packages say.
        report: told how far it came.
        ask: answers requests; the default runs the packages.

    Raises:
        PackageTampered, PackagesUnreachable, PackagingFailed, PythonMissing, ReplayUnable: one of the versions cannot be asked.
    """
    with ExitStack() as stack:
        askers = [stack.enter_context(closing(Asker(package, report, ask or _by_replay))) for package in (old, new)]
        sides = (rows.old, rows.new)
        answers: tuple[list[Answer], list[Answer]] = ([], [])
        batches: tuple[list[float], list[float]] = ([], [])
        told = time.monotonic()
        for number, start in enumerate(range(0, len(rows.old), BATCH)):
            for side in _turns(number):
                part = sides[side][start : start + BATCH]
                found, seconds = askers[side].ask(part)
                answers[side].extend(found)
                if seconds is not None:
                    batches[side].append(seconds / len(part))
            if time.monotonic() - told >= _TELL_SECONDS:
                told = time.monotonic()
                report.step(f"Asked both about {len(answers[0]):,} of {len(rows.old):,} rows")
        both = [place for place, pair in enumerate(zip(*answers, strict=True)) if not any(each.refused for each in pair)]
        singles = _singles(askers, sides, both)
        tolerance = Tolerance(rtol) if rtol is not None else _wider(askers)
    one, other = (Timing(*map(tuple, each)) for each in zip(singles, batches, strict=True))
    return Asked(rows.source, rows.total, rows.old, *answers, tolerance, one, other, rows.new, rows.numbers, rows.counted)


def _by_replay(package: Package, requests: Iterable[Request], report: Report) -> Iterator[Answered]:
    return answers_of(package, requests, report=report.note)


def _turns(number: int) -> tuple[int, int]:
    return (0, 1) if number % 2 == 0 else (1, 0)


def _singles(askers: Sequence[Asker], sides: tuple[Sequence[Row], Sequence[Row]], places: Sequence[int]) -> tuple[list[float], list[float]]:
    """Seconds of single rows from all over, as many as there is time for."""
    taken: tuple[list[float], list[float]] = ([], [])
    if not places:
        return taken
    began = time.monotonic()
    for number in range(_WARM + SINGLES):
        place = places[number * len(places) // (_WARM + SINGLES)]
        for side in _turns(number):
            seconds = askers[side].ask((sides[side][place],))[1]
            if number >= _WARM and seconds is not None:
                taken[side].append(seconds)
        if number >= _WARM + FEW_SINGLES and time.monotonic() - began > _SINGLES_SECONDS:
            break
    return taken


def _wider(askers: Sequence[Asker]) -> Tolerance | None:
    """The more lenient of what the two packages say of their own answers."""
    given = [each.tolerance for each in askers if each.tolerance is not None]
    return max(given, key=lambda each: each.rtol, default=None)


def hidden_columns(package: Package) -> frozenset[str]:
    """Columns that were private or hashed when a version was packaged."""
    manifest: Mapping[str, Any] = package.manifest
    return frozenset([*(manifest.get("private") or ()), *(manifest.get("hashed") or ())])
