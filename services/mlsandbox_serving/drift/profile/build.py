"""Build a profile of reference rows: cells and counts of each column, and what the rows have to do with each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from mlsandbox_serving.drift.answers import (
    ERROR,
    LABEL,
    LOSS,
    PREDICTION,
    SCORE,
    error_column,
    loss_column,
    prediction_columns,
    score_column,
)
from mlsandbox_serving.drift.cells import FEW, Cells, Ints, category_cells, number_cells
from mlsandbox_serving.drift.profile.definition import Profile, SelfCheck, ValueType
from mlsandbox_serving.drift.profile.dependence import pairs_of, stride_of
from mlsandbox_serving.drift.profile.refuse import reason_to_refuse
from mlsandbox_serving.drift.profile.self_check import unsteady_kinds
from mlsandbox_serving.drift.streams import FEWEST_ROWS, Kind, Stream
from mlsandbox_serving.drift.values import Values, frequencies, instants, numbers, padded, sequence
from mlsandbox_serving.schema.definition import Definition

PRIVATE: Final = "private"
HASHED: Final = "hashed: the key of the hashes is no part of the reference"
_REPLAYED: Final = 0.2
_STRETCH: Final = 500
"""Rows that are short enough for a trend not to matter and long enough for all lags."""
_TYPES: Final[Mapping[str, ValueType]] = {
    "float": "number",
    "integer": "number",
    "boolean": "boolean",
    "string": "text",
    "category": "text",
    "datetime": "date",
}


def build_profile(
    columns: Mapping[str, Any],
    schema: Definition | None = None,
    *,
    predictions: Any = None,
    scores: Any = None,
    labels: Any = None,
    private: Collection[str] = (),
    hashed: Collection[str] = (),
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> Profile:
    """Describe reference rows.

    Args:
        columns: name to values, in time order; JSON values, arrays, or anything that numpy makes an array of.
        schema: of the model; without one, types are read off the values.
        predictions: the model's, of the same rows: one value or one list of values per row.
        scores: probabilities (a list per row) or one number per row.
        labels: what was right, of the same rows.
        private: columns that no event holds and that are left out here.
        hashed: columns of which events hold a hash, with a key that is known only where they are written; left out as well.
        left_out: other columns that are not to be compared, and why.

    Raises:
        ValueError: there are no rows.
    """
    types, answers = value_types(schema), answer_type(schema)
    guarded = dict(left_out) | dict.fromkeys(hashed, HASHED) | dict.fromkeys(private, PRIVATE)
    return profile_of(columns, types, answers, predictions=predictions, scores=scores, labels=labels, guarded=guarded)


def value_types(schema: Definition | None) -> dict[str, ValueType]:
    """What a schema says about each column, as far as cells are concerned."""
    return {column.name: _TYPES[column.type] for column in schema.columns} if schema is not None else {}


def answer_type(schema: Definition | None) -> ValueType | None:
    """What a schema says about predictions and labels; classes may be numbers, but their order means nothing."""
    return "text" if schema is not None and schema.output.type == "class" else None


def profile_of(
    columns: Mapping[str, Any],
    types: Mapping[str, ValueType],
    of_answers: ValueType | None = None,
    *,
    predictions: Any = None,
    scores: Any = None,
    labels: Any = None,
    guarded: Mapping[str, str] = MappingProxyType({}),
) -> Profile:
    """As `build_profile`, with the types given one by one; a column without one has the type of its values.

    `guarded` are columns of which nothing may be kept, and why.
    """
    given = {name: sequence(values) for name, values in columns.items()}
    answers = _answers(predictions, scores)
    rows = max((len(values) for values in [*given.values(), *answers.values()] if values is not None), default=0)
    if rows == 0:
        raise ValueError("the reference has no rows: build the profile of a sample of the training inputs")
    left_out = {name: guarded[name] for name in columns if name in guarded}
    kept: list[tuple[str, Kind, Values, ValueType]] = []
    for name, values in given.items():
        if name in guarded:
            continue
        held = padded(values, rows)
        of = types.get(name) or type_of(held)
        refused = reason_to_refuse(held, of)
        if refused is None:
            kept.append((name, Kind.FEATURES, held, of))
        else:
            left_out[name] = refused
    for kind, found in ((Kind.PREDICTION, answers), (Kind.PERFORMANCE, _performance(answers, labels, of_answers))):
        for name, values in found.items():
            of = (of_answers if name in {PREDICTION, LABEL} else None) or type_of(values)
            kept.append((name, kind, padded(values, rows), of))
    drawn = [stream_of(*entry) for entry in kept]
    cells = cells_of(drawn, [values for _, _, values, _ in kept], rows)
    strides = [stride_of(stream, cells[:, position]) for position, stream in enumerate(drawn)]
    streams = tuple(replace(stream, stride=stride) for stream, stride in zip(drawn, strides, strict=True))
    return Profile(
        rows=rows,
        streams=streams,
        pairs=pairs_of(streams, cells) if rows >= FEWEST_ROWS else (),
        self_check=_self_check(kept, rows),
        left_out=left_out,
    )


def type_of(values: Values) -> ValueType:
    """What a column holds, judged by its values."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "biufM":
        return "boolean" if values.dtype.kind == "b" else "date" if values.dtype.kind == "M" else "number"
    found = {type(value) for value in values if value is not None}
    if found and found <= {bool, np.bool_}:
        return "boolean"
    numeric = all(issubclass(one, int | float | np.number) and one is not bool for one in found)
    return "number" if found and numeric else "text"


