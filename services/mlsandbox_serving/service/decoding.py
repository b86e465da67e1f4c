"""The body of a prediction request as checked columns."""

from __future__ import annotations

from typing import Any, Final

from mlsandbox_serving.contract import ENVELOPES
from mlsandbox_serving.schema import Columns, Schema
from mlsandbox_serving.schema.faults import Faults
from mlsandbox_serving.service.codecs.refusals import refuse_form
from mlsandbox_serving.service.flat_json import LARGE, flat_reader
from mlsandbox_serving.service.json_body import has_names, parse, parse_names, refuse_crowded
from mlsandbox_serving.service.refusal import refuse_many
from mlsandbox_serving.service.typed_json import TypedJson

_FORMS: Final = 'one row {…}, {"rows": [{…}, …]} or {"columns": {"name": […], …}}'

_SPARE: Final = 1_000


class JsonDecoder:
    """Reads and checks bodies of one model: plainly right ones in one step, all others, and all that is wrong, with `decode`.

    Args:
        schema: of the model.
        max_rows: most rows in one request.
    """

    def __init__(self, schema: Schema, *, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        # Twice what is right: lists in place of values are told by row and column.
        self._most = 2 * max_rows + len(schema.names) + _SPARE
        self._flat = flat_reader(schema)
        self._typed = TypedJson(schema)

    def __call__(self, body: bytes) -> Columns:
        """The checked columns of one row, `{"rows": […]}` or `{"columns": {…}}`.

        Raises:
            RequestRefused: 400 for what is not JSON, 413 for too many rows.
            SchemaMismatch: it is JSON, but not what the model takes.
        """
        columns = self._flat(body) if self._flat is not None and len(body) > LARGE else None
        if columns is None:
            refuse_crowded(body, self._most, self._max_rows)
            columns = self._typed(body)
        if columns is None:
            return decode(body, self._schema, max_rows=self._max_rows)
        refuse_many(columns.rows, self._max_rows)
        return columns


def decode(body: bytes, schema: Schema, *, max_rows: int) -> Columns:
    """Read and check one row, `{"rows": […]}` or `{"columns": {…}}`.

    An object with that single key is the envelope; when the model has a column of that name, only envelopes are accepted.

    Raises:
        RequestRefused: 400 for what is not JSON, 413 for too many rows.
        SchemaMismatch: it is JSON, but not what the model takes.
    """
    content = parse(body, _FORMS)
    if not isinstance(content, dict):
        refuse_form(content, _FORMS)
    envelope = next((name for name in ENVELOPES if content.keys() == {name}), None)
    if envelope is None:
        taken = [name for name in ENVELOPES if name in schema.names]
        if taken:
            refuse_form(content, f'{{"rows": [{{…}}, …]}} or {{"columns": {{…}}}}, since the model has a column named {taken[0]!r}')
        _refuse_duplicates(body, [content], 0)
        _refuse_other_forms(content, schema)
        return schema.check_rows([content])
    inner = content[envelope]
    if envelope == "columns":
        if not isinstance(inner, dict):
            refuse_form(inner, 'in "columns" an object with one list per column')
        refuse_many(max((len(values) for values in inner.values() if isinstance(values, list)), default=0), max_rows)
        _refuse_duplicates(body, [inner], 1)
        return schema.check_columns(inner)
    if not isinstance(inner, list):
        refuse_form(inner, 'in "rows" a list of rows')
    refuse_many(len(inner), max_rows)
    _refuse_duplicates(body, inner, 1)
    return schema.check_rows(inner)


def _refuse_other_forms(content: dict[str, Any], schema: Schema) -> None:
    """What other services and `DataFrame.to_json` call rows is no row of which each column is missing or wrong."""
    nested = [isinstance(value, list | dict) for value in content.values()]
    if any(nested) and (all(nested) or content.keys().isdisjoint(schema.names)):
        refuse_form(content, f'{_FORMS} (from pandas: {{"columns": df.to_dict("list")}})')


def _refuse_duplicates(body: bytes, objects: list[Any], outer: int) -> None:
    """Refuse a name that occurs twice in an object."""
    if has_names(body, outer + sum(len(one) for one in objects if isinstance(one, dict))):
        return
    seen = parse_names(body)
    faults = Faults()
    inner = seen
    if outer:
        _add_duplicates(seen, None, faults)
        inner = next(iter(seen.values()))
    if isinstance(inner, list) or not outer:
        for index, row in enumerate(inner if outer else [inner]):
            _add_duplicates(row, index, faults)
    else:
        _add_duplicates(inner, None, faults)
    faults.raise_any()


def _add_duplicates(one: Any, row: int | None, faults: Faults) -> None:
    for name in getattr(one, "repeated", ()):
        faults.add(row=row, column=name, value=None, expected="each name once", problem="sent twice")
