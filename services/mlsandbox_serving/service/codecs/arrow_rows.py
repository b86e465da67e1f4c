"""Bodies that are an Arrow stream (https://arrow.apache.org/docs/format/Columnar.html) as checked columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.schema import Column, Columns, Schema, SchemaMismatch
from mlsandbox_serving.schema.column_check import check_of
from mlsandbox_serving.schema.faults import Faults
from mlsandbox_serving.service.codecs.arrow_frames import Stream, StreamMalformed, measure
from mlsandbox_serving.service.codecs.matrix import FloatMatrix, numbers_with_gaps
from mlsandbox_serving.service.refusal import RequestRefused, refuse_many, unreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXPANDED: Final = 64 * 2**20
"""So many bytes may the values of one request be, or as many as were sent where that is more."""
_CELL: Final = 8
"""So many bytes has each value at least: what is null or a bit in the stream is none in the process."""
_PIECE: Final = 512
"""So many bytes has each column of each record batch beside its values."""
_READ_ERRORS: Final = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, TypeError, ArithmeticError, MemoryError)
"""Whatever Arrow's library raises on bytes that nobody wrote with it."""
_CANNOT: Final = "the body cannot be read as an Arrow stream"


class ArrowDecoder:
    """Reads streams of numbers, booleans, texts, dates, and dictionaries of these, also compressed; NaN and null are null.

    Args:
        schema: of the model.
        max_rows: so many rows are taken in one request.
    """

    def __init__(self, schema: Schema, *, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        self._matrix = FloatMatrix(schema)

    def __call__(self, body: bytes) -> Columns:
        """Read and check one body.

        Raises:
            RequestRefused: 400 for what is no such stream, 413 for too many rows, or values that are too large after decompression.
            SchemaMismatch: it is one, but not what the model takes.
        """
        try:
            checked = self._read(body)
        except SchemaMismatch:
            raise
        except StreamMalformed as malformed:
            raise unreadable(f"{_CANNOT}: {malformed}") from None
        except _READ_ERRORS as error:
            # Arrow's text may repeat a value, which must not be in the log.
            message = f"{_CANNOT}: {' '.join(str(error).split())[:200]}"
            raise RequestRefused(400, ErrorCode.UNREADABLE_BODY, message, logged=_CANNOT) from None
        return checked if isinstance(checked, Columns) else self._schema.check_columns(checked)

    def _read(self, body: bytes) -> Columns | dict[str, list[Any]]:
        """Checked columns where that is cheap, else JSON values that are not checked yet."""
        stream = measure(body)
        if stream.extended:
            raise StreamMalformed("a column has an extension type: send it as plain numbers, texts or dates")
        self._refuse_large(stream, body)
        fields = pa.ipc.read_schema(pa.py_buffer(body[: stream.schema_end]))
        names = list(fields.names)
        self._refuse_fields(fields, names)
        # In this thread: a request has no threads of its own.
        with pa.ipc.open_stream(pa.py_buffer(body), options=pa.ipc.IpcReadOptions(use_threads=False)) as reader:
            batches = list(reader)
        _validate(batches)
        rows = sum(stream.rows)
        if rows and self._matrix.suits and all(map(pa.types.is_floating, fields.types)):
            columns = self._floats(batches, rows)
            if columns is not None:
                return columns
        budget = _Budget(max(_EXPANDED, len(body)))
        places = {name: place for place, name in enumerate(names)}
        values: dict[str, list[Any]] = {name: [] for name in names}
        for batch in batches:
            for column in self._schema.columns:
                values[column.name] += _values(batch.column(places[column.name]), column, budget)
        return values

    def _refuse_large(self, stream: Stream, body: bytes) -> None:
        rows = 0
        for more in stream.rows:
            rows += more
            refuse_many(rows, self._max_rows)
        width = len(self._schema.names)
        _Budget(max(_EXPANDED, len(body))).spend(max(stream.size, _CELL * rows * width) + _PIECE * len(stream.rows) * width)

    def _refuse_fields(self, fields: Any, names: list[str]) -> None:
        """Names that are not the model's, or sent twice, and types that no value of a column has; before a value is read."""
        faults = Faults()
        for name, count in Counter(names).items() if len(set(names)) < len(names) else ():
            if count > 1:
                faults.add(row=None, column=name, value=None, expected="each name once", problem="sent twice")
        faults.raise_any()
        if set(names) != set(self._schema.names):
            self._schema.check_columns({name: [] for name in names})
        for column in self._schema.columns:
            whole = fields.field(column.name).type
            kind = whole.value_type if pa.types.is_dictionary(whole) else whole
            if not _is_taken(kind) or (_is_instant(kind) and column.type != "datetime"):
                expected = check_of(column).expected
                faults.add(row=None, column=column.name, value=f"the type {whole}", expected=expected, problem="wrong type")
            elif pa.types.is_null(kind) and not column.nullable:
                faults.add(row=None, column=column.name, value=None, expected=check_of(column).expected, problem="null not allowed")
        faults.raise_any()

    def _floats(self, batches: Sequence[Any], rows: int) -> Columns | None:
        names = self._schema.names
        places = {name: batches[0].schema.get_field_index(name) for name in names}
        matrix = np.empty((rows, len(names)))
        start = 0
        for batch in batches:
            for index, name in enumerate(names):
                array = batch.column(places[name])
                if array.null_count:
                    return None
                matrix[start : start + len(batch), index] = array.to_numpy()
            start += len(batch)
        return self._matrix.columns(matrix)


def _validate(batches: Sequence[Any]) -> None:
    """Check what Arrow's library takes as given, except that indices point into their dictionary.

    Each dictionary once: there may be one large one for a thousand small batches.
    """
    seen: set[tuple[Any, ...]] = set()
    for batch in batches:
        for array in batch.columns:
            if not pa.types.is_dictionary(array.type):
                array.validate(full=True)
                continue
            array.validate()
            array.indices.validate(full=True)
            words = array.dictionary
            places = (None if buffer is None else (buffer.address, buffer.size) for buffer in words.buffers())
            known = (str(words.type), len(words), words.offset, *places)
            if known not in seen:
                words.validate(full=True)
                seen.add(known)


def _is_instant(kind: Any) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _is_taken(kind: Any) -> bool:
    return _is_instant(kind) or any(test(kind) for test in _TAKEN)


def _is_string_view(kind: Any) -> bool:
    return str(kind) == "string_view"  # older versions have neither the type nor a test for it


_TAKEN: Final[tuple[Callable[[Any], bool], ...]] = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    lambda kind: pa.types.is_decimal(kind) and 0 <= kind.scale <= kind.precision,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_null,
    _is_string_view,
)