def stream_of(name: str, kind: Kind, values: Values, of: ValueType) -> Stream:
    """One column as a stream."""
    found = numbers(values) if of == "number" else instants(values) if of == "date" else None
    cells: Cells | None = None if found is None else number_cells(found, dates=of == "date")
    sd, singletons = 0.0, 0
    if cells is None:
        frequency = frequencies(values if found is None else found)
        cells = category_cells(frequency, of, ranged=kind is Kind.FEATURES)
        singletons = sum(count == 1 for count in frequency.values())
    elif found is not None:
        sd = _deviation(found[np.isfinite(found)])
    counts: Ints = np.bincount(cells.read(values), minlength=cells.size)
    return Stream(name, kind, cells, counts, singletons, sd)


def cells_of(streams: Sequence[Stream], values: Sequence[Values], rows: int) -> Ints:
    """Rows by streams."""
    cells: Ints = np.empty((rows, len(streams)), dtype=np.int64)
    for position, (stream, held) in enumerate(zip(streams, values, strict=True)):
        cells[:, position] = stream.cells.read(held)
    return cells


def _answers(predictions: Any, scores: Any) -> dict[str, Values]:
    answers = prediction_columns(predictions)
    score = score_column(scores)
    if score is not None:
        answers[SCORE] = score
    return answers


def _performance(answers: Mapping[str, Values], labels: Any, of_answers: ValueType | None) -> dict[str, Values]:
    """The labels, and the loss beside a single prediction per row."""
    held = sequence(labels)
    if held is None:
        return {}
    found: dict[str, Values] = {LABEL: held}
    prediction = answers.get(PREDICTION)
    if prediction is not None:
        held = padded(held, len(prediction))
        if (of_answers or type_of(prediction)) == "number" and len(np.unique(numbers(prediction))) > FEW:
            found[LOSS] = loss_column(prediction, held)
        else:
            found[ERROR] = error_column(prediction, held)
    return found


def _self_check(kept: list[tuple[str, Kind, Values, ValueType]], rows: int) -> SelfCheck:
    """Replay the last fifth against a profile of the rest.

    Here a trend must not lengthen the stride, as that would leave too few rows to see it by.
    """
    first = rows - int(rows * _REPLAYED)
    if first < FEWEST_ROWS:
        return SelfCheck(0, {})
    drawn = [stream_of(name, kind, values[:first], of) for name, kind, values, of in kept]
    cells = cells_of(drawn, [values[:first] for _, _, values, _ in kept], first)
    local = [stride_of(stream, cells[:, position], within=_STRETCH) for position, stream in enumerate(drawn)]
    streams = [replace(stream, stride=stride) for stream, stride in zip(drawn, local, strict=True)]
    later = cells_of(streams, [values[first:] for _, _, values, _ in kept], rows - first)
    return SelfCheck(rows - first, unsteady_kinds(streams, later, first))


def _deviation(found: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Standard deviation; of numbers so large that their squares overflow, 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        sd = float(found.std())
    return sd if np.isfinite(sd) else 0.0
