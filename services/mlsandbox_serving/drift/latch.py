"""Alerts that stay: once raised, one alert per kind holds until the change is over, instead of one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlsandbox_serving.drift.severity import Severity
from mlsandbox_serving.drift.window import WINDOW_ROWS

_CALM_ROWS: Final = 2 * WINDOW_ROWS


@dataclass(slots=True)
class Latch:
    """The alert of one kind.

    Args:
        since: the row at which it was raised; None while there is none.
        alarms: how often the evidence went over the budget since.
        page: whether it was severe enough, and is severe at all still: what comes and goes about the border is one page.
        calm: rows since it last was severe at all, or went over the budget.
        settled: whether its size was measured since on rows that came after it alone; before, rows without the change hide it.
        eased: whether it paged and is not severe at all any more.
    """

    since: int | None = None
    alarms: int = 0
    page: bool = False
    calm: int = 0
    settled: bool = False
    eased: bool = False

    def alarm(self, row: int) -> bool:
        """The evidence went over the budget; whether that raises the alert."""
        raised = self.since is None
        if raised:
            self.since = row
        self.alarms += 1
        self.calm = 0
        return raised

    def look(self, severity: Severity | None, rows: int, *, may_page: bool, alone: bool) -> bool:
        """Take in the severity after so many more rows; whether that clears the alert.

        Args:
            severity: None when there are too few rows to know it, which makes the alert neither worse nor better.
            rows: since the last look.
            may_page: whether the alert may page at all.
            alone: whether the severity is that of rows since the alarm alone.
        """
        if self.since is None or severity is None:
            return False
        self.settled |= alone
        if severity < Severity.LOW:
            self.page, self.eased = False, self.page or self.eased
        elif may_page and severity >= Severity.MEDIUM:
            self.page, self.eased = True, False
        self.calm = self.calm + rows if severity < Severity.LOW else 0
        if self.calm < _CALM_ROWS:
            return False
        self.since, self.alarms, self.page, self.calm, self.settled, self.eased = None, 0, False, 0, False, False
        return True
