"""Schema, golden rows and example of a model that arrived as a file: found in its own environment, by the served code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlsandbox.atomic import write_atomic
from mlsandbox.errors import CaptureFailed
from mlsandbox.packaging.bento import serving_environment
from mlsandbox.packaging.manifest import Ingredients
from mlsandbox.run import Completed, run
from mlsandbox_serving.contract import ModelKind


def capture_file(
    ingredients: Ingredients,
    path: Path,
    kind: ModelKind,
    *,
    interpreter: Path,
    cache: Path,
    served: Path,
    code: Path,
    report: Callable[[str], None],
) -> Mapping[str, Any]:
    """What `mlsandbox.save` would have captured, as far as a file tells it.

    Args:
        ingredients: the model and its environment.
        path: the model's file or folder that was looked into, which is the one that is loaded.
        kind: how it is loaded.
        interpreter: of the model's environment.
        cache: where the answer is kept for the next time.
        served: a folder with a copy of the served code, which is all that the program sees of us.
        code: a folder with the model's own modules.
        report: told what takes time.

    Raises:
        CaptureFailed: the model does not load or does not predict the reference data; says what it said.
    """
    if cache.is_file():
        known: dict[str, Any] = json.loads(cache.read_text(encoding="utf-8"))
        return known
    model = ingredients.model
    report(f"capturing schema and golden rows of {model.name}")
    argv: list[str | Path] = [interpreter, "-W", "ignore", "-m", "mlsandbox_serving.capture", "--kind", kind.value, "--model", path]
    argv += ["--entry", ingredients.entry, "--code", code]
    argv += ["--reference", model.reference] if model.reference else []
    argv += ["--target", model.target] if model.target else []
    done = run(
        argv,
        env=serving_environment(PYTHONPATH=str(served)),
        cwd=served.parent,
        what=f"capturing schema and golden rows of {model.name}",
        check=False,
    )
    capture = _answer(done, model.name)
    cache.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(cache, json.dumps(capture), durable=False)
    return capture


def _answer(done: Completed, name: str) -> dict[str, Any]:
    """The captured facts; a problem that the program explained becomes an error in its own words."""
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
        error = answer.get("error")
    except (ValueError, AttributeError):
        answer, error = {}, None
    if error:
        raise CaptureFailed(error["message"], why=error.get("why", ""), fix=error["fix"], details={"code": error["code"]})
    if done.returncode != 0 or not answer:
        raise CaptureFailed(
            f"schema and golden rows of {name} could not be captured",
            why=f"exit code {done.returncode}\n{done.stderr[-2000:]}".strip(),
            fix="compare the versions in requirements.lock beside the model with those it was trained with",
        )
    return answer
