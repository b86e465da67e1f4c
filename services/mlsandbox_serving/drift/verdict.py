"""What a monitor says: frozen values, made to be shown, exported and sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlsandbox_serving.drift.severity import Severity
from mlsandbox_serving.drift.streams import Kind


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """One of the worst columns of a kind.

    Args:
        column: its name; of a pair, both names.
        severity: of this column alone; None, as all its measures, when it has too few rows.
        rows: that were compared.
        statistic: its part of the evidence, now or at the last alarm, whichever is larger; the budget is the measure of it.
        psi: less its noise floor.
        js: Jensen-Shannon distance.
        wasserstein: in standard deviations; None for categories and pairs.
        shift: by how much the mean moved, in standard deviations; None for categories and pairs, and when most of the change is none of
            the mean.
        excess: rows that the model was not trained for beyond the reference's share (0.01 is a point), less a standard error.
        explanation: the cell that changed most, in words.
    """

    column: str
    severity: Severity | None
    rows: int
    statistic: float
    psi: float | None
    js: float | None
    wasserstein: float | None
    shift: float | None
    excess: float | None
    explanation: str

    @property
    def matters(self) -> bool:
        """Whether it is known to be a change of any size."""
        return self.severity is not None and self.severity > Severity.NONE


@dataclass(frozen=True, slots=True)
class KindVerdict:
    """One kind of alert.

    Args:
        kind: what it is about.
        severity: of its worst column, on the rows since the alarm or the last 2,000; of an alert, only columns count that the evidence
            points at. None with fewer than 200 rows.
        rows: that severity is about.
        certain: whether the evidence went over the budget, and the change is not over yet.
        page: certain, at least medium, and not informational; stays until it is less than low.
        settled: of an alert, whether its severity was measured on 200 or more rows since the alarm; before, it may well be larger.
        over: of an alert that paged, whether it is not severe at all any more; it is cleared when that lasts for two windows.
        informational: why it never pages although it may be certain; None when it may.
        statistic: the evidence now.
        since: the row at which the latched alert began; None without one.
        alarms: how often the evidence went over the budget since then.
        worst: the five worst columns, the worst first.
    """

    kind: Kind
    severity: Severity | None
    rows: int
    certain: bool
    page: bool
    settled: bool
    over: bool
    informational: str | None
    statistic: float
    since: int | None
    alarms: int
    worst: tuple[ColumnFinding, ...]

    @property
    def young(self) -> bool:
        """A change is certain, and how large it is will be known some rows after the alarm; rows before it hide it now."""
        return self.certain and not (self.settled or self.page or self.over or self.informational)


@dataclass(frozen=True, slots=True)
class OutlierRates:
    """Shares of the recent rows with at least one value that is out of range, unseen, missing, or any of the three."""

    out_of_range: float
    unseen: float
    missing: float
    any: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is to be said at one moment.

    Args:
        rows: seen in all.
        reference_rows: of the profile; 0 while there is none yet.
        learning: rows of live data still to come before there is a reference; 0 when there is one.
        reference_source: "given", or "live" when the first live rows became the reference.
        statistic: the evidence of all kinds together.
        budget: at which there is an alarm: on average so many rows lie between two false ones.
        alarms: how often that was so, ever.
        last_alarm: the row of the last one.
        kinds: one for each kind that is watched.
        outliers: of the recent rows.
        extra_columns: rows with a column that the reference does not have, by name.
        rows_without_inputs: rows whose event held no inputs at all, as when they are not logged.
        left_out: columns that are not watched, and why.
    """

    rows: int
    reference_rows: int
    learning: int
    reference_source: str
    statistic: float
    budget: float
    alarms: int
    last_alarm: int | None
    kinds: tuple[KindVerdict, ...]
    outliers: OutlierRates
    extra_columns: Mapping[str, int]
    rows_without_inputs: int
    left_out: Mapping[str, str]

    def of(self, kind: Kind) -> KindVerdict:
        """The verdict of one kind.

        Raises:
            KeyError: that kind is not watched.
        """
        for verdict in self.kinds:
            if verdict.kind is kind:
                return verdict
        raise KeyError(kind)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Reference beside recent rows, cell by cell, for a report.

    Args:
        column: its name.
        kind: as a stream's.
        cells: what each cell holds.
        reference: share of the reference in each.
        recent: share of the recent rows in each; all 0 without any.
        rows: how many recent rows there are.
    """

    column: str
    kind: Kind
    cells: tuple[str, ...]
    reference: tuple[float, ...]
    recent: tuple[float, ...]
    rows: int
