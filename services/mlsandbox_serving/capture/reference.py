"""Reference data as it is handed over, brought into one of two forms: a pandas DataFrame with text names, or a 2-D numpy array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mlsandbox_serving.capture.problems import CaptureError
from mlsandbox_serving.tabular import read

TARGET_NAME = "target"
"""Name of a label column that came without one."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Inputs and labels of the reference data.

    Args:
        inputs: a DataFrame (text names, in the model's order) or a 2-D array; labels are not in it.
        names: one name per column.
        labels: a Series of the same length, or None.
        label_name: name of the label column, or None.
    """

    inputs: Any
    names: tuple[str, ...]
    labels: Any = None
    label_name: str | None = None

    @property
    def is_frame(self) -> bool:
        """Whether the model takes a DataFrame."""
        return not isinstance(self.inputs, np.ndarray)

    def frame(self) -> Any:
        """Inputs, and labels when there are any, as one DataFrame: what is written to reference.parquet."""
        pd = import_module("pandas")
        frame = self.inputs.copy(deep=False) if self.is_frame else pd.DataFrame(self.inputs, columns=list(self.names))
        if self.labels is not None:
            frame[self.label_name] = np.asarray(self.labels) if not hasattr(self.labels, "dtype") else self.labels.to_numpy()
        return frame


def read_reference(reference: Any, target: Any, *, model_names: Sequence[str] | None) -> Reference:
    """Bring reference data into form.

    Args:
        reference: DataFrame, 2-D array, polars or pyarrow table, list of dicts, dict of lists, or the path of a file.
        target: the labels (Series, array, list), or the name of their column in `reference`, or None.
        model_names: the column names that the model itself remembers, in its order.

    Raises:
        CaptureError: names the column and what to do.
    """
    data = _as_frame_or_array(reference)
    if isinstance(data, np.ndarray):
        return _array_reference(data, target, model_names)
    _check_names(data)
    labels, label_name = None, None
    if isinstance(target, str):
        if target not in data.columns:
            raise CaptureError(
                "TARGET_MISSING",
                f"the reference data has no column {target!r}",
                why=_columns_text(data.columns),
                fix="target='…': one of its columns",
            )
        labels, label_name = data[target], target
    elif target is not None:
        labels = _labels(target, len(data))
        label_name = str(labels.name) if labels.name is not None else TARGET_NAME
    if label_name in data.columns and label_name not in (model_names or ()) and _same(data[label_name], labels):
        data = data.drop(columns=[label_name])
    data = _in_model_order(data, model_names)
    _check_rows(data)
    if label_name in data.columns:
        label_name = f"{label_name}_{TARGET_NAME}"
    return Reference(data, tuple(data.columns), labels, label_name)


def _as_frame_or_array(reference: Any) -> Any:
    if isinstance(reference, str | Path):
        return read(Path(reference))
    if isinstance(reference, np.ndarray):
        return reference
    module = type(reference).__module__.split(".")[0]
    if module == "scipy":
        raise CaptureError("REFERENCE_UNSUPPORTED", "the reference data is a sparse matrix", fix="reference=X.toarray()")
    for method in ("to_pandas", "toPandas"):
        if module != "pandas" and callable(getattr(reference, method, None)):
            return getattr(reference, method)()
    pd = import_module("pandas")
    if isinstance(reference, pd.DataFrame):
        return reference
    if isinstance(reference, pd.Series) or (isinstance(reference, list) and reference and isinstance(reference[0], str)):
        raise CaptureError(
            "REFERENCE_UNSUPPORTED",
            "the reference data is one column without a name (a Series or a list of texts)",
            why="requests name their columns, so the model must take a table",
            fix="fit on a frame: make_pipeline(ColumnTransformer([('text', TfidfVectorizer(), 'text')]), …).fit(frame, y)",
        )
    if isinstance(reference, list | dict | tuple):
        return pd.DataFrame(reference) if not isinstance(reference, tuple) else np.asarray(reference)
    raise CaptureError(
        "REFERENCE_UNSUPPORTED",
        f"reference data of type {type(reference).__module__}.{type(reference).__qualname__} is not known",
        fix="reference=… a pandas DataFrame, a 2-D numpy array, or the path of a CSV or Parquet file",
    )


def _array_reference(data: Any, target: Any, model_names: Sequence[str] | None) -> Reference:
    if data.ndim != 2:
        raise CaptureError(
            "REFERENCE_UNSUPPORTED", f"the reference data has {data.ndim} dimensions, not 2", fix="reference=X.reshape(len(X), -1)"
        )
    if data.dtype.names:
        raise CaptureError("REFERENCE_UNSUPPORTED", "the reference data is a record array", fix="reference=pandas.DataFrame(X)")
    if isinstance(target, str):
        raise CaptureError("TARGET_MISSING", f"an array has no column named {target!r}", fix="target=y, the labels themselves")
    _check_rows(data)
    names = (
        tuple(model_names)
        if model_names is not None and len(model_names) == data.shape[1]
        else tuple(f"x{index}" for index in range(data.shape[1]))
    )
    if target is None:
        return Reference(data, names)
    labels = _labels(target, len(data))
    label_name = str(labels.name) if labels.name is not None else TARGET_NAME
    return Reference(data, names, labels, label_name if label_name not in names else f"{label_name}_{TARGET_NAME}")


def _check_names(data: Any) -> None:
    pd = import_module("pandas")
    if isinstance(data.columns, pd.MultiIndex):
        raise CaptureError(
            "COLUMN_NAMES",
            "the columns have several levels of names",
            fix="X.columns = ['_'.join(map(str, name)) for name in X.columns], fit again",
        )
    other = [name for name in data.columns if not isinstance(name, str)]
    if other:
        raise CaptureError(
            "COLUMN_NAMES",
            f"column {other[0]!r} has a name that is not a text" + (f" (and {len(other) - 1} more)" if len(other) > 1 else ""),
            why="requests are JSON: their columns have texts as names",
            fix="X.columns = [f'x{name}' for name in X.columns], fit again; or reference=X.to_numpy() for a model fitted on an array",
        )
    twice = data.columns[data.columns.duplicated()]
    if len(twice):
        raise CaptureError(
            "COLUMN_NAMES", f"column {twice[0]!r} occurs more than once", fix="X = X.loc[:, ~X.columns.duplicated()], fit again"
        )


def _in_model_order(data: Any, model_names: Sequence[str] | None) -> Any:
    if model_names is None or list(data.columns) == list(model_names):
        return data
    if [name.replace(" ", "_") for name in data.columns] == list(model_names):  # LightGBM renames so
        return data
    missing = [name for name in model_names if name not in data.columns]
    if missing:
        raise CaptureError(
            "COLUMN_NAMES",
            f"the reference data has no column {missing[0]!r}, with which the model was fitted",
            why=_columns_text(data.columns),
            fix="reference=… the very table that the model was fitted on, or rows like it",
        )
    extra = [name for name in data.columns if name not in model_names]
    if extra:
        raise CaptureError(
            "COLUMN_NAMES",
            f"column {extra[0]!r} is in the reference data, but the model was not fitted with it",
            fix=f"target={extra[0]!r} if it is the label, else reference=X[list(model.feature_names_in_)]",
        )
    return data[list(model_names)]


def _check_rows(data: Any) -> None:
    if not len(data) or not data.shape[1]:
        raise CaptureError(
            "REFERENCE_EMPTY", "the reference data has no rows or no columns", fix="reference=… a sample of the training inputs"
        )


def _labels(target: Any, rows: int) -> Any:
    pd = import_module("pandas")
    if callable(getattr(target, "to_pandas", None)):
        target = target.to_pandas()
    if isinstance(target, pd.DataFrame) and target.shape[1] == 1:
        target = target.iloc[:, 0]
    if getattr(target, "ndim", 1) != 1:
        if np.asarray(target).ndim == 2 and np.asarray(target).shape[1] == 1:
            target = np.asarray(target).ravel()
        else:
            raise CaptureError(
                "TARGET_UNSUPPORTED", "the labels are a table of several columns", fix="target=None; labels of several outputs are not kept"
            )
    labels = target if isinstance(target, pd.Series) else pd.Series(list(target) if not hasattr(target, "dtype") else target)
    if len(labels) != rows:
        raise CaptureError(
            "TARGET_LENGTH", f"{len(labels)} labels for {rows} rows of reference data", fix="target=y, in the order of the reference's rows"
        )
    return labels.reset_index(drop=True)


def _same(column: Any, labels: Any) -> bool:
    """Whether a column is the labels themselves, not an input that happens to have their name."""
    return bool(np.array_equal(column.to_numpy(dtype=object, na_value=None), labels.to_numpy(dtype=object, na_value=None)))


def _columns_text(columns: Any) -> str:
    names = [str(name) for name in columns]
    return "its columns are " + ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
