"""What a model is, told from its name, its first bytes and the names in its archive; nothing is loaded."""

from __future__ import annotations

import mmap
import re
import zipfile
from pathlib import Path
from typing import Final

from mlsandbox.packaging.bytestream import is_compressed
from mlsandbox.packaging.refusals import unknown_kind, unreadable
from mlsandbox_serving.contract import ModelKind

_HEAD: Final = 4096
_PICKLE_SUFFIXES: Final = {".pkl", ".pickle", ".joblib", ".p", ".sav", ".gz", ".z", ".bz2", ".xz", ".lzma", ".cloudpickle", ".dat"}
_UBJSON_KEY: Final = re.compile(rb"\{(?:L.{8}|l.{4}|I.{2}|[iU].)(?:learner|version|Config|Model)", re.DOTALL)
_PROTOBUF_ONNX: Final = re.compile(rb"\x08[\x01-\x20](?:\x12|\x1a|\x22|\x3a|\x42)")
_XGBOOST_VERSION: Final = re.compile(rb'"version": ?\[(\d+), ?(\d+), ?(\d+)\]')
_CATBOOST_VERSION: Final = re.compile(rb"catboost_version_info.{0,16}?CatBoost version: (\d[\w.]*)", re.DOTALL)
ACCEPTED: Final = (
    "accepted are: scikit-learn (pickle, joblib, cloudpickle), XGBoost .ubj or .json, LightGBM .txt, CatBoost .cbm, ONNX .onnx, "
    "TorchScript .pt, an MLflow model folder, and predict.py:ClassName"
)
_TORCH_SAVE: Final = "a pickled PyTorch module or state (torch.save): loading it needs its source"
TORCH_FIX: Final = "torch.jit.script(model).save('model.pt')"
"""How a PyTorch module becomes a file that is served."""


def kind_of(path: Path, *, entry: str | None = None) -> ModelKind:
    """The kind of the model at `path`.

    Args:
        path: a file, or an MLflow model folder.
        entry: "predict.py:Predictor" when the model is plain Python.

    Raises:
        ModelFileUnreadable: no such file, or it is empty.
        ModelKindUnknown: none of the accepted kinds; says which known format it is, if any, and how to convert it.
    """
    if entry is not None and (":" in entry or path.suffix == ".py"):
        return ModelKind.PYTHON
    if path.is_dir():
        return _folder_kind(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    if not head:
        raise unreadable(path, "the file is empty")
    if path.suffix == ".py":
        raise unknown_kind(path, "a Python file needs the name of its class", fix=f"give the class too: {path.name}:Predictor")
    kind = _native_kind(head)
    if kind is not None:
        return kind
    if head.startswith(b"PK\x03\x04"):
        return _archive_kind(path)
    if path.suffix == ".onnx" or (_PROTOBUF_ONNX.match(head) and path.suffix not in _PICKLE_SUFFIXES):
        return ModelKind.ONNX
    _refuse_known_others(path, head)
    if head[:1] == b"\x80" or is_compressed(head) or path.suffix in _PICKLE_SUFFIXES:
        return ModelKind.SKLEARN
    raise unknown_kind(path, f"its first bytes are {head[:8]!r}; {ACCEPTED}")


def written_versions(kind: ModelKind, path: Path) -> dict[str, str]:
    """The library version that a native model file carries, by distribution name; empty when it carries none."""
    match kind:
        case ModelKind.XGBOOST:
            found = _XGBOOST_VERSION.search(path.read_bytes())
            return {"xgboost": b".".join(found.groups()).decode()} if found else {}
        case ModelKind.CATBOOST:
            found = _CATBOOST_VERSION.search(path.read_bytes())
            return {"catboost": found[1].decode()} if found else {}
        case _:
            return {}


def _native_kind(head: bytes) -> ModelKind | None:
    if head.startswith(b"CBM1"):
        return ModelKind.CATBOOST
    if head.startswith((b"tree\n", b"tree\r\n")) and b"version=" in head:
        return ModelKind.LIGHTGBM
    if _UBJSON_KEY.match(head) or (head.lstrip()[:1] == b"{" and b'"learner"' in head):
        return ModelKind.XGBOOST
    return None


def _folder_kind(path: Path) -> ModelKind:
    if (path / "MLmodel").is_file():
        return ModelKind.MLFLOW
    if (path / "saved_model.pb").is_file():
        raise unknown_kind(
            path, "a TensorFlow SavedModel", fix=f"convert it: python -m tf2onnx.convert --saved-model {path} --output model.onnx"
        )
    raise unknown_kind(path, f"a folder without an MLmodel file; {ACCEPTED}")


def _archive_kind(path: Path) -> ModelKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise unreadable(path, f"a damaged zip archive: {error}") from error
    inner = {name.split("/", 1)[-1] for name in names}
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return ModelKind.TORCHSCRIPT
    if "data.pkl" in inner:
        raise unknown_kind(
            path, "a pickled PyTorch module or state (torch.save): loading it needs its source", fix=f"save it as TorchScript: {TORCH_FIX}"
        )
    if "schema.json" in inner:
        raise unknown_kind(
            path,
            "a skops file",
            fix="load it with skops.io.load(path, trusted=[…]) and save it: mlsandbox.save(model, 'name', reference=X)",
        )
    if {"config.json", "metadata.json"} <= inner:
        raise unknown_kind(path, "a Keras model", fix="export it: model.export('model.onnx', format='onnx')")
    raise unknown_kind(path, f"a zip archive of an unknown kind; {ACCEPTED}")


def _refuse_known_others(path: Path, head: bytes) -> None:
    """Formats that are met often and are not accepted, each with its way out."""
    if head.startswith(b"\x89HDF"):
        raise unknown_kind(path, "an HDF5 file (Keras)", fix="export it: model.export('model.onnx', format='onnx')")
    if head.startswith((b"binf", b"bs64")) or path.suffix in {".model", ".bst"}:
        raise unknown_kind(path, "XGBoost's old binary format", fix="load it and save it again: booster.save_model('model.ubj')")
    if head.startswith(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."):
        raise unknown_kind(path, _TORCH_SAVE, fix=f"save it as TorchScript: {TORCH_FIX}")
    if path.suffix in {".csv", ".parquet", ".xml", ".pmml", ".safetensors", ".npy", ".npz", ".h2o", ".mojo"}:
        raise unknown_kind(path, f"a {path.suffix} file is no model that is served; {ACCEPTED}")


def is_estimator(kind: ModelKind, path: Path) -> bool:
    """Whether XGBoost's own file was written by one of its scikit-learn estimators, which need scikit-learn to be loaded."""
    if kind is not ModelKind.XGBOOST or path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"_estimator_type") >= 0
