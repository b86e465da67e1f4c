"""How checked rows reach a model: as the input that it was trained with, or as a bare array where that is proven to be the same.

A scikit-learn model that was trained with a frame of numbers makes an array of each frame it is given, and looks at the names only to
compare them. Given the array at once it does the same sums in a fraction of the time.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from mlsandbox_serving.models.base import Prediction, Predictor
from mlsandbox_serving.models.estimator import EstimatorPredictor
from mlsandbox_serving.schema import Columns, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_SINGLE_ROWS: Final = 8
"""Golden rows that are compared one by one, beside all of them at once: each costs two calls of the model at start."""
_BY_NAME: Final = frozenset({"ColumnTransformer", "FunctionTransformer", "make_column_selector"})
_PLAIN: Final = (type(None), bool, int, float, str, np.generic, np.ndarray, np.random.RandomState)
_DEFAULT_CATEGORIES: Final = (None, "from_dtype", "warn")


class Feed(Protocol):
    """A model as the service asks it."""

    def predict(self, columns: Columns) -> Prediction:
        """Answer checked rows; errors of the model pass through."""


class InputFeed:
    """Gives the model the input that its schema describes.

    Args:
        predictor: the model.
        schema: of the model.
    """

    def __init__(self, predictor: Predictor, schema: Schema) -> None:
        self._predictor = predictor
        self._schema = schema

    def predict(self, columns: Columns) -> Prediction:
        """One frame, array or dict of columns for all rows."""
        return self._predictor.predict(self._schema.to_input(columns))


class ArrayFeed:
    """Gives the model an array, laid out in memory as the frame in its place would be.

    Args:
        predictor: the model, which must not ask for names.
        dtype: of the array.
    """

    def __init__(self, predictor: Predictor, dtype: np.dtype[Any]) -> None:
        self._predictor = predictor
        self._dtype = dtype

    def predict(self, columns: Columns) -> Prediction:
        """One array for all rows."""
        return self._predictor.predict(columns.array(self._dtype, order="F"))


def choose_feed(predictor: Predictor, schema: Schema, golden: Columns | None) -> Feed:
    """An array instead of a frame where the model cannot tell, and the golden rows get the same answers to the bit; else its input.

    Args:
        predictor: the model as loaded; it stays as it is.
        schema: of the model.
        golden: the golden rows; without them nothing is proven.
    """
    plain = InputFeed(predictor, schema)
    dtype = _dtype_of_array(schema)
    if golden is None or dtype is None or type(predictor) is not EstimatorPredictor or not _ignores_names(predictor.model):
        return plain
    fast = ArrayFeed(EstimatorPredictor(_without_names(predictor.model), probabilities=predictor.probabilities), dtype)
    difference = _difference(plain, fast, golden)
    if difference is not None:
        _log.info("the model is given frames, since with arrays %s", difference)
        return plain
    return fast


def _dtype_of_array(schema: Schema) -> np.dtype[Any] | None:
    """The dtype that a frame of numbers has as an array; None when it is none, or values would lose digits on another way."""
    columns = schema.columns
    if schema.input != "frame" or any(column.nullable or column.type not in {"float", "integer", "boolean"} for column in columns):
        return None
    try:
        dtypes = {np.dtype(column.dtype) for column in columns}
    except TypeError:  # one of pandas' own: "Int64", "double[pyarrow]"
        return None
    if any(dtype.kind not in "iubf" for dtype in dtypes):
        return None
    common = np.result_type(*dtypes)
    return common if {dtype for dtype in dtypes if dtype.kind == "f"} <= {common} else None


def _ignores_names(model: Any) -> bool:
    """Whether all that a model is made of is scikit-learn's own, and nothing in it chooses columns by name or hands frames on."""
    if not _is_part(model) or import_module("sklearn").get_config().get("transform_output", "default") != "default":
        return False
    return all(_is_part(value) or _is_plain(value) for value in model.get_params(deep=True).values())


def _is_part(value: Any) -> bool:
    kind = type(value)
    if kind.__module__.partition(".")[0] != "sklearn" or kind.__name__ in _BY_NAME:
        return False
    if getattr(value, "_sklearn_output_config", {}).get("transform") not in {None, "default"}:
        return False
    categories = getattr(value, "categorical_features", None)
    return isinstance(categories, str | None) and categories in _DEFAULT_CATEGORIES


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) or _is_part(item) for item in value)
    if isinstance(value, Mapping):
        return all(_is_plain(item) for item in value.values())
    return isinstance(value, _PLAIN) or (isinstance(value, type) and issubclass(value, np.generic))


def _without_names(model: Any) -> Any:
    """A shallow copy that was never told the names of its columns: of a pipeline, the first step that does anything."""
    made = object.__new__(type(model))
    vars(made).update(vars(model))
    vars(made).pop("feature_names_in_", None)
    if type(model).__name__ == "Pipeline":
        made.steps = list(model.steps)
        for index, (name, step) in enumerate(model.steps):
            if step is not None and step != "passthrough":
                made.steps[index] = (name, _without_names(step))
                break
    return made


def _difference(plain: Feed, fast: Feed, golden: Columns) -> str | None:
    """How answers to the golden rows differ, all at once or one by one; None when they do not."""
    for rows in [golden, *_single_rows(golden)]:
        expected, warned = _asked(plain, rows)
        try:
            got, also_warned = _asked(fast, rows)
        except Exception as error:  # noqa: BLE001 - whatever it is, frames work
            return f"it raises {type(error).__name__}"
        if also_warned - warned:
            return f"it warns: {min(also_warned - warned)}"
        if not _same_bits(expected.labels, got.labels) or not _same_bits(expected.probabilities, got.probabilities):
            return f"its answers to {rows.rows} golden rows differ"
    return None


def _single_rows(golden: Columns) -> list[Columns]:
    values = golden.head(_SINGLE_ROWS)
    return [Columns({name: [column[row]] for name, column in values.items()}, 1) for row in range(min(golden.rows, _SINGLE_ROWS))]


def _asked(feed: Feed, rows: Columns) -> tuple[Prediction, set[str]]:
    """The answer, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = feed.predict(rows)
    return answer, {str(one.message) for one in caught}


def _same_bits(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool((one == other).all()) if one.dtype.kind == "O" else one.tobytes() == other.tobytes()
