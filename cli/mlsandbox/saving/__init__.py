"""`mlsandbox.save`: from a fitted model in a notebook or script to a project folder that `sandbox up` serves.

Works on the objects it is handed, in the interpreter that made them, and never unpickles.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

from mlsandbox.errors import SaveRefused, UntrustedModel
from mlsandbox.packaging.inspect import ModelInfo, check_trust, inspect_model
from mlsandbox.packaging.refusals import not_handed_over
from mlsandbox.saving.distributions import Closure, closure_of, own_modules_of, third_party
from mlsandbox.saving.folder import check_project_file, put_in_place, scratch_beside, update_project
from mlsandbox.saving.own_code import copy_code, imported_by, top_names
from mlsandbox.saving.provenance import provenance
from mlsandbox.settings import NAME
from mlsandbox_serving.contract import SCHEMA_VERSION, ModelKind

Code = Sequence[str | Path | ModuleType]
_LIBRARIES = {
    ModelKind.XGBOOST: "xgboost",
    ModelKind.LIGHTGBM: "lightgbm",
    ModelKind.CATBOOST: "catboost",
    ModelKind.ONNX: "onnxruntime",
    ModelKind.TORCHSCRIPT: "torch",
}


@dataclass(frozen=True, slots=True)
class _Saved:
    """What stands in the scratch folder so far."""

    folder: Path
    entry: str
    info: ModelInfo
    code: list[dict[str, str]]


def save(
    model: object,
    name: str,
    *,
    reference: Any = None,
    target: Any = None,
    metrics: Mapping[str, float] | None = None,
    parameters: Mapping[str, Any] | None = None,
    path: str | Path = ".",
    code: Code = (),
    requirements: str | Path | None = None,
    private: Sequence[str] = (),
    hashed: Sequence[str] = (),
    output: Literal["predict", "predict_proba"] | None = None,
    trust: bool = False,
) -> Path:
    """Save a fitted model with all that serving it needs; then `sandbox up` in the project's folder serves it.

    Args:
        model: an estimator or pipeline, a native booster, an ONNX model, a ScriptModule, or any object with `predict(frame)`.
        name: lower-case letters, digits and hyphens; saving under the same name again replaces it.
        reference: the training inputs or a sample of them: DataFrame, 2-D array, polars or pyarrow table, or a file's path.
        target: the labels, or the name of their column in `reference`.
        metrics: what you measured, by name.
        parameters: what you chose, beside the estimator's own parameters.
        path: the project's folder, made when it is not there.
        code: your own modules that the model needs: files, package folders, imported modules.
        requirements: a requirements file that says the versions instead of this interpreter.
        private: columns that are never logged.
        hashed: columns that are logged as a keyed hash.
        output: "predict_proba" demands probabilities, "predict" answers labels alone.
        trust: save even when the model's pickle needs what no allow-list holds.

    Returns:
        The project's folder.

    Raises:
        SaveRefused: the model or its data cannot be served as they are; says what to change.
        UntrustedModel: the pickle needs code that was not handed over.
    """
    from mlsandbox_serving.capture import CaptureError  # noqa: PLC0415  # brings numpy, and with reference data pandas

    root = Path(path).expanduser().resolve()
    _check_name(name)
    check_project_file(root)
    folder = root / name
    scratch = scratch_beside(folder)
    try:
        saved, captured, reference_file = _write(model, scratch, reference=reference, target=target, output=output, code=code, trust=trust)
        closure = _closure(model, saved, has_frame=captured["schema"]["input"] == "frame")
        if requirements is not None:
            shutil.copyfile(Path(requirements).expanduser(), scratch / "requirements.txt")
        else:
            _check_lockable(closure, saved)
            (scratch / "requirements.txt").write_text(closure.requirements(), encoding="utf-8")
        _check_columns(captured, private=private, hashed=hashed)
        document = {
            **captured,
            **_facts(saved, closure, trust=trust),
            **provenance(root, besides=name),
            "parameters": {**captured["parameters"], **_json(parameters or {})},
            "metrics": _json(metrics or {}),
        }
        (scratch / "capture.json").write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        put_in_place(scratch, folder)
    except (CaptureError, OSError) as error:
        if isinstance(error, OSError):
            raise SaveRefused(
                f"cannot write {folder}", why=str(error), fix=f"save into another folder, or free this one: {root}"
            ) from error
        raise SaveRefused(error.message, why=error.why, fix=error.fix, details={"code": error.code}) from error.__cause__
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    settings = {
        "path": f"{name}/{saved.entry}",
        "reference": f"{name}/{reference_file}" if reference_file else False,
        "target": captured["target"] or False,
        "requirements": f"{name}/requirements.txt",
        "code": (f"{name}/code",) if saved.code else (),
        "trust": trust,
        "private": tuple(private) or None,
        "hashed": tuple(hashed) or None,
        "output": output,
    }
    update_project(root, name, settings)
    if reference_file is None:
        text = "saved without reference=…: nothing can prove that the endpoint answers like the model, and `sandbox up` will ask for a row"
        warnings.warn(text, stacklevel=2)
    return root


def _write(
    model: object,
    scratch: Path,
    *,
    reference: Any,
    target: Any,
    output: Literal["predict", "predict_proba"] | None,
    code: Code,
    trust: bool,
) -> tuple[_Saved, dict[str, Any], str | None]:
    """Model, code and reference data in the scratch folder; nothing of it is trusted before it was inspected."""
    from mlsandbox_serving.capture import capture, known_reference, write_model, write_reference  # noqa: PLC0415  # see save

    known = known_reference(model, reference, target)
    captured = capture(model, reference=known, output=output)
    entry = write_model(model, ModelKind(captured["load"]["kind"]), scratch)
    info = inspect_model(scratch / entry)
    files = copy_code(code, scratch / "code", referenced=[".".join(pair) for pair in info.unknown_pairs])
    try:
        check_trust(info, code=[scratch / "code"] if files else [], trust=trust)
    except UntrustedModel as error:
        raise not_handed_over(cast("list[str]", error.details["unknown"])) from None
    reference_file = write_reference(known, scratch) if known is not None else None
    captured["load"]["entry"] = entry
    return _Saved(scratch, entry, info, files), captured, reference_file


def _closure(model: object, saved: _Saved, *, has_frame: bool) -> Closure:
    """What pickle and own code import, the framework, and the bases of the model's class (a booster's wrapper needs scikit-learn)."""
    code = saved.folder / "code"
    modules = {*saved.info.globals, *imported_by(code), *(base.__module__ for base in type(model).__mro__)}
    if saved.info.kind in _LIBRARIES:
        modules.add(_LIBRARIES[saved.info.kind])
        if saved.info.kind is ModelKind.ONNX:
            modules = {module for module in modules if not module.startswith(("onnx.", "google."))}
    if has_frame:
        modules.add("pandas")
    return closure_of(third_party(modules, own=top_names(code)) - {"mlsandbox", "mlsandbox_serving"})


def _unlockable(closure: Closure, saved: _Saved) -> dict[str, str]:
    """Distributions that no index can give and that were not handed over as code."""
    handed_over = top_names(saved.folder / "code")
    return {name: why for name, why in closure.unlockable.items() if not own_modules_of(name) <= handed_over}


def _check_lockable(closure: Closure, saved: _Saved) -> None:
    left = _unlockable(closure, saved)
    if left:
        raise SaveRefused(
            f"{', '.join(left)} cannot be installed anywhere else",
            why="\n".join(f"{name} is {why}" for name, why in left.items()),
            fix=f"hand its source over: mlsandbox.save(…, code=[{', '.join(sorted(own_modules_of(next(iter(left)))))}]), or publish it",
            details={"unlockable": left},
        )


def _facts(saved: _Saved, closure: Closure, *, trust: bool) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "files": [{"path": file.path, "sha256": file.sha256, "size": file.size} for file in saved.info.files],
        "model_digest": saved.info.digest,
        "libraries": dict(closure.versions),
        "roots": list(closure.roots),
        "unlockable": [{"name": name, "why": why} for name, why in _unlockable(closure, saved).items()],
        "trusted": trust,
        "code": saved.code,
    }


def _check_name(name: str) -> None:
    try:
        NAME.parse(name, Path())
    except ValueError as error:
        raise SaveRefused(f"{name!r} cannot be a model's name", why=f"it {error}", fix="mlsandbox.save(model, 'churn', …)") from error


def _check_columns(captured: Mapping[str, Any], *, private: Sequence[str], hashed: Sequence[str]) -> None:
    names = {column["name"] for column in captured["schema"]["columns"]}
    wrong = next((name for name in (*private, *hashed) if name not in names), None)
    if wrong is not None:
        raise SaveRefused(
            f"there is no column {wrong!r} to keep out of the logs",
            why=f"the model's columns are {', '.join(sorted(names))}",
            fix="private=[…], hashed=[…]: names of columns",
        )


def _json(values: Mapping[str, Any]) -> dict[str, Any]:
    from mlsandbox_serving.capture import json_safe  # noqa: PLC0415  # see save

    return {str(key): json_safe(value) for key, value in values.items()}
