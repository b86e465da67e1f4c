"""The body of a prediction request as checked columns."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final, NoReturn

from mlsandbox_serving.contract import ENVELOPES, ErrorCode
from mlsandbox_serving.schema import Columns, Fault, Schema, SchemaMismatch
from mlsandbox_serving.schema.faults import Faults, shortened
from mlsandbox_serving.service.json_body import parse
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.typed_json import TypedJson

_KEY_END: Final = re.compile(rb'"\s*:')
_FORMS: Final = 'one row {…}, {"rows": [{…}, …]} or {"columns": {"name": […], …}}'


class JsonDecoder:
    """Reads and checks bodies of one model: plainly right ones in one step, all others, and all that is wrong, with `decode`.

    Args:
        schema: of the model.
        max_rows: most rows in one request.
    """

    def __init__(self, schema: Schema, *, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        self._typed = TypedJson(schema)

    def __call__(self, body: bytes) -> Columns:
        """The checked columns of one row, `{"rows": […]}` or `{"columns": {…}}`.

        Raises:
            RequestRefused: 400 for what is not JSON, 413 for too many rows.
            SchemaMismatch: it is JSON, but not what the model takes.
        """
        columns = self._typed(body)
        if columns is None:
            return decode(body, self._schema, max_rows=self._max_rows)
        if columns.rows > self._max_rows:
            _refuse_many(columns.rows, self._max_rows)
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
        _refuse_form(content, _FORMS)
    envelope = next((name for name in ENVELOPES if content.keys() == {name}), None)
    if envelope is None:
        taken = [name for name in ENVELOPES if name in schema.names]
        if taken:
            _refuse_form(content, f'{{"rows": [{{…}}, …]}} or {{"columns": {{…}}}}, since the model has a column named {taken[0]!r}')
        _refuse_duplicates(body, [content], 0)
        return schema.check_rows([content])
    inner = content[envelope]
    if envelope == "columns":
        if not isinstance(inner, dict):
            _refuse_form(inner, 'in "columns" an object with one list per column')
        _refuse_many(max((len(values) for values in inner.values() if isinstance(values, list)), default=0), max_rows)
        _refuse_duplicates(body, [inner], 1)
        return schema.check_columns(inner)
    if not isinstance(inner, list):
        _refuse_form(inner, 'in "rows" a list of rows')
    _refuse_many(len(inner), max_rows)
    _refuse_duplicates(body, inner, 1)
    return schema.check_rows(inner)


def _refuse_form(content: Any, expected: str) -> NoReturn:
    raise SchemaMismatch((Fault(None, None, shortened(content), expected, "wrong form"),), 1)


def _refuse_many(rows: int, limit: int) -> None:
    if rows > limit:
        message = f"{rows} rows in one request, the limit is {limit}: send several"
        raise RequestRefused(413, ErrorCode.TOO_MANY_ROWS, message, details={"rows": rows, "limit": limit})


def _refuse_duplicates(body: bytes, objects: list[Any], outer: int) -> None:
    """A name that occurs twice in an object would be dropped by any decoder: refuse it.

    Counting the ends of keys in the bytes never finds fewer than there are, so equal numbers prove that there is no duplicate.
    """
    keys = outer + sum(len(one) for one in objects if isinstance(one, dict))
    if len(_KEY_END.findall(body)) == keys:
        return
    seen = json.loads(body, object_pairs_hook=_Pairs)
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


class _Pairs(dict[str, Any]):
    """An object that remembers which of its names came twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs) if len(self) < len(pairs) else {}
        self.repeated = [name for name, count in counts.items() if count > 1]


def _add_duplicates(one: Any, row: int | None, faults: Faults) -> None:
    for name in getattr(one, "repeated", ()):
        faults.add(row=row, column=name, value=None, expected="each name once", problem="sent twice")
