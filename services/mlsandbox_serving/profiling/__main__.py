"""Make a reference profile in the model's environment: reads one JSON object from standard input, and answers with one.

In:  {"schema": schema.json, "load": as in package.json, "model": the model's file or folder, "code": folder of its own modules or null,
      "reference": file or null, "target": column of labels or null, "events": file of logged events, the newest first, or null,
      "private": [column, …], "hashed": [column, …], "left_out": {column that is not to be compared: why}, "output": folder}
Out: {"rows": rows that the profile was made of, "total": rows of the file, "refused": rows that the endpoint would not take,
      "why": what is wrong with the first of them, "columns": how many are compared, "labels": bool,
      "left_out": {column: reason}, "unsteady": {kind: [column, …]}}

It has either a reference, which the model is asked about, or events, which hold what was answered; then no model is loaded. The folder
holds the files of `contract.ProfileFile` afterwards, the same bytes for the same rows. Whatever the model's code prints goes to
standard error. A problem is {"error": {"code", "message", "why", "fix"}} and exit code 1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlsandbox_serving.answer_stream import answer_alone
from mlsandbox_serving.capture import CaptureError
from mlsandbox_serving.drift import Kind, Profile, build_profile, save_profile
from mlsandbox_serving.drift_alibi import build_reference, save_reference
from mlsandbox_serving.models import ModelSpec, answering, load
from mlsandbox_serving.profiling.answers import Answers, ask
from mlsandbox_serving.profiling.rows import most_rows, read_rows
from mlsandbox_serving.schema import Schema
from mlsandbox_serving.tabular import TabularError


def main() -> int:
    """The program; returns its exit code."""
    request = json.load(sys.stdin)
    with answer_alone() as answer:
        try:
            answer(profiled(request))
        except (CaptureError, TabularError) as error:
            answer(error.to_json())
            return 1
    return 0


def profiled(request: Mapping[str, Any]) -> dict[str, Any]:
    """Make and save a profile; what is said of it.

    Raises:
        CaptureError, TabularError: rows cannot be read, or the model does not take them.
    """
    schema = Schema.from_json(request["schema"])
    if request["events"] is not None:
        from mlsandbox_serving.profiling.logged import read_events  # noqa: PLC0415 - of the drift service, which no file of rows needs

        logged = read_events(Path(request["events"]), most=most_rows(schema))
        known = {name: values for name, values in logged.columns.items() if name in schema.names}
        profile = _saved(request, schema, known, logged.answers, None)
        return _told(profile, total=profile.rows, refused=0, why="")
    rows = read_rows(Path(request["reference"]), schema, target=request["target"])
    answers = _asked(request, schema, rows.columns)
    profile = _saved(request, schema, rows.columns.by_name, answers, rows.labels)
    return _told(profile, total=rows.total, refused=rows.refused, why=rows.why)


def _asked(request: Mapping[str, Any], schema: Schema, columns: Any) -> Answers:
    if request["code"]:
        sys.path.insert(0, request["code"])
    spec = ModelSpec.from_json(request["load"])
    try:
        predictor = load(spec.kind, Path(request["model"]), spec=spec)
    except Exception as error:
        raise CaptureError(
            "LOAD_FAILED", "the model does not load", why=f"{type(error).__name__}: {error}", fix="see why: sandbox logs api"
        ) from error
    return ask(answering(predictor, schema), schema, columns, guarded=bool(request["private"] or request["hashed"]))


def _saved(
    request: Mapping[str, Any], schema: Schema, columns: Mapping[str, list[Any]], answers: Answers, labels: list[Any] | None
) -> Profile:
    folder = Path(request["output"])
    profile = build_profile(
        columns,
        schema,
        predictions=answers.predictions,
        scores=answers.probabilities,
        labels=labels,
        private=request["private"],
        hashed=request["hashed"],
        left_out=request["left_out"],
    )
    save_profile(profile, folder)
    rows = build_reference(columns, profile=profile, predictions=answers.predictions, scores=answers.probabilities)
    save_reference(rows, folder)
    return profile


def _told(profile: Profile, *, total: int, refused: int, why: str) -> dict[str, Any]:
    return {
        "rows": profile.rows,
        "total": total,
        "refused": refused,
        "why": why,
        "columns": len(profile.names(Kind.FEATURES)),
        "labels": bool(profile.names(Kind.PERFORMANCE)),
        "left_out": dict(profile.left_out),
        "unsteady": {kind.value: list(names) for kind, names in profile.self_check.unsteady.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
