"""What every model looks like once it is loaded: one `predict` that answers labels and, where there are any, probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mlsandbox_serving.contract import ModelKind

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ModelUnsupported(TypeError):
    """The object or file is no model that can be served; the text says what would be."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answers for a batch of rows.

    Args:
        labels: what the model's own `predict` says: shape (rows,), or (rows, outputs).
        probabilities: shape (rows, classes) in the order of the predictor's `classes`; None when the model has none.
    """

    labels: NDArray[Any]
    probabilities: NDArray[Any] | None = None


class Predictor(Protocol):
    """A loaded model.

    `model` is the framework's own object; `classes` are the labels of a classifier in the order of its probabilities, else None.
    """

    model: Any
    classes: tuple[Any, ...] | None

    def predict(self, model_input: Any) -> Prediction:
        """Answer a DataFrame, a 2-D array (rows by columns) or a dict of columns; errors of the model pass through."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """How a model's files are loaded: `load` of capture.json and package.json.

    Args:
        kind: which loader.
        entry: file relative to the model's folder ("model.joblib", "predict.py:Predictor"); empty for the folder itself.
        class_name: full name of the model's class, "class" in JSON; empty when the file says it.
        input_names: the model's own input names, for kinds that have them (ONNX).
        classes: labels of a classifier whose file does not hold them (TorchScript).
    """

    kind: ModelKind
    entry: str = ""
    class_name: str = ""
    input_names: tuple[str, ...] = ()
    classes: tuple[Any, ...] | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelSpec:
        """Read `load` of capture.json or package.json."""
        classes = data.get("classes")
        return cls(
            kind=ModelKind(data["kind"]),
            entry=data.get("entry") or "",
            class_name=data.get("class") or "",
            input_names=tuple(data.get("input_names") or ()),
            classes=None if classes is None else tuple(classes),
        )

    def to_json(self) -> dict[str, Any]:
        """`load` of capture.json and package.json."""
        data: dict[str, Any] = {
            "kind": str(self.kind),
            "entry": self.entry,
            "class": self.class_name,
            "input_names": list(self.input_names),
        }
        if self.classes is not None:
            data["classes"] = list(self.classes)
        return data

    def file(self, path: Path) -> Path:
        """The file or folder to load, given the model's folder or the file itself."""
        name = self.entry.partition(":")[0]
        return path / name if name and path.is_dir() else path


class LabelsAlone:
    """A model of which only labels are wanted.

    Args:
        predictor: the model.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.model = predictor.model
        self.classes = predictor.classes
        self._predictor = predictor

    def predict(self, model_input: Any) -> Prediction:
        """Its labels."""
        return Prediction(self._predictor.predict(model_input).labels)


def as_labels(output: Any) -> NDArray[Any]:
    """A model's answer as an array: Series, frames, lists and (rows, 1) arrays too."""
    array = np.asarray(output.to_numpy() if hasattr(output, "to_numpy") else output)
    return array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array


def as_classes(model: Any) -> tuple[Any, ...] | None:
    """`classes_` of a classifier as plain values; None when there are none, or several lists of them (several outputs)."""
    classes = getattr(model, "classes_", None)
    if classes is None or len(classes) == 0 or isinstance(classes[0], list | np.ndarray):
        return None
    return tuple(np.asarray(classes).tolist())


def as_probabilities(output: Any) -> NDArray[Any] | None:
    """Probabilities as one (rows, classes) array; None when it is not one (a list with one array per output)."""
    if isinstance(output, list) and output and isinstance(output[0], np.ndarray):
        return None
    array = np.asarray(output.to_numpy() if hasattr(output, "to_numpy") else output)
    return array if array.ndim == 2 and array.dtype.kind == "f" else None


def column_arrays(model_input: Any) -> dict[str, NDArray[Any]]:
    """Input with named columns (a frame or a dict) as 1-D arrays by name."""
    if isinstance(model_input, dict):
        return model_input
    return {str(name): model_input[name].to_numpy() for name in model_input.columns}


def matrix(model_input: Any, dtype: Any) -> NDArray[Any]:
    """Input as one 2-D array of `dtype`, columns in their order."""
    if isinstance(model_input, dict):
        return np.stack([np.asarray(values).astype(dtype) for values in model_input.values()], axis=1)
    if hasattr(model_input, "to_numpy"):
        return np.ascontiguousarray(model_input.to_numpy(dtype=dtype))
    return np.ascontiguousarray(model_input, dtype=dtype)
