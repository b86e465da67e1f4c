"""Write a model object in its framework's own format, and reference data as a table."""

from __future__ import annotations

import pickle
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from mlsandbox_serving.capture.problems import CaptureError
from mlsandbox_serving.capture.reference import Reference
from mlsandbox_serving.contract import ModelKind

PICKLE_PROTOCOL: Final = 4
"""The newest that every supported Python and joblib writes in the same way."""
MAX_REFERENCE_ROWS: Final = 100_000
"""Of more rows of reference data runs of consecutive ones are kept, evenly spread."""
_RUN: Final = 1_000
"""Long enough to see how far rows depend on the ones before them: see `mlsandbox_serving.profiling`."""


def write_model(model: Any, kind: ModelKind, folder: Path) -> str:
    """Write `model` into `folder`; returns the file's name. The same object gives the same bytes.

    Raises:
        CaptureError: the framework cannot write it, or it cannot be pickled.
    """
    match kind:
        case ModelKind.XGBOOST:
            model.save_model(str(folder / "model.ubj"))
            return "model.ubj"
        case ModelKind.LIGHTGBM:
            model.save_model(str(folder / "model.txt"))
            return "model.txt"
        case ModelKind.CATBOOST:
            model.save_model(str(folder / "model.cbm"))
            return "model.cbm"
        case ModelKind.TORCHSCRIPT:
            model.save(str(folder / "model.pt"))
            return "model.pt"
        case ModelKind.ONNX if hasattr(model, "SerializeToString"):
            (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
            return "model.onnx"
        case ModelKind.SKLEARN:
            return _pickle(model, folder)
        case _:
            raise CaptureError(
                "MODEL_UNSUPPORTED",
                f"a loaded {kind} model cannot be written again",
                fix="serve its file or folder as it is: sandbox init --from PATH --reference DATA",
            )


def write_reference(reference: Reference, folder: Path) -> str:
    """Write inputs and labels, at most MAX_REFERENCE_ROWS of them; returns the file's name."""
    frame = reference.frame()
    if len(frame) > MAX_REFERENCE_ROWS:
        runs = np.linspace(0, len(frame) // _RUN - 1, num=MAX_REFERENCE_ROWS // _RUN).astype(int)
        frame = frame.iloc[(runs[:, None] * _RUN + np.arange(_RUN)).ravel()]
    if _has_pyarrow():
        frame.to_parquet(folder / "reference.parquet", index=False)
        return "reference.parquet"
    frame.to_csv(folder / "reference.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
    return "reference.csv.gz"


def _has_pyarrow() -> bool:
    """Whether pyarrow works here: installed beside an older numpy it does not import."""
    try:
        import_module("pyarrow")
    except ImportError:
        return False
    return True


def _pickle(model: Any, folder: Path) -> str:
    try:
        if find_spec("joblib") is not None:
            import_module("joblib").dump(model, folder / "model.joblib", protocol=PICKLE_PROTOCOL)
            return "model.joblib"
        with (folder / "model.pkl").open("wb") as file:
            pickle.dump(model, file, protocol=PICKLE_PROTOCOL)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise CaptureError(
            "NOT_PICKLABLE",
            "the model cannot be pickled",
            why=str(error),
            fix="move lambdas and local functions into a module, and save with mlsandbox.save(…, code=['that_module.py'])",
        ) from error
    return "model.pkl"
