"""The reference as a table of numbers: what alibi-detect compares with needs rows, which a drift profile does not keep.

The profile says what each column is; a column of numbers stays as it is, and a category is the number of its cell. NaN is a missing
value, and infinity one that nobody was told of, as when inputs are not logged. The table lies beside the profile, as a file of arrays
without pickles.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from mlsandbox_serving.contract import ProfileFile
from mlsandbox_serving.drift import Kind, Profile, build_profile
from mlsandbox_serving.drift.answers import PREDICTION, SCORE, prediction_columns, score_column
from mlsandbox_serving.drift.cells import NumberCells
from mlsandbox_serving.drift.profile.arrays import MOST_BYTES, read_arrays
from mlsandbox_serving.drift.state import fingerprint
from mlsandbox_serving.drift.streams import Stream
from mlsandbox_serving.drift.values import Floats, Values, instants, numbers, padded, sequence
from mlsandbox_serving.schema.definition import Definition

ROWS: Final = ProfileFile.ROWS
UNKNOWN: Final = np.inf
_KINDS: Final = (Kind.FEATURES, Kind.PREDICTION)
_AGAIN: Final = "build it again from the reference data"


class ReferenceUnreadable(ValueError):
    """Saved rows of a reference are not there, damaged, or of another profile; the text says which, and what to do."""


class WrongColumns(ValueError):
    """A table has other columns than the reference: comparing them would compare one column with another."""


class Coder:
    """Turns values as events carry them into a table; never fails.

    Args:
        profile: of the reference.
    """

    def __init__(self, profile: Profile) -> None:
        self.streams: Final[tuple[Stream, ...]] = tuple(stream for stream in profile.streams if stream.kind in _KINDS)

    def table(self, columns: Mapping[str, Any] | None, predictions: Any = None, scores: Any = None) -> Floats:
        """Rows by streams; NaN is a missing value, and so is everything that is no value of its column.

        Args:
            columns: name to values; empty or None when inputs are not known.
            predictions: one value or one list of values per row; None when they are not known.
            scores: a list of probabilities, or one number, per row; None when they are not known.
        """
        given = {str(name): sequence(values) for name, values in (columns or {}).items()}
        answers = sequence(predictions), sequence(scores)
        rows = max((len(values) for values in [*given.values(), *answers] if values is not None), default=0)
        found = self._answers(*answers, rows)
        table: Floats = np.full((rows, len(self.streams)), UNKNOWN)
        for position, stream in enumerate(self.streams):
            source = given if stream.kind is Kind.FEATURES else found
            if stream.name in source:
                table[:, position] = _read(stream, padded(source[stream.name], rows))
            elif stream.kind is Kind.FEATURES and given:
                table[:, position] = np.nan
        return table

    def _answers(self, predictions: Values | None, scores: Values | None, rows: int) -> dict[str, Values]:
        names = tuple(one.name for one in self.streams if one.kind is Kind.PREDICTION and one.name.startswith(PREDICTION))
        found = prediction_columns(padded(predictions, rows), names) if names and predictions is not None else {}
        score = score_column(scores)
        return found | ({} if score is None else {SCORE: score})


@dataclass(frozen=True, eq=False)
class Reference:
    """What live rows are compared with.

    Args:
        profile: says what the columns are.
        table: rows by streams of the profile that are features or predictions, in time order; None lets the first live rows become it.

    Raises:
        WrongColumns: the table is of another profile.
    """

    profile: Profile
    table: Floats | None = None

    def __post_init__(self) -> None:
        if self.table is not None:
            check_columns(self.table, len(Coder(self.profile).streams))


def check_columns(table: Floats, expected: int) -> None:
    """Refuse a table of other columns, of which alibi-detect would ignore some without a word.

    Raises:
        WrongColumns: it has another number of columns.
    """
    if table.ndim != 2 or table.shape[1] != expected:
        raise WrongColumns(f"rows of shape {table.shape} are no rows of {expected} columns: {_AGAIN}")


def build_reference(
    columns: Mapping[str, Any],
    schema: Definition | None = None,
    *,
    profile: Profile | None = None,
    predictions: Any = None,
    scores: Any = None,
    most_rows: int = ProfileFile.SAMPLE_ROWS,
) -> Reference:
    """Make a table of reference rows; of more than `most_rows` a sample, always the same one.

    Args:
        columns: name to values, in time order.
        schema: of the model; only used without a profile.
        profile: of the same rows; None to build one.
        predictions: the model's, of the same rows.
        scores: probabilities or numbers, of the same rows.
        most_rows: that are kept; fewer of a very wide table, so that it can be read again.

    Raises:
        ValueError: there are no rows.
    """
    known = profile if profile is not None else build_profile(columns, schema, predictions=predictions, scores=scores)
    table = Coder(known).table(columns, predictions, scores)
    return Reference(known, sample(table, min(most_rows, MOST_BYTES // 2 // max(table.shape[1] * table.itemsize, 1))))


def sample(table: Floats, most_rows: int) -> Floats:
    """At most so many rows, in their order; the same ones every time."""
    if len(table) <= most_rows:
        return table
    chosen = np.sort(np.random.default_rng(0).choice(len(table), most_rows, replace=False))
    found: Floats = table[chosen]
    return found


def save_reference(reference: Reference, folder: Path) -> None:
    """Write the rows beside the profile, which is saved on its own; rows that are there are replaced."""
    if reference.table is None:
        raise ValueError("this reference has no rows yet")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{ROWS}.{os.getpid()}"
    with temporary.open("wb") as file:
        np.savez_compressed(file, table=reference.table, profile=np.array(fingerprint(reference.profile)))
    temporary.replace(folder / ROWS)


def load_reference(folder: Path, profile: Profile) -> Reference:
    """Read the rows that lie beside a profile.

    Raises:
        ReferenceUnreadable: says why, and what to do.
    """
    try:
        arrays = read_arrays(folder / ROWS, ("table", "profile"))
        table, of = arrays["table"].astype(np.float64), str(arrays["profile"])
        _check_profile(of, profile, folder)
        return Reference(profile, table)
    except FileNotFoundError as error:
        raise ReferenceUnreadable(f"there are no reference rows in {folder} ({ROWS} is missing): {_AGAIN}") from error
    except ReferenceUnreadable:
        raise
    except Exception as error:  # a damaged archive raises almost anything
        raise ReferenceUnreadable(f"the reference rows in {folder} are damaged ({type(error).__name__}: {error}): {_AGAIN}") from error


def _check_profile(of: str, profile: Profile, folder: Path) -> None:
    if of != fingerprint(profile):
        raise ReferenceUnreadable(f"the rows in {folder} are those of another drift profile: {_AGAIN}")


def _read(stream: Stream, values: Values) -> Floats:
    cells = stream.cells
    if isinstance(cells, NumberCells):
        return instants(values) if cells.dates else numbers(values)
    found = cells.read(values).astype(np.float64)
    found[found == cells.roles["missing"]] = np.nan
    return found
