"""Capture a model that arrives as a file, in the model's own environment: one JSON object on standard output.

Whatever the model's code prints goes to standard error. A problem is {"error": {"code", "message", "why", "fix"}} and exit code 1.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from mlsandbox_serving.answer_stream import answer_alone
from mlsandbox_serving.capture import CaptureError, capture_predictor, read_reference
from mlsandbox_serving.capture.parameters import names_of
from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.models import ModelSpec, ModelUnsupported, Predictor, load
from mlsandbox_serving.tabular import TabularError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _options(arguments)
    with answer_alone() as answer:
        try:
            answer(_captured(options))
        except (CaptureError, TabularError) as error:
            answer(error.to_json())
            return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mlsandbox_serving.capture", description="Capture a model file's signature and golden rows."
    )
    parser.add_argument("--kind", type=ModelKind, required=True)
    parser.add_argument("--model", type=Path, required=True, help="the model's file, or its folder")
    parser.add_argument("--entry", default="", help="file in that folder, or predict.py:Predictor")
    parser.add_argument("--class", dest="class_name", default="", help="full name of the model's class, when known")
    parser.add_argument("--reference", type=Path, help="table of training inputs")
    parser.add_argument("--target", help="its label column")
    parser.add_argument("--code", type=Path, action="append", default=[], help="folder with, or file of, the model's own modules")
    return parser.parse_args(arguments)


def _captured(options: argparse.Namespace) -> dict[str, Any]:
    sys.path[:0] = [str((path if path.is_dir() else path.parent).resolve()) for path in options.code]
    spec = ModelSpec(kind=options.kind, entry=options.entry, class_name=options.class_name)
    predictor = _loaded(options, spec)
    reference = None
    if options.reference is not None:
        reference = read_reference(options.reference, options.target, model_names=names_of(predictor.model))
    if not spec.class_name:
        kind = type(predictor.model)
        spec = ModelSpec(kind=spec.kind, entry=spec.entry, class_name=f"{kind.__module__}.{kind.__qualname__}")
    result = capture_predictor(predictor, spec, reference=reference, path=options.model)
    return {**result, "libraries": _imported_libraries(), "python": platform.python_version(), "platform": platform.platform()}


def _loaded(options: argparse.Namespace, spec: ModelSpec) -> Predictor:
    fix = f'load it with the versions that it was saved with: requirements = "…" beside path = "{options.model.name}" in sandbox.toml'
    try:
        return load(spec.kind, options.model, spec=spec)
    except ModelUnsupported as error:
        raise CaptureError("MODEL_UNSUPPORTED", str(error), fix="save an object that has predict()") from error
    except ModuleNotFoundError as error:
        raise CaptureError(
            "MODULE_MISSING", f"the model needs the module {error.name}, which its environment does not have", why=str(error), fix=fix
        ) from error
    except Exception as error:
        raise CaptureError("LOAD_FAILED", "the model does not load", why=f"{type(error).__name__}: {error}", fix=fix) from error


def _imported_libraries() -> dict[str, str]:
    """Versions of the distributions of which something is imported now."""
    owners = metadata.packages_distributions()
    names = {name for module in {module.split(".")[0] for module in sys.modules} for name in owners.get(module, ())}
    return {name: metadata.version(name) for name in sorted(names, key=str.lower) if name != "mlsandbox"}


if __name__ == "__main__":
    sys.exit(main())
