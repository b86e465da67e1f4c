"""The forms that a request's body may have."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.schema import Column, Output, Schema, SchemaMismatch
from mlsandbox_serving.service.decoding import JsonDecoder, decode
from mlsandbox_serving.service.refusal import RequestRefused


def schema_of(*names: str) -> Schema:
    return Schema(input="frame", columns=tuple(Column(name, "integer", "int64") for name in names), output=Output("number"))


PLAIN = schema_of("a", "b")


def read(content: Any, schema: Schema = PLAIN, max_rows: int = 10) -> dict[str, list[Any]]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return decode(body, schema, max_rows=max_rows).by_name


@pytest.mark.parametrize("content", [{"a": 1, "b": 2}, {"rows": [{"a": 1, "b": 2}]}, {"columns": {"a": [1], "b": [2]}}])
def test_the_three_forms_are_one_request(content: dict[str, Any]) -> None:
    """One row, rows and columns are read as the same request."""
    assert read(content) == {"a": [1], "b": [2]}


def test_a_column_named_like_an_envelope_needs_the_envelope() -> None:
    """With a column named "rows" a bare row is refused, and the envelopes work."""
    schema = schema_of("rows", "b")

    assert read({"rows": [{"rows": 1, "b": 2}]}, schema) == {"rows": [1], "b": [2]}
    assert read({"columns": {"rows": [1], "b": [2]}}, schema) == {"rows": [1], "b": [2]}
    with pytest.raises(SchemaMismatch, match="a column named 'rows'"):
        read({"rows": 1, "b": 2}, schema)


def test_a_single_column_named_like_an_envelope_is_an_envelope() -> None:
    """An object with the single key "columns" is the envelope even when that is the model's only column."""
    schema = schema_of("columns")

    assert read({"columns": {"columns": [1]}}, schema) == {"columns": [1]}
    with pytest.raises(SchemaMismatch, match="one list per column"):
        read({"columns": 1}, schema)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"{",
        b'{"a":1} x',
        b"\xff\xfe",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":NaN,"b":1}',
        b'{"a":-Infinity,"b":1}',
        b'{"a":1e999,"b":1}',
        b'{"a":1' + b"0" * 5_000 + b"}",
        b"[" * 100_000,
        b"\x80\x04\x95",
        b"a,b\n1,2\n",
    ],
)
def test_what_is_not_json_is_unreadable(body: bytes) -> None:
    """A body that is not JSON is a 400, whatever it is."""
    with pytest.raises(RequestRefused) as caught:
        read(body)

    assert (caught.value.failure.status, caught.value.failure.code) == (400, ErrorCode.UNREADABLE_BODY)


