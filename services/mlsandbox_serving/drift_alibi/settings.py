"""What of the engine can be set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from mlsandbox_serving.contract import ProfileFile

FEWEST_ROWS: Final = 50
_STRICTEST: Final = 1e-9
_LAXEST: Final = 0.05


@dataclass(frozen=True, slots=True)
class Detector:
    """One more detector of alibi-detect.

    Args:
        name: its class in `alibi_detect.cd`, as "MMDDrift".
        arguments: for its constructor; without a p-value it has its part of the budget.
        reference_rows: that it is given at most: the cost of most of them grows with the square.

    A test by permutations has as many as its p-value needs: with 1,000 reference rows MMDDrift takes 5 s per window for a p-value of
    0.01, and a hundred for its part of the usual budget.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reference_rows: int = 1_000

    def __post_init__(self) -> None:
        if not str(self.name).isidentifier():
            raise ValueError(f"{self.name!r} is no detector: name a class of alibi_detect.cd, as MMDDrift")
        if not isinstance(self.arguments, Mapping):
            raise ValueError(f"the arguments of {self.name} are {self.arguments!r}: a table of names and values")  # noqa: TRY004 - a setting that is wrong
        _at_least(FEWEST_ROWS, f"reference_rows of {self.name}", self.reference_rows)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of an engine.

    Args:
        rows_between_false_alarms: on average so many rows lie between two alarms without a cause; one budget for all detectors.
        window_rows: rows that are compared with the reference at a time.
        reference_rows: rows of the reference that are kept, at most; all the time that a comparison takes is due to them.
        learn_rows: without reference rows, so many live rows become them.
        waiting_windows: windows that may wait to be compared, as while alibi-detect is imported; later ones are dropped, and counted.
        outliers: whether rows are looked at one by one, too.
        outlier_share: of the reference that counts as outliers.
        detectors: more detectors, beside the one of single columns.
    """

    rows_between_false_alarms: float = 1_000_000.0
    window_rows: int = ProfileFile.WINDOW_ROWS
    reference_rows: int = 10_000
    learn_rows: int = 5_000
    waiting_windows: int = 256
    outliers: bool = True
    outlier_share: float = 0.01
    detectors: tuple[Detector, ...] = ()

    def __post_init__(self) -> None:
        _at_least(1, "rows_between_false_alarms", self.rows_between_false_alarms)
        _at_least(FEWEST_ROWS, "window_rows", self.window_rows)
        _at_least(FEWEST_ROWS, "reference_rows", self.reference_rows)
        _at_least(FEWEST_ROWS, "learn_rows", self.learn_rows)
        _at_least(1, "waiting_windows", self.waiting_windows)
        if not 0 < self.outlier_share < 1:
            raise ValueError(f"outlier_share is {self.outlier_share}: more than 0, less than 1")
        names = [detector.name for detector in self.detectors]
        if len(set(names)) < len(names):
            raise ValueError(f"each detector can be named once: {', '.join(names)}")

    @property
    def p_value(self) -> float:
        """Probability of a false alarm in one window, of each detector: they share the budget."""
        whole = self.window_rows / self.rows_between_false_alarms
        return min(max(whole, _STRICTEST), _LAXEST) / (1 + len(self.detectors))

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Settings:
        """Settings out of a table of sandbox.toml, or of JSON.

        Raises:
            ValueError: says which entry is unknown or has another type.
        """
        known = {each.name for each in fields(cls)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no setting of the alibi engine: {', '.join(sorted(known))}")
        given = dict(document)
        detectors = given.pop("detectors", ())
        if not isinstance(detectors, list | tuple):
            raise ValueError(f"detectors is {detectors!r}: a list of tables, each with a name")  # noqa: TRY004 - a setting that is wrong
        return cls(detectors=tuple(map(_detector, detectors)), **given)


def _detector(document: object) -> Detector:
    if isinstance(document, str):
        return Detector(document)
    known = {each.name for each in fields(Detector)}
    if not isinstance(document, Mapping) or "name" not in document or not set(document) <= known:
        raise ValueError(f"{document!r} is no detector: a table with a name and, if need be, arguments and reference_rows")
    return Detector(**document)


def _at_least(least: int, name: str, value: object) -> None:
    if not isinstance(value, int | float) or not value >= least:
        raise ValueError(f"{name} is {value!r}: a number of at least {least}")
