"""Requests of the Open Inference Protocol as checked columns."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.schema import Columns, Schema, SchemaMismatch
from mlsandbox_serving.service.oip.infer import InferDecoder
from mlsandbox_serving.service.refusal import RequestRefused
from support.tensors import NUMPY, body, packed, tensor

PEOPLE = Schema.from_json(
    {
        "schema_version": 1,
        "input": "frame",
        "columns": [
            {"name": "age", "type": "integer", "dtype": "int64"},
            {"name": "hours", "type": "float", "dtype": "float64", "nullable": True},
            {"name": "member", "type": "boolean", "dtype": "bool"},
            {"name": "sex", "type": "category", "dtype": "category", "categories": ["female", "male"], "nullable": True},
            {"name": "level", "type": "category", "dtype": "category", "categories": [1, 2, 3]},
            {"name": "zip", "type": "string", "dtype": "object", "nullable": True, "missing": "none"},
            {"name": "since", "type": "datetime", "dtype": "datetime64[ns]", "nullable": True},
        ],
        "output": {"type": "class", "classes": ["no", "yes"], "probabilities": True},
    }
)
NUMBERS = Schema.from_json(
    {
        "schema_version": 1,
        "input": "array",
        "array_dtype": "float64",
        "columns": [
            {"name": "x", "type": "float", "dtype": "float64"},
            {"name": "y", "type": "float", "dtype": "float32"},
            {"name": "z", "type": "float", "dtype": "float64", "nullable": True},
        ],
        "output": {"type": "number"},
    }
)
DATATYPES = {"age": "INT64", "hours": "FP64", "member": "BOOL", "sex": "BYTES", "level": "INT64", "zip": "BYTES", "since": "BYTES"}
ROW = {"age": 30, "hours": 1.5, "member": True, "sex": "male", "level": 2, "zip": "00120", "since": "2024-05-31T12:00:00"}


def decode(schema: Schema, sent: tuple[bytes, int | None]) -> Columns:
    return InferDecoder(schema, max_rows=1000, classes=schema.output.classes)(*sent)[0]


def person(**changes: dict[str, Any]) -> list[dict[str, Any]]:
    """One row, a tensor per column, some of them others."""
    return [changes.get(name, tensor(name, datatype, [ROW[name]])) for name, datatype in DATATYPES.items()]


def refused(schema: Schema, sent: tuple[bytes, int | None], *, status: int = 400) -> str:
    with pytest.raises(RequestRefused) as caught:
        decode(schema, sent)
    assert caught.value.failure.status == status
    return caught.value.message


def nulls(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.integers(-(2**63), 2**63 - 1),
            "hours": nulls(st.floats(allow_nan=False, allow_infinity=False)),
            "member": st.booleans(),
            "sex": nulls(st.sampled_from(["female", "male"])),
            "level": st.sampled_from([1, 2, 3]),
            "zip": nulls(st.text(st.characters(codec="utf-8"))),
            "since": nulls(st.datetimes().filter(lambda when: 1700 < when.year < 2200).map(lambda when: when.isoformat())),
        }
    ),
    min_size=1,
    max_size=5,
)


@given(ROWS, st.randoms())
def test_the_same_rows_give_the_same_columns(rows: list[dict[str, Any]], random: Any) -> None:
    """Tensors in any order, shape and form must give the columns that the same rows in JSON give."""
    inputs = []
    for name, datatype in DATATYPES.items():
        values = [row[name] for row in rows]
        form = random.choice(["flat", "column", "nested"])
        shape = [len(rows)] if form == "flat" else [len(rows), 1]
        inputs.append(tensor(name, datatype, [[value] for value in values] if form == "nested" else values, shape))
    random.shuffle(inputs)
    binary = [
        place
        for place, one in enumerate(inputs)
        if not isinstance(one["data"][0], list) and (None not in one["data"] or one["datatype"] == "FP64") and random.random() < 0.5
    ]

    assert decode(PEOPLE, body(*inputs, binary=binary)) == PEOPLE.check_rows(rows)


NUMERIC = st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=3, max_size=3), min_size=1, max_size=5)


@given(NUMERIC, st.sampled_from(["FP32", "FP64"]), st.sampled_from(["flat", "nested", "binary"]))
def test_one_tensor_holds_all_columns(rows: list[list[float]], datatype: str, form: str) -> None:
    """One tensor of shape [rows, columns], of any name, must be the columns in the model's order, in each of its forms."""
    data = rows if form == "nested" else [value for row in rows for value in row]

    columns = decode(NUMBERS, body(tensor("input-0", datatype, data, [len(rows), 3]), binary=[0] if form == "binary" else []))

    assert columns == NUMBERS.check_columns({name: [row[place] for row in rows] for place, name in enumerate(NUMBERS.names)})


