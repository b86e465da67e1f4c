"""The golden contract: reference rows with the predictions the model made where it was trained, replayed where it is served."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlsandbox_serving.models import Prediction, Predictor
from mlsandbox_serving.schema import Columns, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN_ROWS: Final = 5
_SHOWN_COLUMNS: Final = 6
_SHOWN_LIBRARIES: Final = 8


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a float may be from what was captured: |got - expected| <= atol + rtol * |expected|."""

    rtol: float
    atol: float

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> Tolerance:
        """The default for answers of this dtype: models that compute in single precision are allowed its last bits."""
        return cls(rtol=1e-5, atol=1e-7) if dtype.kind == "f" and dtype.itemsize < 8 else cls(rtol=1e-9, atol=1e-12)


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not what was captured.

    Args:
        row: position among the golden rows, from 0.
        output: "prediction", or "probability of 'yes'".
        expected: as captured.
        got: as computed here.
        inputs: the first columns of the row, without the ones that may not be shown.
    """

    row: int
    output: str
    expected: Any
    got: Any
    inputs: dict[str, Any]

    @property
    def amount(self) -> float | None:
        """How far apart, for numbers."""
        if isinstance(self.expected, int | float) and isinstance(self.got, int | float):
            return abs(float(self.got) - float(self.expected))
        return None

    def to_json(self) -> dict[str, Any]:
        """As it stands in `details` of a /readyz body."""
        return {
            "row": self.row,
            "output": self.output,
            "expected": self.expected,
            "got": self.got,
            "difference": self.amount,
            "inputs": self.inputs,
        }

    def text(self) -> str:
        """As a part of a sentence."""
        amount = f" (difference {self.amount:.3g})" if isinstance(self.expected, float) and self.amount is not None else ""
        return f"row {self.row}: {self.output} {self.got!r}, expected {self.expected!r}{amount}"


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of replaying the golden rows.

    Args:
        rows: how many there are.
        bit_equal: rows of which every bit is as captured.
        differing: rows with a label that is not equal or a float that is past the tolerance.
        differences: the first of them.
    """

    rows: int
    bit_equal: int
    differing: int
    differences: tuple[Difference, ...]

    @property
    def ok(self) -> bool:
        """Whether the model answers as it did where it was captured."""
        return self.differing == 0


def replay(predictor: Predictor, schema: Schema, golden: Mapping[str, Any], *, hidden: Collection[str] = ()) -> Replay:
    """Predict the golden rows in one batch, as at capture, and compare.

    Args:
        predictor: the model as loaded here.
        schema: of the model.
        golden: {"columns", "predictions", "probabilities", "tolerance"} of golden.json.
        hidden: columns whose values may not stand in a report.
    """
    columns = schema.check_columns(golden["columns"])
    return compare(predictor.predict(schema.to_input(columns)), columns, schema, golden, hidden=hidden)


def compare(prediction: Prediction, columns: Columns, schema: Schema, golden: Mapping[str, Any], *, hidden: Collection[str] = ()) -> Replay:
    """Hold predictions of the golden rows to what was captured.

    Args:
        prediction: of all of them.
        columns: the golden rows.
        schema: of the model.
        golden: as for `replay`.
        hidden: columns whose values may not stand in a report.
    """
    by_class = schema.output.type == "class"
    tolerance = tolerance_of(golden)
    compared = [_compare("prediction", golden["predictions"], prediction.labels, tolerance=tolerance, exact=by_class)]
    expected = golden.get("probabilities")
    if expected is not None:
        if prediction.probabilities is None:
            raise ValueError("the model has no probabilities here, it had when it was captured")
        names = schema.output.classes or range(len(expected[0]))
        compared.append(_compare("probability", expected, prediction.probabilities, tolerance=tolerance, exact=False, names=list(names)))
    differing = np.logical_or.reduce([one.differs.any(axis=1) for one in compared])
    bit_equal = np.logical_and.reduce([one.same_bits.all(axis=1) for one in compared])
    shown = [name for name in schema.names if name not in hidden][:_SHOWN_COLUMNS]
    differences = [
        Difference(int(row), *one.first(int(row)), inputs={name: columns.by_name[name][row] for name in shown})
        for row in np.flatnonzero(differing)[:_SHOWN_ROWS]
        for one in compared
        if one.differs[row].any()
    ]
    return Replay(columns.rows, int(bit_equal.sum()), int(differing.sum()), tuple(differences[:_SHOWN_ROWS]))


def tolerance_of(golden: Mapping[str, Any]) -> Tolerance | None:
    """The tolerance that a package asks for; None: that of each answer's dtype."""
    given = golden.get("tolerance")
    return Tolerance(float(given["rtol"]), float(given["atol"])) if given else None


