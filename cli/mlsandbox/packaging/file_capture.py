"""Schema, golden rows and example of a model that arrived as a file: found in its own environment, by the served code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlsandbox.atomic import write_atomic
from mlsandbox.errors import CommandFailed, PackagingFailed
from mlsandbox.packaging.bento import copy_served_code, serving_environment
from mlsandbox.packaging.manifest import Ingredients
from mlsandbox.run import run
from mlsandbox_serving.contract import ModelKind


def capture_file(
    ingredients: Ingredients,
    kind: ModelKind,
    *,
    interpreter: Path,
    cache: Path,
    scratch: Path,
    report: Callable[[str], None],
) -> Mapping[str, Any]:
    """What `mlsandbox.save` would have captured, as far as a file tells it.

    Args:
        ingredients: the model and its environment.
        kind: how it is loaded.
        interpreter: of the model's environment.
        cache: where the answer is kept for the next time.
        scratch: a folder for a copy of the served code, which is all that the program sees of us.
        report: told what takes time.

    Raises:
        PackagingFailed: the model does not load or does not predict the reference data; holds what it said.
    """
    if cache.is_file():
        known: dict[str, Any] = json.loads(cache.read_text(encoding="utf-8"))
        return known
    model = ingredients.model
    report(f"capturing schema and golden rows of {model.name}")
    copy_served_code(scratch / "served")
    argv: list[str | Path] = [interpreter, "-W", "ignore", "-m", "mlsandbox_serving.capture", "--kind", kind.value, "--model", model.path]
    argv += ["--entry", ingredients.entry]
    argv += ["--reference", model.reference] if model.reference else []
    argv += ["--target", model.target] if model.target else []
    argv += [word for path in model.code for word in ("--code", path)]
    try:
        done = run(
            argv,
            env=serving_environment(PYTHONPATH=str(scratch / "served")),
            cwd=scratch,
            what=f"capturing schema and golden rows of {model.name}",
        )
        capture: dict[str, Any] = json.loads(done.stdout)
    except CommandFailed as error:
        raise PackagingFailed(
            f"{model.path.name} could not be used in its environment",
            why=error.why,
            fix="compare its versions with those it was trained with: requirements.lock beside the model",
            details=error.details,
        ) from error
    cache.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(cache, json.dumps(capture), durable=False)
    return capture
