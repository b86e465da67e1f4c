"""ONNX files, through ONNX Runtime on the CPU: one matrix as input, or one input per column."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.models.base import (
    ModelSpec,
    ModelUnsupported,
    Prediction,
    Predictor,
    as_labels,
    as_probabilities,
    column_arrays,
    matrix,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES: Final[dict[str, Any]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class OnnxPredictor:
    """The first output is the label; a second one with a row per row and a column per class holds the probabilities.

    Args:
        session: an onnxruntime.InferenceSession.
        spec: `input_names` orders the inputs of a model with several.
    """

    def __init__(self, session: Any, spec: ModelSpec) -> None:
        self.model = session
        self.classes = spec.classes
        self._outputs = [output.name for output in session.get_outputs()][:2]
        self._inputs = session.get_inputs()
        for one in self._inputs:
            if one.type not in _DTYPES:
                raise ModelUnsupported(f"input {one.name!r} is a {one.type}; tensors of numbers, booleans and texts can be served")
        first = self._inputs[0].shape
        self._row_by_row = bool(first) and first[0] == 1

    def predict(self, model_input: Any) -> Prediction:
        """One run per batch; one per row for a model that was exported for a single row."""
        feeds = self._feeds(model_input)
        rows = len(next(iter(feeds.values())))
        if not self._row_by_row or rows == 1:
            return self._answer(self.model.run(self._outputs, feeds))
        answers = [
            self._answer(self.model.run(self._outputs, {name: data[row : row + 1] for name, data in feeds.items()})) for row in range(rows)
        ]
        probabilities = [answer.probabilities for answer in answers if answer.probabilities is not None]
        return Prediction(np.concatenate([answer.labels for answer in answers]), np.concatenate(probabilities) if probabilities else None)

    def _feeds(self, model_input: Any) -> dict[str, NDArray[Any]]:
        if len(self._inputs) == 1 and len(self._inputs[0].shape) != 1:
            only = self._inputs[0]
            return {only.name: matrix(model_input, _DTYPES[only.type])}
        if isinstance(model_input, np.ndarray):
            columns = [model_input[:, index] for index in range(model_input.shape[1])]
            named: dict[str, NDArray[Any]] = {}
        else:
            named = column_arrays(model_input)
            columns = list(named.values())
        if len(columns) != len(self._inputs):
            raise ModelUnsupported(f"the model has {len(self._inputs)} inputs, there are {len(columns)} columns")
        by_name = all(one.name in named for one in self._inputs)
        return {
            one.name: np.asarray(named[one.name] if by_name else columns[index])
            .astype(_DTYPES[one.type])
            .reshape(-1, *[1] * (len(one.shape) - 1))
            for index, one in enumerate(self._inputs)
        }

    def _answer(self, outputs: list[Any]) -> Prediction:
        labels = as_labels(outputs[0])
        if len(outputs) < 2:
            return Prediction(labels)
        second = outputs[1]
        if isinstance(second, list) and second and isinstance(second[0], dict):
            if self.classes is None:
                self.classes = tuple(second[0])
            return Prediction(labels, np.array([[row[name] for name in self.classes] for row in second]))
        probabilities = as_probabilities(second)
        return Prediction(labels, probabilities if probabilities is not None and len(probabilities) == len(labels) else None)


def load(file: Path, spec: ModelSpec) -> Predictor:
    """Open a session on a file (and the external data beside it)."""
    return OnnxPredictor(_session(str(file)), spec)


def wrap(model: Any) -> Predictor:
    """An InferenceSession, or an onnx.ModelProto."""
    session = model if hasattr(model, "get_inputs") else _session(model.SerializeToString())
    return OnnxPredictor(session, ModelSpec(kind=ModelKind.ONNX))


def _session(source: str | bytes) -> Any:
    return import_module("onnxruntime").InferenceSession(source, providers=["CPUExecutionProvider"])
