"""The proof that a stack answers: one real prediction for one real row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlsandbox.actions.outcomes import SmokePrediction
from mlsandbox.endpoint import Endpoint, request_of
from mlsandbox.errors import ExampleMissing, PredictionFailed, SmokeFailed
from mlsandbox.packaging.package import Package


def example_of(package: Package, given: Mapping[str, object] | None) -> Mapping[str, object]:
    """The row that is sent: the given one, else the package's own.

    Raises:
        ExampleMissing: there is none.
    """
    own = package.manifest.get("example")
    row = given if given is not None else own
    if not isinstance(row, Mapping):
        raise ExampleMissing(
            f"there is no example row for {package.model}",
            why="Without reference data there are no golden rows and no example: nothing could prove that the endpoint answers.",
            fix="give one row: sandbox up --example '{\"column\": 1.0}'   or reference data, as in: sandbox init --help",
        )
    return row


def smoke_prediction(url: str, row: Mapping[str, object]) -> SmokePrediction:
    """Ask for a prediction of one row.

    Raises:
        SmokeFailed: the endpoint refused the row or failed.
        NotRunning: nobody answers.
    """
    with Endpoint(url) as endpoint:
        try:
            answer = endpoint.predict(request_of(row))
        except PredictionFailed as error:
            raise SmokeFailed(
                "the stack started, and did not answer the example row",
                why=f"{error.what}: {error.why}",
                fix="give a row that fits the model: sandbox up --example '{\"column\": 1.0}'   or look: sandbox logs --errors",
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