class _Budget:
    """Bytes that the values of one request may still take."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit

    def spend(self, size: int) -> None:
        """Take so many bytes.

        Raises:
            RequestRefused: 413, there are not so many left.
        """
        self._left -= size
        if self._left < 0:
            raise RequestRefused(
                413,
                ErrorCode.BODY_TOO_LARGE,
                f"the values of the Arrow stream are larger than {self._limit} bytes: send fewer rows at once",
                details={"limit": self._limit},
            )


def _values(array: Any, column: Column, budget: _Budget) -> list[Any]:
    """JSON values of one column of one batch."""
    if _is_string_view(array.type):
        return _viewed(array, range(len(array)), budget)
    if not pa.types.is_dictionary(array.type):
        return _plain(array, column)
    missing = array.indices.is_null().to_numpy(zero_copy_only=False)
    used, inverse = np.unique(array.indices.fill_null(0).to_numpy()[~missing], return_inverse=True)
    if len(used) and not 0 <= int(used[0]) <= int(used[-1]) < len(array.dictionary):
        raise StreamMalformed("an index points outside of its dictionary")
    if _is_string_view(array.dictionary.type):
        distinct = _viewed(array.dictionary, used.tolist(), budget)
    else:
        distinct = _plain(array.dictionary.take(pa.array(used)), column)
    # One value may be long, and every row may point at it: whatever is written of the rows repeats it.
    lengths = np.array([len(value) if isinstance(value, str) else 0 for value in distinct], dtype=np.int64)
    budget.spend(int(lengths[inverse].sum()))
    values: list[Any] = [None] * len(array)
    for index, place in zip(np.flatnonzero(~missing).tolist(), inverse.tolist(), strict=True):
        values[index] = distinct[place]
    return values


def _viewed(array: Any, places: Sequence[int], budget: _Budget) -> list[Any]:
    """Texts that point into shared bytes, which several may do.

    One by one: Arrow's kernels for whole arrays also follow what is null, which its validation does not look at.
    """
    texts = [array[place] for place in places]
    # 16 bytes for each text, of which the first four are its length.
    views = array.buffers()[1]
    lengths = np.frombuffer(views or b"", dtype="<i4")[::4]
    budget.spend(sum(int(lengths[array.offset + place]) for place, text in zip(places, texts, strict=True) if text.is_valid))
    return [text.as_py() for text in texts]


def _plain(array: Any, column: Column) -> list[Any]:
    """JSON values of an array that holds its own."""
    kind = array.type
    if pa.types.is_floating(kind):
        return numbers_with_gaps(array.to_numpy(zero_copy_only=False))
    if pa.types.is_decimal(kind):
        return _decimals(array, column)
    if pa.types.is_integer(kind):
        return _with_nulls(array, array.fill_null(0).to_numpy().tolist())
    if _is_instant(kind):
        return _with_nulls(array, _instants(array))
    values: list[Any] = [None] * len(array) if pa.types.is_null(kind) else array.to_numpy(zero_copy_only=False).tolist()
    return values


def _with_nulls(array: Any, values: list[Any]) -> list[Any]:
    if array.null_count:
        for index in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
            values[index] = None
    return values


def _decimals(array: Any, column: Column) -> list[Any]:
    """An integer where the column wants one and it is one, of any size; else the nearest float."""
    decimals: list[Decimal | None] = array.to_pylist()
    exact = column.type != "float"
    return [None if value is None else int(value) if exact and value == value.to_integral_value() else float(value) for value in decimals]


def _instants(array: Any) -> list[Any]:
    """Dates and times as ISO 8601 texts: in UTC with its offset when they have a time zone, without one when not."""
    kind = array.type
    if pa.types.is_date(kind):
        unit = "D" if pa.types.is_date32(kind) else "ms"
        numbers: NDArray[Any] = array.cast(pa.int32() if unit == "D" else pa.int64()).fill_null(0).to_numpy().astype(np.int64)
        days: list[Any] = numbers.view(f"datetime64[{unit}]").astype("datetime64[D]").astype(str).tolist()
        return days
    numbers = array.cast(pa.int64()).fill_null(0).to_numpy()
    offset = "" if kind.tz is None else "+00:00"
    return [_without_zeros(text) + offset for text in numbers.view(f"datetime64[{kind.unit}]").astype(str).tolist()]


def _without_zeros(text: str) -> str:
    """A text of `datetime64` with as many digits of its second as Python and pandas write: none, six or nine."""
    whole, _, digits = text.partition(".")
    if not digits.strip("0"):
        return whole
    digits = digits.ljust(9, "0")
    return f"{whole}.{digits[:6] if digits.endswith('000') else digits}"