@pytest.mark.parametrize("datatype", NUMPY)
@pytest.mark.parametrize("binary", [False, True])
def test_every_numeric_datatype_is_read(datatype: str, binary: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    """Numbers of each datatype must reach a column of floats, but for truth values, and for FP16 in JSON, which has no form there."""
    sent = body(*(tensor(name, datatype, [1, 0], [2, 1]) for name in NUMBERS.names), binary=[0, 1, 2] if binary else [])

    if datatype == "BOOL":
        with pytest.raises(SchemaMismatch, match="row 0, column 'x': wrong type, expected a number, got true"):
            decode(NUMBERS, sent)
    elif datatype == "FP16" and not binary:
        assert "FP16 has no form in JSON" in refused(NUMBERS, sent)
    else:
        assert decode(NUMBERS, sent) == NUMBERS.check_columns({name: [1.0, 0.0] for name in NUMBERS.names})


def test_fp32_is_what_is_left_of_a_number() -> None:
    """A number in FP32 must become the double of that float, as JSON and in binary form alike."""
    third = float(np.float32(1 / 3))

    for binary in ([], [0]):
        columns = decode(PEOPLE, body(*person(hours=tensor("hours", "FP32", [1 / 3])), binary=[1] if binary else []))
        assert columns.by_name["hours"] == [third]
    mixed = tensor("hours", "FP32", [1 / 3, None])
    rest = [tensor(name, DATATYPES[name], [ROW[name]] * 2) for name in DATATYPES if name != "hours"]
    assert decode(PEOPLE, body(mixed, *rest)).by_name["hours"] == [third, None]


@pytest.mark.parametrize("binary", [False, True])
def test_too_large_numbers_are_faults(binary: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    """A number past the column's dtype must be a fault of its row and column, whether the tensor could hold it or not."""
    sent = body(tensor("all", "FP64", [1.0, 1e39, 1.0], [1, 3]), binary=[0] if binary else [])

    with pytest.raises(SchemaMismatch, match="row 0, column 'y': out of range of float32"):
        decode(NUMBERS, sent)


def test_nan_is_null() -> None:
    """NaN in binary form must be null: taken where the column has missing values, and a fault where it has none."""
    one = [tensor("x", "FP64", [1.0]), tensor("y", "FP32", [1.0]), tensor("z", "FP64", [None])]
    assert decode(NUMBERS, body(*one, binary=[2])).by_name["z"] == [None]

    one = [tensor("x", "FP64", [None]), tensor("y", "FP32", [1.0]), tensor("z", "FP64", [1.0])]
    with pytest.raises(SchemaMismatch, match="row 0, column 'x': null not allowed"):
        decode(NUMBERS, body(*one, binary=[0]))


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (tensor("age", "FP64", [1.5]), "row 0, column 'age': not a whole number"),
        (tensor("age", "BYTES", ["30"]), "row 0, column 'age': wrong type, expected an integer"),
        (tensor("age", "INT8", [300]), "row 0, column 'age': wrong type, expected an element of INT8"),
        (tensor("age", "INT64", ["x"]), "row 0, column 'age': wrong type, expected an element of INT64"),
        (tensor("age", "UINT8", [-1]), "row 0, column 'age': wrong type, expected an element of UINT8"),
        (tensor("age", "INT64", [True]), "row 0, column 'age': wrong type, expected an element of INT64"),
        (tensor("age", "INT64", [None]), "row 0, column 'age': null not allowed"),
        (tensor("member", "BOOL", [2]), "row 0, column 'member': wrong type, expected an element of BOOL"),
        (tensor("sex", "BYTES", ["other"]), "row 0, column 'sex': not a known category"),
        (tensor("zip", "INT64", [120]), "row 0, column 'zip': wrong type, expected a text"),
        (tensor("since", "BYTES", ["yesterday"]), "row 0, column 'since': not a date"),
        (tensor("hours", "FP64", [1.0, 2.0]), "column 'hours': wrong length"),
        (tensor("Hours", "FP64", [1.0]), "column 'hours': missing.*column 'Hours': unknown column"),
        (tensor("age", "INT64", [1]), "column 'age': sent twice"),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, Any], text: str) -> None:
    """What the model does not take must be told as for JSON rows: by row, column, value and expectation."""
    name = "hours" if changed["name"] == "Hours" else changed["name"]
    inputs = [*person(), changed] if "twice" in text else person(**{name: changed})

    with pytest.raises(SchemaMismatch, match=text):
        decode(PEOPLE, body(*inputs))


def test_zeros_and_ones_are_truth_values() -> None:
    """A BOOL tensor whose elements are written 0 and 1 must be false and true."""
    assert decode(PEOPLE, body(*person(member=tensor("member", "BOOL", [1])))).by_name["member"] == [True]


