"""What an MLflow model folder would run when it is loaded: its loader, its pickles, and the Python files it carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from mlsandbox.packaging.refusals import unreadable

_LOADERS: Final = {"mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost", "mlflow.onnx"}
_PICKLES: Final = {".pkl", ".pickle", ".joblib", ".cloudpickle"}


def manifest_of(folder: Path) -> dict[str, Any]:
    """The MLmodel file as a mapping.

    Raises:
        ModelFileUnreadable: it is not YAML, or has no python_function flavour to serve.
    """
    import yaml  # noqa: PLC0415  # only needed for this kind

    try:
        manifest = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise unreadable(folder / "MLmodel", f"not a YAML file: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("flavors"), dict):
        raise unreadable(folder / "MLmodel", "it names no flavors")
    flavor = manifest["flavors"].get("python_function")
    if not isinstance(flavor, dict):
        raise unreadable(folder / "MLmodel", f"no python_function flavor, only {', '.join(map(str, manifest['flavors']))}")
    return manifest


def code_that_runs(folder: Path) -> list[str]:
    """What loading would import from the folder itself, or through a loader that is not one of the frameworks'."""
    flavor = manifest_of(folder)["flavors"]["python_function"]
    runs = []
    loader = flavor.get("loader_module")
    if loader not in _LOADERS:
        runs.append(f"{loader} (MLflow loader)")
    runs.extend(f"{path.relative_to(folder).as_posix()} (Python file)" for path in sorted(folder.rglob("*.py")))
    return runs


def pickles_in(files: list[Path]) -> list[Path]:
    """The files that a loader could unpickle: by their suffix, or by a pickle's first byte."""
    return [path for path in files if path.suffix in _PICKLES or (path.name != "MLmodel" and _first_byte(path) == b"\x80")]


def versions_in(folder: Path) -> dict[str, str]:
    """Library versions that the flavors name ("sklearn_version", …), by distribution name."""
    names = {"sklearn_version": "scikit-learn", "xgb_version": "xgboost", "lgb_version": "lightgbm", "catboost_version": "catboost"}
    found = {}
    for flavor in manifest_of(folder)["flavors"].values():
        if isinstance(flavor, dict):
            found.update({names[key]: str(value) for key, value in flavor.items() if key in names})
    return found


def _first_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1)
