"""Where a model's versions come from: what it was saved with, what its requirements say, or an interpreter that can have trained it.

A model must be served with the versions it was trained with. In this order: `capture.json` beside the model (mlsandbox.save wrote it),
`requirements` of sandbox.toml, an interpreter (the one named, the active environment, the one that runs us) that has what the model
references, and last what the model file itself records.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlsandbox.errors import CaptureStale, OriginUnknown
from mlsandbox.packaging.interpreters import SUPPORTED, Installed, candidates, minor_of, query
from mlsandbox.packaging.model_files import is_estimator
from mlsandbox.packaging.requirement_files import Requirement, Requirements, normalize, read_requirements
from mlsandbox_serving.contract import ModelKind

if TYPE_CHECKING:
    from mlsandbox.packaging.inspect import ModelInfo
    from mlsandbox.settings import ModelConfig

NEVER_MOVED: Final = ("numpy", "scipy", "pandas")
"""Beside the roots, these stay at the captured version too: pickles and results depend on them."""
_PLUMBING: Final = frozenset({*NEVER_MOVED, "joblib", "cloudpickle", "pyarrow"})
_DISTRIBUTIONS: Final = {
    "sklearn": "scikit-learn",
    "imblearn": "imbalanced-learn",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "skl2onnx": "skl2onnx",
    "category_encoders": "category-encoders",
    "sentence_transformers": "sentence-transformers",
}
"""Modules whose distribution has another name, for when no interpreter can be asked."""
_KIND_MODULES: Final[Mapping[ModelKind, tuple[str, ...]]] = {
    ModelKind.XGBOOST: ("xgboost",),
    ModelKind.LIGHTGBM: ("lightgbm",),
    ModelKind.CATBOOST: ("catboost",),
    ModelKind.ONNX: ("onnxruntime",),
    ModelKind.TORCHSCRIPT: ("torch",),
    ModelKind.MLFLOW: ("mlflow",),
}
_ANY_VERSION: Final = frozenset({ModelKind.XGBOOST, ModelKind.LIGHTGBM, ModelKind.CATBOOST, ModelKind.ONNX, ModelKind.TORCHSCRIPT})
"""Kinds whose files are made to be read by later versions of their library."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The versions that a model was trained with.

    Args:
        source: what said so, for people: "capture.json"; never a path, since locks repeat it.
        python: Python's minor version, "3.11".
        roots: requirement lines of what the model references: they never move.
        others: requirement lines that are wanted too and may move.
        versions: every version that is known, by normalized name.
        unlockable: what the model needs and no index can give, with the reason.
        interpreter: a base interpreter of that Python, when one is known.
    """

    source: str
    python: str
    roots: tuple[Requirement, ...]
    others: tuple[Requirement, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    unlockable: Mapping[str, str] = field(default_factory=dict)
    interpreter: Path | None = None

    def describe(self) -> str:
        """One line: "environment from capture.json (scikit-learn 1.9.1, Python 3.11)"."""
        telling = sorted(self.roots, key=lambda each: each.name in _PLUMBING)  # the frameworks first
        roots = [f"{each.name} {each.version or self.versions.get(each.name, '')}".strip() for each in telling]
        return f"environment from {self.source} ({', '.join([*roots[:3], f'Python {self.python}'])})"


def from_capture(capture: Mapping[str, Any], *, requirements: Path) -> Origin:
    """The versions that mlsandbox.save recorded, and those in the requirements.txt that it wrote, which the user may have edited."""
    known = dict(read_requirements(requirements).versions) if requirements.is_file() else {}
    versions = {**{normalize(name): str(version) for name, version in capture.get("libraries", {}).items()}, **known}
    unlockable = {normalize(each["name"]): str(each["why"]) for each in capture.get("unlockable", ())}
    roots = tuple(_requirement(normalize(name), versions) for name in capture.get("roots", ()))
    if not roots and not versions:
        raise CaptureStale("capture.json names no packages", fix=f"save the model again with mlsandbox.save: {requirements.parent}")
    return Origin("capture.json", minor_of(str(capture["python"])), roots, (), versions, unlockable)


def discover(model: ModelConfig, info: ModelInfo) -> Origin:
    """The origin of a model that has no capture.json.

    Raises:
        OriginUnknown: nothing tells the versions.
        RequirementsUnreadable, PythonMissing: what the project names does not work.
    """
    modules = referenced_modules(model, info)
    path = model.requirements or (model.path if info.kind is ModelKind.MLFLOW and not model.python else None)
    if path is not None:
        return _from_requirements(read_requirements(path), path, modules, model)
    for label, executable in [("the named interpreter", model.python)] if model.python else candidates():
        installed = query(executable, modules=modules)
        roots = {module: _installed_root(module, installed) for module in sorted(modules)}
        if model.python or (installed.minor in SUPPORTED and all(roots.values()) and _agree(installed, info)):
            return _from_interpreter(installed, label, roots, info)
    return _from_model_file(modules, info)


def referenced_modules(model: ModelConfig, info: ModelInfo) -> frozenset[str]:
    """Top-level modules, of other people's distributions, that loading the model imports."""
    named = {name.split(".")[0] for name in info.globals} | set(_KIND_MODULES.get(info.kind, ()))
    if is_estimator(info.kind, model.path):
        named.add("sklearn")
    own = {path.stem for path in model.code} | {model.path.stem}
    if info.kind is ModelKind.PYTHON:
        for path in (model.path, *model.code):
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                named |= _imports(file)
                own.add(file.stem)
    ignored = own | set(sys.stdlib_module_names) | {"__main__", "builtins", "copy_reg", "__builtin__", ""}
    return frozenset(named - ignored - {"mlsandbox", "mlsandbox_serving"})