@pytest.mark.parametrize("form", [b'{"a":%b,"b":1}', b'{"a":%b,"a":1}', b'{"rows":[%b]}', b'{"a":":%b"}'])
@pytest.mark.parametrize("inner", [(b"[", b"]"), (b'{"x":', b"1}")])
def test_every_depth_is_read_or_refused(form: bytes, inner: tuple[bytes, bytes]) -> None:
    """JSON must be read, or be unreadable, however deeply it is nested: no depth is a fault of the service."""
    decoder = JsonDecoder(PLAIN, max_rows=10)
    refused = set()
    for depth in range(700, 1_001):
        with pytest.raises((RequestRefused, SchemaMismatch)) as caught:
            decoder(form % (inner[0] * depth + inner[1] * depth))
        refused.add(caught.value.failure.status if isinstance(caught.value, RequestRefused) else 422)

    assert refused <= {400, 422}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"rows":[' + b"{}," * 4_000 + b"{}]}", 413),
        (b'{"rows":[' + b"[]," * 4_000 + b"[]]}", 413),
        (b'{"rows":[' + b'{"a":1,"b":2},' * 4_000 + b"{}]}", 413),
        (b'{"columns":{"a":[' + b"[]," * 4_000 + b"[]]}}", 413),
        (b"[" * 4_000, 400),
    ],
)
def test_lists_and_objects_are_counted_before_they_are_made(body: bytes, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON of many more lists and objects than rows are taken must be refused without being read."""
    decoder = JsonDecoder(PLAIN, max_rows=10)
    monkeypatch.setattr("mlsandbox_serving.service.decoding.decode", pytest.fail)
    monkeypatch.setattr(decoder, "_typed", pytest.fail)

    with pytest.raises(RequestRefused) as caught:
        decoder(body)

    assert caught.value.failure.status == status


def test_brackets_in_texts_are_no_lists() -> None:
    """A text may hold as many brackets as it likes, behind escaped quotes, too."""
    schema = Schema(input="frame", columns=(Column("t", "string", "object"),), output=Output("number"))
    text = '"[{\\"[' * 4_000

    assert JsonDecoder(schema, max_rows=10)(json.dumps({"t": text}).encode()).by_name == {"t": [text]}


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'\xef\xbb\xbf{"a":1,"b":2}', "starts with a byte order mark: send UTF-8 without it"),
        ('{"a":1,"b":2}'.encode("utf-16"), "starts with a byte order mark"),
        ('{"a":1,"b":2}'.encode("utf-16-le"), "looks like UTF-16"),
        ('{"a":1,"b":2}'.encode("utf-16-be"), "looks like UTF-16"),
        (b"a,b\n1,2\n", "text/csv for CSV"),
        (b"true_age,b\n1,2\n", "text/csv for CSV"),
        (b'{"a":1e400,"b":2}', "JSON: a number is out of the range of float64'"),
        (b'{"rows":[{"a":-1e400,"b":2}]}', "JSON: a number is out of the range of float64'"),
    ],
)
def test_what_is_not_json_is_called_what_it_is(body: bytes, hint: str) -> None:
    """Marks, other encodings, CSV and numbers that no float holds must be told in words of the sender."""
    with pytest.raises(RequestRefused, match=hint) as caught:
        read(body)

    assert "$" not in caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        {"instances": [{"a": 1, "b": 2}]},
        {"signature_name": "serving_default", "instances": [[1, 2]]},
        {"inputs": {"a": [1], "b": [2]}},
        {"data": [[1, 2]]},
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}},
        {"columns": ["a", "b"], "index": [0], "data": [[1, 2]]},
        {"schema": {"fields": []}, "data": [{"index": 0, "a": 1, "b": 2}]},
        {"a": {"0": 1}, "b": {"0": 2}},
        {"0": {"a": 1, "b": 2}},
        {"a": [1], "b": [2]},
    ],
)
def test_forms_of_others_are_one_fault(content: Any) -> None:
    """What other services take, and a DataFrame writes, must be one fault that tells the forms, repeating nothing."""
    with pytest.raises(SchemaMismatch) as caught:
        read(content)

    (fault,) = caught.value.faults
    assert (fault.problem, fault.value) == ("wrong form", f"an object of {len(content)}")
    assert '{"columns": df.to_dict("list")}' in fault.expected


def test_nan_tokens_are_explained() -> None:
    """A client that sends NaN is told to send null."""
    with pytest.raises(RequestRefused, match="send null"):
        read(b'{"a": NaN, "b": 1}')


@pytest.mark.parametrize(
    "content", [[], [{"a": 1, "b": 2}], "row", 1, None, {"rows": {}}, {"rows": None}, {"columns": []}, {"rows": []}, {}]
)
def test_other_forms_are_told_what_is_taken(content: Any) -> None:
    """JSON of another form is a schema mismatch that says which forms there are."""
    with pytest.raises(SchemaMismatch):
        read(content)


@pytest.mark.parametrize(
    ("body", "row", "column"),
    [
        (b'{"a":1,"a":2,"b":3}', 0, "a"),
        (b'{"rows":[{"a":1,"b":2},{"a":1,"b":2,"b" : 3}]}', 1, "b"),
        (b'{"columns":{"a":[1],"a":[2],"b":[3]}}', None, "a"),
        (b'{"rows":[{"a":1,"b":2}],"rows":[{"a":1,"b":2}]}', None, "rows"),
        (b'{"a":1,"\\u0061":2,"b":3}', 0, "a"),
    ],
)
def test_a_name_sent_twice_is_refused(body: bytes, row: int | None, column: str) -> None:
    """A column that is sent twice is refused by row and name: neither value is silently dropped."""
    with pytest.raises(SchemaMismatch) as caught:
        read(body)

    assert [(fault.row, fault.column, fault.problem) for fault in caught.value.faults] == [(row, column, "sent twice")]


def test_colons_in_texts_are_no_duplicates() -> None:
    """Texts that look like keys do not make a request look as if it had names twice."""
    schema = Schema(input="frame", columns=(Column("t", "string", "object"),), output=Output("number"))

    assert read({"rows": [{"t": ':"x":'}, {"t": '":'}, {"t": ": :"}]}, schema) == {"t": [':"x":', '":', ": :"]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "rows", "columns", "x"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(), JSON.map(lambda content: json.dumps(content).encode()), JSON.map(lambda rows: json.dumps({"rows": [rows]}).encode())
    )
)
def test_no_body_is_a_fault_of_the_service(body: bytes) -> None:
    """Whatever a client sends is read, or refused with a message that JSON can hold."""
    try:
        decode(body, PLAIN, max_rows=10)
    except RequestRefused as refused:
        told: Any = refused.body("id")
    except SchemaMismatch as mismatch:
        told = [str(mismatch), mismatch.to_json(), mismatch.redacted(known=PLAIN.names, visible=PLAIN.names)]
    else:
        return
    assert msgspec.json.decode(msgspec.json.encode(told))


@pytest.mark.parametrize("content", [{"rows": [{"a": 1, "b": 2}] * 11}, {"columns": {"a": [1] * 11, "b": [2] * 11}}])
def test_too_many_rows_are_refused(content: dict[str, Any]) -> None:
    """More rows than the limit are a 413 that says the limit."""
    with pytest.raises(RequestRefused) as caught:
        read(content)

    assert caught.value.failure.status == 413
    assert caught.value.details == {"rows": 11, "limit": 10}
