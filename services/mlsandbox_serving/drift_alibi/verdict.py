"""What the engine says: frozen values, made to be shown, exported and sent; beside `mlsandbox_serving.drift.verdict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mlsandbox_serving.drift.streams import Kind


class Status(StrEnum):
    """Whether the engine works."""

    LOADING = "loading"
    """alibi-detect is being imported; windows wait."""
    READY = "ready"
    FAILED = "failed"
    """alibi-detect cannot be imported; every window is an error."""


class Method(StrEnum):
    """How a column is compared."""

    NUMBERS = "kolmogorov-smirnov"
    CATEGORIES = "chi-squared"
    MISSING = "chi-squared of missing"


@dataclass(frozen=True, slots=True)
class ColumnResult:
    """One column of one window.

    Args:
        column: its name.
        kind: what it is about; whether values are missing is OUTLIERS, as with the native engine.
        method: how it was compared.
        rows: of the window, without those that have no value here.
        p_value: probability of such a distance by chance.
        distance: the statistic of the method: of numbers 0 to 1, of categories 0 and more.
        threshold: of the p-value: below it chance is ruled out.
        drifted: whether it is below.
    """

    column: str
    kind: Kind
    method: Method
    rows: int
    p_value: float
    distance: float
    threshold: float
    drifted: bool


@dataclass(frozen=True, slots=True)
class DetectorResult:
    """What another detector said of one window; None where it does not tell."""

    name: str
    p_value: float | None
    distance: float | None
    threshold: float | None
    drifted: bool


@dataclass(frozen=True, slots=True)
class Outliers:
    """Rows of one window, looked at one by one.

    Args:
        rows: of the window.
        odd: share of rows that an isolation forest sets apart; missing values are those of an ordinary row to it.
        missing: share of rows without a value in a column in which the reference has one in every row.
        any: share of rows of either sort.
        expected: share of the reference that is odd.
    """

    rows: int
    odd: float
    missing: float
    any: float
    expected: float


@dataclass(frozen=True, slots=True)
class WindowResult:
    """All about one window.

    Args:
        last_row: the row with which it ended, counted from the first one ever.
        columns: the most improbable first; a column in which the window has no value at all is only here as missing.
        detectors: those that are set, as far as they work.
        outliers: None when they are not looked for, or could not be.
        problems: what could not be compared, and why; no word on drift in it.
        seconds: that it took.
        ended: epoch seconds.
    """

    last_row: int
    columns: tuple[ColumnResult, ...]
    detectors: tuple[DetectorResult, ...]
    outliers: Outliers | None
    problems: Mapping[str, str]
    seconds: float
    ended: float

    @property
    def drifted(self) -> bool:
        """Whether chance is ruled out anywhere."""
        return any(each.drifted for each in self.columns) or any(each.drifted for each in self.detectors)

    @property
    def kinds(self) -> frozenset[Kind]:
        """In what; a detector of whole rows speaks of features."""
        found = {each.kind for each in self.columns if each.drifted}
        return frozenset(found | ({Kind.FEATURES} if any(each.drifted for each in self.detectors) else set()))


@dataclass(frozen=True, slots=True)
class Latched:
    """An alarm that is not over: it is when two windows in a row are clean.

    Args:
        kind: what it is about.
        since: the row at which it began.
        alarms: windows since then that raised one.
    """

    kind: Kind
    since: int
    alarms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is to be said at one moment.

    Args:
        status: whether the engine works.
        problem: why not; None when it does.
        rows: seen in all, those that became the reference not counted.
        reference_rows: that rows are compared with; 0 while there are none.
        learning: rows still to come before there is a reference; 0 when there is one.
        window_rows: that are compared at a time.
        windows: compared so far.
        waiting: windows that wait for it.
        dropped: rows that were never compared, since too many windows waited.
        failed: rows of windows of which something could not be compared.
        alarms: windows in which chance was ruled out somewhere.
        last_alarm: the row with which the last one ended.
        latched: what is not over.
        window: the last one; None before the first.
        problems: detectors that could not be made, by name, and why.
        left_out: columns that are not compared, and why.
        reference_problem: why live rows become the reference although it has rows; None when they do not.
    """

    status: Status
    problem: str | None
    rows: int
    reference_rows: int
    learning: int
    window_rows: int
    windows: int
    waiting: int
    dropped: int
    failed: int
    alarms: int
    last_alarm: int | None
    latched: tuple[Latched, ...]
    window: WindowResult | None
    problems: Mapping[str, str]
    left_out: Mapping[str, str]
    reference_problem: str | None = None
