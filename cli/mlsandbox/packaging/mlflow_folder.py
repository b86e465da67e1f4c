"""What an MLflow model folder would run when it is loaded: its loader, its pickles, and the code that it carries or names.

What each loader does with the MLmodel file: `_load_pyfunc` and `_load_model` of mlflow.sklearn, mlflow.xgboost, mlflow.lightgbm, ….
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mlsandbox.packaging.allow import allowed_globals
from mlsandbox.packaging.refusals import unreadable

_MANIFEST: Final = "MLmodel"
_LOADERS: Final = {"mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost", "mlflow.onnx"}
_PICKLES: Final = {".pkl", ".pickle", ".joblib", ".cloudpickle"}
_IMPORTABLE: Final = {".py", ".pyc", ".pyo", ".pyd", ".so", ".dylib", ".dll", ".pth", ".zip", ".egg", ".whl"}
_PATHS: Final = ("data", "model_path", "pickled_model", "model_binary")
_METHODS: Final = {"predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba"}
_PROVIDERS: Final = {"CPUExecutionProvider", "CUDAExecutionProvider"}
_BOOSTER: Final = "lightgbm.basic.Booster"


def manifest_of(folder: Path) -> dict[str, Any]:
    """The MLmodel file as a mapping.

    Raises:
        ModelFileUnreadable: it is not YAML, or has no python_function flavour to serve.
    """
    import yaml  # noqa: PLC0415  # only needed for this kind

    try:
        manifest = yaml.safe_load((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise unreadable(folder / _MANIFEST, f"not a YAML file: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("flavors"), dict):
        raise unreadable(folder / _MANIFEST, "it names no flavors")
    flavor = manifest["flavors"].get("python_function")
    if not isinstance(flavor, dict):
        raise unreadable(folder / _MANIFEST, f"no python_function flavor, only {', '.join(map(str, manifest['flavors']))}")
    return manifest


def code_that_runs(folder: Path) -> list[str]:
    """What loading would import, read or call beyond the frameworks' own loaders and the pickles of `pickles_in`."""
    flavors = _flavors(folder)
    flavor = flavors["python_function"]
    runs = []
    loader = flavor.get("loader_module")
    if loader not in _LOADERS:
        runs.append(f"{loader} (MLflow loader)")
    if flavor.get("predict_fn", "predict") not in _METHODS:
        runs.append(f"{flavor['predict_fn']} (MLflow predict_fn)")
    for name, each in flavors.items():
        runs.extend(f"{each[key]} ({key} of {name}, outside of the folder)" for key in _PATHS if key in each and not _inside(each[key]))
    runs.extend(_classes_and_formats(flavors))
    runs.extend(_files_that_run(folder))
    return runs


def pickles_in(folder: Path, files: Sequence[Path]) -> list[Path]:
    """Of the folder's files, those that a loader could unpickle: that MLmodel names, or by suffix, or by a pickle's first byte."""
    named = _unpickled(_flavors(folder))
    return [
        path
        for path in files
        if path.relative_to(folder).as_posix() in named
        or path.suffix in _PICKLES
        or (path.name != _MANIFEST and _first_byte(path) == b"\x80")
    ]


def versions_in(folder: Path) -> dict[str, str]:
    """Library versions that the flavors name ("sklearn_version", …), by distribution name."""
    names = {"sklearn_version": "scikit-learn", "xgb_version": "xgboost", "lgb_version": "lightgbm", "catboost_version": "catboost"}
    found = {}
    for flavor in _flavors(folder).values():
        found.update({names[key]: str(value) for key, value in flavor.items() if key in names})
    return found


def _flavors(folder: Path) -> dict[str, dict[str, Any]]:
    return {str(name): flavor for name, flavor in manifest_of(folder)["flavors"].items() if isinstance(flavor, dict)}


def _classes_and_formats(flavors: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Names in MLmodel that a loader imports, or by which it trusts what the model itself calls trusted."""
    for name, flavor in flavors.items():
        if flavor.get("code"):
            yield f"{flavor['code']} (code of {name})"
        model_class = flavor.get("model_class")
        if model_class is not None and not _listed(model_class):
            yield f"{model_class} (model_class of {name})"
        if _format(flavor) not in {"pickle", "cloudpickle", "skops"}:
            yield f"{_format(flavor)} (serialization_format of {name})"
        trusted = flavor.get("skops_trusted_types") or []
        for each in trusted if isinstance(trusted, list) else [trusted]:
            if not _listed(each):
                yield f"{each} (skops_trusted_types of {name})"
    onnx = flavors.get("onnx", {})
    providers = onnx.get("providers") or []
    if not isinstance(providers, list) or not all(isinstance(each, str) and each in _PROVIDERS for each in providers):
        yield f"{providers} (providers of onnx)"


def _files_that_run(folder: Path) -> Iterator[str]:
    """Python files and whatever else can be imported, and a second MLmodel, which a loader could read instead of the first."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() in _IMPORTABLE:
            yield f"{name} (Python file)" if path.suffix == ".py" else f"{name} (a file that Python can import)"
        elif path.name.lower() == _MANIFEST.lower() and path.parent != folder:
            yield f"{name} (a second MLmodel)"


def _unpickled(flavors: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The files that MLmodel names, when the loader unpickles what it is told to load."""
    flavor: Mapping[str, Any] = {}
    match flavors["python_function"].get("loader_module"):
        case "mlflow.sklearn":
            flavor = flavors.get("sklearn", {})
        case "mlflow.lightgbm":
            flavor = flavors.get("lightgbm", {})
            if flavor.get("model_class", _BOOSTER) == _BOOSTER:
                return set()
        case _:
            return set()
    if _format(flavor) == "skops":
        return set()
    return {str(PurePosixPath(each[key])) for each in flavors.values() for key in _PATHS if key in each and _inside(each[key])}


def _listed(name: object) -> bool:
    module, _, qualname = str(name).rpartition(".")
    return (module, qualname) in allowed_globals()


def _format(flavor: Mapping[str, Any]) -> str:
    return str(flavor.get("serialization_format", "pickle"))


def _inside(name: object) -> bool:
    """Whether a path of MLmodel stays among the files that are looked at and packaged."""
    if not isinstance(name, str) or name.startswith("/") or "\\" in name:
        return False
    return not {"..", "__pycache__", ".git"}.intersection(PurePosixPath(name).parts)


def _first_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1)
