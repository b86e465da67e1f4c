"""The proof that a stack answers: one real prediction for one real row."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mlsandbox.actions.outcomes import SmokePrediction
from mlsandbox.endpoint import Endpoint, request_of
from mlsandbox.errors import ExampleMissing, PredictionFailed, SmokeFailed
from mlsandbox.packaging.package import Package
from mlsandbox_serving.contract import Origin, PackageFile

_FORMS: Final = {"float": 0.0, "integer": 0, "boolean": False, "datetime": "2024-05-31T12:00:00"}


def examples_of(
    packages: Sequence[Package], given: Mapping[str, object] | None, remembered: Mapping[str, Mapping[str, object]]
) -> dict[str, Mapping[str, object]]:
    """The row that is sent to each model: its package's own, or one that was given, now or an earlier time.

    Args:
        packages: what is served.
        given: goes before a package's own row when there is only one model.
        remembered: rows that were given earlier, by model.

    Raises:
        ExampleMissing: a model has none.
    """
    rows = {}
    for package in packages:
        choice = (own_example(package), given, remembered.get(package.model))
        row = given if given is not None and len(packages) == 1 else next((each for each in choice if each is not None), None)
        if row is None:
            raise ExampleMissing(
                f"there is no example row for {package.model}",
                why="Without reference data there are no golden rows and no example: nothing could prove that the endpoint answers.",
                fix=f"give one row: sandbox up --example {shlex.quote(json.dumps(_form(package), ensure_ascii=False))}"
                "   or reference data, as in: sandbox init --help",
            )
        rows[package.model] = row
    return rows


def own_example(package: Package) -> Mapping[str, object] | None:
    """The row of the reference data that a package holds."""
    row = package.manifest.get("example")
    return row if isinstance(row, Mapping) else None


def _form(package: Package) -> dict[str, object]:
    """A row as the model takes it, with values that only show their type."""
    schema = json.loads((package.source / PackageFile.SCHEMA).read_text(encoding="utf-8"))
    return {column["name"]: (column["categories"] or [_FORMS.get(column["type"], "…")])[0] for column in schema["columns"]}


def smoke_prediction(url: str, row: Mapping[str, object], key: str | None) -> SmokePrediction:
    """Ask for a prediction of one row.

    Args:
        url: of the model service.
        row: as the model takes it.
        key: API key, if there is one.

    Raises:
        SmokeFailed: the endpoint refused the row or failed.
        NotRunning: nobody answers.
    """
    with Endpoint(url, origin=Origin.EXAMPLE, key=key) as endpoint:
        try:
            answer = endpoint.predict(request_of(row))
        except PredictionFailed as error:
            raise SmokeFailed(
                "the stack started, and did not answer the example row",
                why=f"{error.what}: {error.why}",
                fix="give a row that fits the model: sandbox up --example JSON   or look: sandbox logs --errors",
                details=error.details,
            ) from error
    body: Mapping[str, Any] = answer.body
    probabilities = (body.get("probabilities") or [None])[0]
    return SmokePrediction(
        prediction=body["predictions"][0],
        probability=max(probabilities) if isinstance(probabilities, list) and probabilities else None,
        seconds=answer.seconds,
        row=row,
    )
