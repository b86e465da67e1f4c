"""An MLflow folder names classes, files and formats itself: none of them may be a way around the check of its pickles."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlsandbox.packaging.inspect import inspect_model


class Runs:
    """Unpickles to a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("true",)


def folder_of(folder: Path, loader: str, python: dict[str, object] | None = None, **flavors: dict[str, object]) -> Path:
    """An MLflow folder whose MLmodel says this."""
    python_function = {"loader_module": loader, **(python or {})}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": python_function, **flavors}}))
    return folder


@pytest.mark.parametrize("loader", ["sklearn", "lightgbm"])
def test_the_file_that_is_unpickled_is_looked_at_whatever_its_name(loader: str, tmp_path: Path) -> None:
    """A pickle of protocol 0 under an odd name must be scanned when MLmodel names it."""
    (tmp_path / "model.bin").write_bytes(pickle.dumps(Runs(), protocol=0))
    flavor: dict[str, object] = {"data": "model.bin", "model_class": "lightgbm.sklearn.LGBMClassifier"}
    folder = folder_of(tmp_path, f"mlflow.{loader}", {"model_path": "model.bin"}, **{loader: flavor if loader == "lightgbm" else {}})

    assert f"{os.system.__module__}.system" in inspect_model(folder).unknown


@pytest.mark.parametrize(
    ("loader", "python", "flavors", "word"),
    [
        ("sklearn", {"model_path": "/etc/passwd"}, {}, "outside of the folder"),
        ("sklearn", {"model_path": "../other.pkl"}, {}, "outside of the folder"),
        ("sklearn", {"model_path": "__pycache__/model.pkl"}, {}, "outside of the folder"),
        ("sklearn", {"code": "lib"}, {}, "code of python_function"),
        ("sklearn", {"predict_fn": "get_raw_model"}, {}, "predict_fn"),
        ("sklearn", {}, {"sklearn": {"serialization_format": "skops", "skops_trusted_types": ["os.system"]}}, "skops_trusted_types"),
        ("xgboost", {}, {"xgboost": {"model_class": "antigravity.Anything", "data": "m.ubj"}}, "model_class of xgboost"),
        ("onnx", {}, {"onnx": {"providers": [["TensorrtExecutionProvider", {"trt_extra_plugin_lib_paths": "x.so"}]]}}, "providers"),
    ],
)
def test_what_the_manifest_names_is_checked(
    loader: str, python: dict[str, object], flavors: dict[str, dict[str, object]], word: str, tmp_path: Path
) -> None:
    """Classes, paths and formats in MLmodel that could run something must be refused by name."""
    assert any(word in text for text in inspect_model(folder_of(tmp_path, f"mlflow.{loader}", python, **flavors)).unknown)


@pytest.mark.parametrize("name", ["code/numpy.pyc", "code/evil.cpython-311-x86_64-linux-gnu.so", "lib.zip", "inner/MLmodel"])
def test_files_that_could_be_imported_are_refused(name: str, tmp_path: Path) -> None:
    """Compiled modules, archives and a second MLmodel must be refused as Python files are."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"x")

    assert any(text.startswith(name) for text in inspect_model(folder_of(tmp_path, "mlflow.xgboost")).unknown)


def test_a_native_model_of_a_known_class_passes(tmp_path: Path) -> None:
    """What MLflow itself writes for a booster must pass."""
    (tmp_path / "model.xgb").write_bytes(b"{L\x00")
    flavor: dict[str, object] = {"model_class": "xgboost.sklearn.XGBClassifier", "data": "model.xgb", "model_format": "xgb", "code": None}

    assert inspect_model(folder_of(tmp_path, "mlflow.xgboost", xgboost=flavor)).unknown == ()


def test_skops_may_trust_what_the_lists_hold(tmp_path: Path) -> None:
    """The types that MLflow itself declares as trusted for a booster must pass."""
    trusted = ["collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"]
    flavor: dict[str, object] = {"serialization_format": "skops", "skops_trusted_types": trusted}

    assert inspect_model(folder_of(tmp_path, "mlflow.lightgbm", lightgbm=flavor)).unknown == ()