@dataclass(frozen=True, slots=True)
class Moved:
    """A library whose version here is not the one at capture; `here` is None when it is not installed."""

    name: str
    captured: str
    here: str | None

    def text(self) -> str:
        """As a part of a sentence."""
        return f"{self.name} {self.captured} when captured, {self.here or 'not installed'} here"


def moved_libraries(captured: Mapping[str, str], roots: Iterable[str] = ()) -> tuple[Moved, ...]:
    """Which libraries differ, the model's own (`roots`) first."""
    first = [name for name in roots if name in captured]
    moved = []
    for name in [*first, *(name for name in captured if name not in first)]:
        try:
            here: str | None = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            here = None
        if here != captured[name]:
            moved.append(Moved(name, captured[name], here))
    return tuple(moved)


def libraries_text(moved: Collection[Moved]) -> str:
    """The libraries that differ, as one sentence; empty when none does."""
    shown = "; ".join(one.text() for one in list(moved)[:_SHOWN_LIBRARIES])
    more = len(moved) - _SHOWN_LIBRARIES
    return shown + (f"; and {more} more" if more > 0 else "")


def reason(outcome: Replay, moved: Collection[Moved]) -> str:
    """Why a model is not served: what differs, and which libraries could be the cause."""
    rows = f"{outcome.differing} of {outcome.rows} golden rows differ from what the model answered where it was captured"
    libraries = libraries_text(moved) or "all captured libraries have their versions: another platform, or a changed model or golden file"
    return f"{rows}: {'; '.join(one.text() for one in outcome.differences[:2])}. Versions: {libraries}"


@dataclass(frozen=True, slots=True)
class _Compared:
    output: str
    expected: NDArray[Any]
    got: NDArray[Any]
    differs: NDArray[np.bool_]
    same_bits: NDArray[np.bool_]
    names: list[Any]

    def first(self, row: int) -> tuple[str, Any, Any]:
        """The row's first differing value: what it is, expected, got."""
        column = int(np.flatnonzero(self.differs[row])[0])
        if self.output == "probability":
            name = f"probability of {self.names[column]!r}"
        else:
            name = self.output if self.expected.shape[1] == 1 else f"{self.output} {column}"
        return name, _plain(self.expected[row, column]), _plain(self.got[row, column])


def _compare(
    output: str,
    expected: list[Any],
    got: NDArray[Any],
    *,
    tolerance: Tolerance | None,
    exact: bool,
    names: list[Any] | None = None,
) -> _Compared:
    if got.dtype.kind == "f" and not exact:
        wanted = np.array(expected, dtype=np.float64)
        _same_shape(output, wanted, got)
        wanted, here = _two_dimensional(wanted), _two_dimensional(got.astype(np.float64))
        bound = tolerance or Tolerance.of(got.dtype)
        both_missing = np.isnan(wanted) & np.isnan(here)
        same_bits = (wanted == here) | both_missing
        differs = ~(np.isclose(here, wanted, rtol=bound.rtol, atol=bound.atol) | both_missing)
        return _Compared(output, wanted, here, differs, same_bits, names or [])
    if got.dtype.kind == "M":
        got = got.astype("datetime64[us]").astype(str)
    wanted_labels, here_labels = _labels(expected), _labels(got.tolist())
    _same_shape(output, wanted_labels, here_labels)
    pairs = zip(wanted_labels.flat, here_labels.flat, strict=True)
    same = np.array([_same_label(one, other) for one, other in pairs], dtype=bool).reshape(wanted_labels.shape)
    return _Compared(output, wanted_labels, here_labels, ~same, same, names or [])


def _labels(values: list[Any]) -> NDArray[Any]:
    """Labels as objects, shape (rows, outputs): numpy must not turn 1 and "1" into one type."""
    rows = [value if isinstance(value, list) else [value] for value in values]
    array = np.empty((len(rows), len(rows[0]) if rows else 1), dtype=object)
    for index, row in enumerate(rows):
        array[index] = row
    return array


def _same_label(expected: Any, got: Any) -> bool:
    if isinstance(expected, bool) != isinstance(got, bool):
        return False
    return bool(expected == got) or (expected is None and (got is None or got != got))  # noqa: PLR0124 - NaN


def _two_dimensional(array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape(len(array), -1)


def _same_shape(output: str, expected: NDArray[Any], got: NDArray[Any]) -> None:
    if expected.shape != got.shape:
        raise ValueError(f"the {output} has shape {got.shape} here, {expected.shape} when it was captured")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