def test_wrapped_texts_are_unwrapped() -> None:
    """Texts that a codec has wrapped in base64 or in JSON must be what they were."""
    wrapped = tensor("zip", "BYTES", [base64.b64encode(b"00120").decode()], content_type="base64")
    assert decode(PEOPLE, body(*person(zip=wrapped))).by_name["zip"] == ["00120"]
    assert decode(PEOPLE, body(*person(zip=wrapped), binary=[5])).by_name["zip"] == ["00120"]

    member = tensor("member", "BYTES", ["true"], content_type="pd_json")
    assert decode(PEOPLE, body(*person(member=member))).by_name["member"] == [True]

    for content_type in ("str", "np", "pd", 7):
        plain = tensor("zip", "BYTES", ["00120"], content_type=content_type)
        assert decode(PEOPLE, body(*person(zip=plain))).by_name["zip"] == ["00120"]

    assert "as base64" in refused(PEOPLE, body(*person(zip=tensor("zip", "BYTES", ["ü"], content_type="base64"))))
    assert "as pd_json" in refused(PEOPLE, body(*person(zip=tensor("zip", "BYTES", ["{"], content_type="pd_json"))))


def test_rows_are_limited() -> None:
    """More rows than a request may have must be refused by the shape alone."""
    message = refused(NUMBERS, body(tensor("all", "FP64", [], [1001, 3])), status=413)

    assert message == "1001 rows in one request, the limit is 1000: send several"


X = tensor("x", "FP64", [1.0, 2.0])


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ((b"", None), "the JSON is said to be 0 bytes of a body of 0"),
        ((b"{}", 3), "the JSON is said to be 3 bytes of a body of 2"),
        ((b"{}", 0), "the JSON is said to be 0 bytes"),
        ((b"{", None), "cannot be read as JSON"),
        ((b'{"inputs":[],"id":"\xff"}', None), "it is not UTF-8"),
        ((b"[" * 100_000, None), "no inference request|nested too deeply"),
        ((b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[NaN]}]}', None), "null stands for NaN"),
        (
            (b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":' + b"[" * 10**5 + b"]" * 10**5 + b"}]}", None),
            "nested too deeply",
        ),
        ((b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":["\xff"]}]}', None), "it is not UTF-8"),
        ((b"{}", None), "missing required field `inputs`"),
        ((b'{"inputs":{}}', None), "Expected `array`, got `object`"),
        (body(tensor("x", "FP64", [1.0], [1.5])), "Expected `int`, got `float`"),
        (body({**X, "data": None}), "neither data nor binary_data_size"),
        (body({**X, "data": 7}), "inputs.0.: its data is not a list"),
        (body({**X, "datatype": "BF16"}), "its datatype is none of BOOL"),
        (body({**X, "shape": []}), "the shape of a column is"),
        (body({**X, "shape": [1, 2, 1]}), "the shape of a column is"),
        (body({**X, "shape": [2, 2]}, tensor("y", "FP64", [1.0])), "the shape of a column is"),
        (body({**X, "shape": [-2, -1]}), "negative or too large"),
        (body({**X, "shape": [2**63]}), "negative or too large"),
        (body({**X, "shape": [10**30, 10**30]}), "negative or too large"),
        (body({**X, "shape": [3]}), "its data has 2 elements, its shape 3"),
        (body({**X, "shape": [3]}, binary=[0]), "3 elements of FP64 are 24 bytes, not 16"),
        (body({**X, "data": [[1.0], [2.0, 3.0]], "shape": [2, 1]}), "not 2 lists of 1"),
        (body({**X, "data": [[1.0], None], "shape": [2, 1]}), "not 2 lists of 1"),
        (body({**X, "parameters": {"binary_data_size": 16}}), "both data and binary_data_size"),
        (body(tensor("x", "BYTES", [b"\xff"]), binary=[0]), "not UTF-8"),
        (body(tensor("x", "BOOL", [2]), binary=[0]), "a byte of 0 or 1"),
        (body(X, parameters={"binary_data_output": 1}), "parameters: binary_data_output is neither true nor false"),
        (body(X, outputs=[{"name": "other"}]), "there is no such output; there is predict'"),
        (body(X, outputs=[{"name": "predict", "parameters": {"classification": 2}}]), "not offered"),
        (body(X, outputs=[{"name": "predict", "parameters": {"binary_data": "yes"}}]), "neither true nor false"),
        (body(X, id=7), "Expected `str . null`, got `int`"),
    ],
)
def test_what_is_no_request_is_refused(sent: tuple[bytes, int | None], text: str) -> None:
    """A body that contradicts itself or the protocol must be a 400 that says where."""
    with pytest.raises(RequestRefused, match=text) as caught:
        decode(NUMBERS, sent)

    assert caught.value.failure.status == 400


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"inputs"', b'"inputs": [], "inputs"'),
        (b'"name"', b'"name": "y", "name"'),
        (b'"shape"', b'"shape": [1], "sh\\u0061pe"'),
        (b'"inputs"', b'"parameters": {"a": 1, "a": 2}, "inputs"'),
        (b'"inputs"', b'"parameters": {"a": {"b": [1, {"c": 1, "c": 2}]}}, "inputs"'),
        (b'"inputs"', b'"outputs": [{"name": "predict", "name": "predict"}], "inputs"'),
        (b'"inputs"', b'"other": {"a": 1, "a": 2}, "inputs"'),
    ],
)
def test_a_name_sent_twice_is_refused(old: bytes, new: bytes) -> None:
    """Of two values with one name neither must silently be dropped."""
    content, _ = body(X)

    with pytest.raises(RequestRefused, match="one name twice") as caught:
        decode(NUMBERS, (content.replace(old, new, 1), None))

    assert caught.value.failure.status == 400


