"""Answers in the form of the Open Inference Protocol."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.contract import Header
from mlsandbox_serving.schema import Schema
from mlsandbox_serving.service.answers import Answers
from mlsandbox_serving.service.oip.infer import InferDecoder
from support.tensors import body, packed, tensor

X = tensor("x", "FP64", [1.0, 2.0])
Json = dict[str, Any]


def schema(output: Json) -> Schema:
    columns = [{"name": "x", "type": "float", "dtype": "float64"}]
    return Schema.from_json({"schema_version": 1, "input": "frame", "columns": columns, "output": output})


def answered(output: Json, predictions: list[Any], probabilities: list[Any] | None = None, **fields: Any) -> tuple[Json, bytes, str]:
    """The answer's JSON, what follows it, and its content type."""
    decoder = InferDecoder(schema(output), max_rows=9, classes=output.get("classes"))
    _, encode = decoder(*body(X, **fields))
    content = encode(Answers(predictions, probabilities, output.get("classes"), "toy", "v1", "r1"))
    length = int(getattr(encode, "headers", {}).get(Header.INFERENCE_LENGTH, len(content)))
    return json.loads(content[:length]), content[length:], encode.content_type


CLASSES = {"type": "class", "classes": ["no", "yes"], "probabilities": True}
PROBABILITIES = [[0.75, 0.25], [0.5, 0.5]]


def test_a_classifier_answers_labels_and_probabilities() -> None:
    """Without a choice of outputs labels and probabilities must be there, flat, with the model, its version and the request's id."""
    content, rest, content_type = answered(CLASSES, ["no", "yes"], PROBABILITIES)

    assert content == {
        "model_name": "toy",
        "model_version": "v1",
        "id": "r1",
        "parameters": {"request_id": "r1"},
        "outputs": [
            {"name": "predict", "datatype": "BYTES", "shape": [2], "data": ["no", "yes"]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [2, 2], "data": [0.75, 0.25, 0.5, 0.5]},
        ],
    }
    assert (rest, content_type) == (b"", "application/json")


def test_the_id_is_the_clients() -> None:
    """An id of the request must come back, beside the one by which its event is found."""
    content, _, _ = answered(CLASSES, ["no", "yes"], PROBABILITIES, id="42")

    assert (content["id"], content["parameters"]) == ("42", {"request_id": "r1"})


@pytest.mark.parametrize(
    ("fields", "binary"),
    [
        ({"parameters": {"binary_data_output": True}}, ["predict", "predict_proba"]),
        ({"outputs": [{"name": "predict_proba", "parameters": {"binary_data": True}}, {"name": "predict"}]}, ["predict_proba"]),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "predict_proba"}, {"name": "predict", "parameters": {"binary_data": False}}],
            },
            ["predict_proba"],
        ),
    ],
)
def test_outputs_are_binary_where_asked(fields: Json, binary: list[str]) -> None:
    """What is asked for in binary form must follow the JSON in the order of the outputs, with its size, the rest must stand in it."""
    content, rest, content_type = answered(CLASSES, ["no", "yes"], PROBABILITIES, **fields)

    expected = {"predict": packed("BYTES", ["no", "yes"]), "predict_proba": packed("FP64", [0.75, 0.25, 0.5, 0.5])}
    outputs = {output["name"]: output for output in content["outputs"]}
    assert {name for name, output in outputs.items() if "data" not in output} == set(binary)
    assert rest == b"".join(expected[name] for name in outputs if name in binary)
    assert all(outputs[name]["parameters"] == {"binary_data_size": len(expected[name])} for name in binary)
    assert content_type == "application/octet-stream"


def test_outputs_are_chosen() -> None:
    """Only the outputs that are asked for must be there."""
    content, _, _ = answered(CLASSES, ["no", "yes"], PROBABILITIES, outputs=[{"name": "predict_proba"}])

    assert [output["name"] for output in content["outputs"]] == ["predict_proba"]


@pytest.mark.parametrize(
    ("output", "predictions", "datatype", "shape", "data"),
    [
        ({"type": "class", "classes": [0, 1]}, [1, 0], "INT64", [2], [1, 0]),
        ({"type": "class", "classes": [False, True]}, [True, False], "BOOL", [2], [True, False]),
        ({"type": "class", "classes": [0.0, 1.0]}, [1.0, 0.0], "FP64", [2], [1.0, 0.0]),
        ({"type": "class", "classes": [0, "a"]}, [0, "a"], "BYTES", [2], ["0", "a"]),
        ({"type": "class", "classes": None}, [1, 0], "BYTES", [2], ["1", "0"]),
        ({"type": "number"}, [1.5, None], "FP64", [2], [1.5, None]),
        ({"type": "number"}, [1, -1], "FP64", [2], [1, -1]),
        ({"type": "array"}, [[1.0, 2.0], [3.0, 4.0]], "FP64", [2, 2], [1.0, 2.0, 3.0, 4.0]),
        ({"type": "array"}, [["a", "b"], ["c", "d"]], "BYTES", [2, 2], ["a", "b", "c", "d"]),
        ({"type": "array"}, [[1.0], [2.0, 3.0]], "BYTES", [2], ["[1.0]", "[2.0,3.0]"]),
        ({"type": "array"}, [[1.0], None], "BYTES", [2], ["[1.0]", None]),
    ],
)
def test_a_prediction_has_the_datatype_that_holds_it(
    output: Json, predictions: list[Any], datatype: str, shape: list[int], data: Any
) -> None:
    """Labels and numbers must come as the datatype of the classes, what no number can be as text; the same in binary form."""
    content, _, _ = answered(output, predictions)
    assert content["outputs"] == [{"name": "predict", "datatype": datatype, "shape": shape, "data": data}]

    content, rest, _ = answered(output, predictions, parameters={"binary_data_output": True})
    assert rest == packed(datatype, ["" if value is None and datatype == "BYTES" else value for value in data])
    assert content["outputs"][0]["shape"] == shape


def test_numbers_keep_their_bits() -> None:
    """Numbers in binary form must be the very doubles that the model answered."""
    numbers = np.random.default_rng(1).normal(size=2).tolist()

    _, rest, _ = answered({"type": "number"}, numbers, parameters={"binary_data_output": True})

    assert np.frombuffer(rest, "<f8").tolist() == numbers
