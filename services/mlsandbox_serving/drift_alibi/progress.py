"""What the windows so far have said: counts, alarms that are not over, and the last result. Survives a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from mlsandbox_serving.drift.streams import Kind
from mlsandbox_serving.drift_alibi.verdict import ColumnResult, DetectorResult, Latched, Method, Outliers, WindowResult

_CALM_WINDOWS: Final = 2


@dataclass(slots=True)
class Latch:
    """The alarm of one kind, until so many windows in a row are clean."""

    since: int
    alarms: int = 0
    calm: int = 0


@dataclass(slots=True)
class Progress:
    """See `verdict.Verdict` for what the fields mean."""

    windows: int = 0
    dropped: int = 0
    failed: int = 0
    alarms: int = 0
    last_alarm: int | None = None
    window: WindowResult | None = None
    latches: dict[Kind, Latch] = field(default_factory=dict)

    def add(self, result: WindowResult) -> None:
        """Take in what a window says."""
        self.windows += 1
        self.window = result
        if result.drifted:
            self.alarms += 1
            self.last_alarm = result.last_row
        for kind in result.kinds:
            latch = self.latches.setdefault(kind, Latch(result.last_row))
            latch.alarms += 1
            latch.calm = 0
        for kind in set(self.latches) - result.kinds:
            self.latches[kind].calm += 1
            if self.latches[kind].calm >= _CALM_WINDOWS:
                del self.latches[kind]

    def latched(self) -> tuple[Latched, ...]:
        """What is not over, the oldest first."""
        ordered = sorted(self.latches.items(), key=lambda one: (one[1].since, one[0]))
        return tuple(Latched(kind, latch.since, latch.alarms) for kind, latch in ordered)

    def document(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Progress:
        """What `document` gave.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        given = dict(document)
        window = given.pop("window")
        latches = {Kind(kind): Latch(**latch) for kind, latch in given.pop("latches").items()}
        return cls(window=None if window is None else _window(window), latches=latches, **given)


def _window(document: Mapping[str, Any]) -> WindowResult:
    given = dict(document)
    columns = [one | {"kind": Kind(one["kind"]), "method": Method(one["method"])} for one in given.pop("columns")]
    outliers = given.pop("outliers")
    return WindowResult(
        columns=tuple(ColumnResult(**one) for one in columns),
        detectors=tuple(DetectorResult(**one) for one in given.pop("detectors")),
        outliers=None if outliers is None else Outliers(**outliers),
        **given,
    )