@pytest.mark.parametrize("more", [{"id": None, "parameters": None, "outputs": None}, {"other": {"a": [{"b": 1}, 2]}, "id": '":"'}])
def test_what_looks_like_a_name_sent_twice_is_taken(more: dict[str, Any]) -> None:
    """Fields that are null, fields of others, and texts with quotes and colons in them must not be taken for a name that came twice."""
    inputs = [{**one, "parameters": {"content_type": "np", "other": {"a": '":'}}} for one in person()]

    assert decode(PEOPLE, body(*inputs, **more)).rows == 1


@pytest.mark.parametrize("form", [b'{"inputs":%b}', b'{"inputs":[],"x":%b}', b'{"inputs":[],"x":1,"x":%b}'])
def test_every_depth_is_refused(form: bytes) -> None:
    """A request that is nested must be refused however deeply it is: no depth is a fault of the service."""
    for depth in range(700, 1_001):
        with pytest.raises((RequestRefused, SchemaMismatch)):
            decode(NUMBERS, (form % (b'[{"x":' * (depth // 2) + b"1" + b"}]" * (depth // 2)), None))


@pytest.mark.parametrize("size", [-1, 0, 15, 17, 2**63, True, "16", 1.5])
def test_a_wrong_binary_size_is_refused(size: Any) -> None:
    """A size of binary data that is not the tensor's, or not there, must be a 400."""
    header = json.dumps({"inputs": [{"name": "x", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": size}}]}).encode()

    refused(NUMBERS, (header + bytes(16), len(header)))


@pytest.mark.parametrize("tail", [packed("BYTES", ["ab"])[:-1], b"\x01\x00", b"\xff\xff\xff\xffab", packed("BYTES", ["a", "b"]), b""])
def test_torn_texts_are_refused(tail: bytes) -> None:
    """Texts in binary form that end early, or are more or fewer than the shape says, must be a 400."""
    tensors = [{"name": "x", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(tail)}}]
    header = json.dumps({"inputs": tensors}).encode()

    refused(NUMBERS, (header + tail, len(header)))


def test_messages_repeat_nothing_that_was_sent() -> None:
    """A refusal, which is logged as it is, must not hold names or values of the request."""
    canary = "CANARY"
    bodies = [
        body(tensor(canary, canary, [canary])),
        body(tensor("x", "FP64", [canary], [9])),
        body(tensor("x", "BYTES", [canary], content_type="base64")),
        body(X, outputs=[{"name": canary}]),
        body(tensor("x", "BYTES", [canary.encode() + b"\xff"]), binary=[0]),
        (f'{{"inputs": "{canary}", "{canary}'.encode(), None),
        body({**X, "shape": canary}),
    ]

    assert [sent for sent in bodies if canary in refused(NUMBERS, sent)] == []


def test_a_model_of_one_column_takes_its_tensor_by_any_name() -> None:
    """Of a model with one column both its own tensor and the one that holds all columns must be taken."""
    document = NUMBERS.to_json()
    schema = Schema.from_json({**document, "columns": document["columns"][:1]})

    for name in ("x", "input-0"):
        assert decode(schema, body(tensor(name, "FP64", [1.0, 2.0], [2, 1]))).by_name == {"x": [1.0, 2.0]}


def test_another_width_is_told() -> None:
    """One tensor with another number of columns must be told what the model takes."""
    with pytest.raises(SchemaMismatch, match=r"wrong form, expected one tensor of shape \[rows, 3\]"):
        decode(NUMBERS, body(tensor("all", "FP64", [1.0, 2.0], [1, 2])))


def test_no_rows_are_told() -> None:
    """A tensor without rows must be told as a request without rows is."""
    with pytest.raises(SchemaMismatch, match="expected at least one row"):
        decode(NUMBERS, body(tensor("all", "FP64", [], [0, 3])))