def _from_requirements(wanted: Requirements, path: Path, modules: frozenset[str], model: ModelConfig) -> Origin:
    """Pins of what the model references never move; the rest of a file may."""
    installed = query(model.python) if model.python else None
    versions = {**(installed.versions if installed else {}), **wanted.versions}
    names = {_distribution(module, versions) for module in modules}
    everything = path.is_dir() or path.name in {"conda.yaml", "python_env.yaml", "MLmodel"}  # MLflow lists only what matters
    roots = [each for each in wanted.lines if everything or each.name in names]
    roots += [_requirement(name, versions) for name in sorted(names - {each.name for each in wanted.lines}) if name in versions]
    others = [each for each in wanted.lines if each not in roots]
    python = installed.minor if installed else wanted.python or _admitted(wanted)
    source = path.name if not path.is_dir() else f"{path.name}/requirements.txt"
    return Origin(source, python, tuple(roots), tuple(others), versions, wanted.unlockable, installed.base if installed else None)


def _admitted(wanted: Requirements) -> str:
    """Our own minor version when the requirements admit it, else the first supported one that they do."""
    own = minor_of(".".join(map(str, sys.version_info[:2])))
    return next((minor for minor in (own, *SUPPORTED) if wanted.admits(minor)), own)


def _from_interpreter(installed: Installed, label: str, roots: Mapping[str, str | None], info: ModelInfo) -> Origin:
    """A named interpreter is believed even when it lacks a root; then the model file's own record stands in."""
    versions = {**_recorded(info), **installed.versions}
    names = sorted({name or _distribution(module, versions) for module, name in roots.items()})
    closure = installed.closure(tuple(names))
    kept = {name: version for name, version in versions.items() if name in closure or name in NEVER_MOVED or name in names}
    direct = {name: why for name, why in installed.direct.items() if name in closure}
    lines = tuple(_requirement(name, kept) for name in names)
    return Origin(label, installed.minor, lines, (), kept, direct, installed.base)


def _from_model_file(modules: frozenset[str], info: ModelInfo) -> Origin:
    versions = _recorded(info)
    names = sorted(_distribution(module, versions) for module in modules if module != "numpy")
    unknown = [name for name in names if name not in versions and name != "joblib"]
    if unknown and info.kind not in _ANY_VERSION:
        raise OriginUnknown(
            f"nothing tells which version of {', '.join(unknown)} the model was trained with",
            why="no requirements are named, no interpreter at hand has it, and the model file does not record it",
            fix='name what it was trained with in sandbox.toml: requirements = "requirements.txt" or python = "/path/to/bin/python"',
            details={"packages": unknown},
        )
    others = tuple(Requirement(line, "numpy") for line in _numpy_bound(info))
    python = minor_of(".".join(map(str, sys.version_info[:2])))
    return Origin("the model file", python, tuple(_requirement(name, versions) for name in names), others, versions)


def _numpy_bound(info: ModelInfo) -> list[str]:
    """Numpy moved its internals in 2.0, so a pickle shows on which side it was written."""
    if any(name.startswith("numpy._core") for name in info.globals):
        return ["numpy>=2"]
    return ["numpy<2"] if any(name.startswith("numpy.core") for name in info.globals) else []


def _requirement(name: str, versions: Mapping[str, str]) -> Requirement:
    version = versions.get(name, "")
    return Requirement(f"{name}=={version}" if version else name, name, version)


def _distribution(module: str, versions: Mapping[str, str]) -> str:
    """The distribution of a module: a variant that is known to be there ("xgboost-cpu", "mlflow-skinny"), else the usual one."""
    usual = normalize(_DISTRIBUTIONS.get(module, module))
    variants = [name for name in (usual, f"{usual}-cpu", f"{usual}-skinny", f"{usual}-gpu") if name in versions]
    return variants[0] if variants else usual


def _installed_root(module: str, installed: Installed) -> str | None:
    found = installed.modules.get(module, ())
    usual = normalize(_DISTRIBUTIONS.get(module, module))
    return usual if usual in found else next(iter(found), None)


def _agree(installed: Installed, info: ModelInfo) -> bool:
    """Whether an interpreter has the very versions that the model file records."""
    return all(installed.versions.get(name) == version for name, version in _recorded(info).items())


def _recorded(info: ModelInfo) -> dict[str, str]:
    return {normalize(name): version for name, version in (info.versions or {}).items()}


def _imports(file: Path) -> set[str]:
    """Top-level modules that a Python file imports, wherever it does; nothing for a file that does not parse."""
    try:
        tree = ast.parse(file.read_bytes(), file.name)
    except (SyntaxError, ValueError, OSError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found
