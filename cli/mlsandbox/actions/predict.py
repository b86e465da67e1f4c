"""Ask the running model: one request, or all rows of a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox.data_rows import Row, batches, read_rows, without
from mlsandbox.endpoint import Answer, Endpoint
from mlsandbox.errors import InputUnreadable, NotRunning, PredictionFailed
from mlsandbox.project import ModelConfig, Project
from mlsandbox.run import run
from mlsandbox.supervise.spec import Folder, list_from_json
from mlsandbox_serving.contract import PackageFile, Port

BATCH_ROWS: Final = 500
"""Rows in one request of `predict --data`."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one request."""

    model: str
    version: str
    request_id: str
    predictions: tuple[Any, ...]
    probabilities: tuple[Any, ...] | None
    """One list per row, in the order of the schema's classes; None when the model has none."""
    seconds: float


@dataclass(frozen=True, slots=True)
class RowPrediction:
    """The answer for one row of a file."""

    row: int
    """Counted from 0."""
    prediction: Any
    probabilities: Any | None
    request_id: str
    model: str
    version: str


def predict(endpoint: Endpoint, body: object) -> Prediction:
    """One request.

    Raises:
        PredictionFailed, NotRunning: see Endpoint.
    """
    return _prediction(endpoint.predict(body))


def predict_file(project: Project, model: ModelConfig, endpoint: Endpoint, path: Path) -> Iterator[RowPrediction]:
    """Every row of a file, in order; the label column, if it is there, is left out.

    Raises:
        InputUnreadable: the file cannot be read.
        PredictionFailed: the rows of one request were refused; what came before it was answered. Rows are those of the file.
    """
    rows = read_rows(path, endpoint.schema(), lambda file: _tabular(project, file))
    size = min(BATCH_ROWS, model.serving.max_rows)
    return predict_rows(endpoint, without(rows, model.target), size)


def predict_rows(endpoint: Endpoint, rows: Iterable[Row], size: int) -> Iterator[RowPrediction]:
    """Every row, `size` at a time."""
    begin = 0
    for batch in batches(rows, size):
        try:
            answer = _prediction(endpoint.predict({"rows": batch}))
        except PredictionFailed as error:
            raise _of_file(error, begin, begin + len(batch)) from error
        probabilities = answer.probabilities or (None,) * len(batch)
        for offset, (prediction, scores) in enumerate(zip(answer.predictions, probabilities, strict=True)):
            yield RowPrediction(begin + offset, prediction, scores, answer.request_id, answer.model, answer.version)
        begin += len(batch)


def example_row(project: Project, model: str, version: str | None) -> Mapping[str, Any]:
    """The example row that the served package holds.

    Raises:
        InputUnreadable: there is none.
    """
    path = project.state_dir / "bentoml" / "bentos" / model / str(version) / "src" / PackageFile.MANIFEST
    try:
        example = json.loads(path.read_text(encoding="utf-8")).get("example")
    except (OSError, ValueError) as error:
        raise InputUnreadable(f"the package of {model} cannot be read", why=str(error), fix="package it again: sandbox up") from error
    if not isinstance(example, dict):
        raise InputUnreadable(
            f"{model} was packaged without an example row",
            why="It has no reference data.",
            fix="give a row: sandbox predict '{\"column\": 1.0}'",
        )
    return example


def read_body(text: str, standard_input: str | None) -> str:
    """The JSON of a request: itself, `@file`, or `-` for standard input; checked to be JSON.

    Raises:
        InputUnreadable: it is not.
    """
    try:
        content = (standard_input or "") if text == "-" else Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        json.loads(content)
    except (OSError, ValueError) as error:
        fix = "write it as in: sandbox predict '{\"age\": 42.0}'   or take the example: sandbox predict --example"
        raise InputUnreadable("the request is not JSON", why=str(error), fix=fix) from error
    return content


def _prediction(answer: Answer) -> Prediction:
    body = answer.body
    probabilities = body.get("probabilities")
    return Prediction(
        model=body["model"],
        version=body["version"],
        request_id=body["request_id"],
        predictions=tuple(body["predictions"]),
        probabilities=None if probabilities is None else tuple(probabilities),
        seconds=answer.seconds,
    )


def _of_file(error: PredictionFailed, begin: int, end: int) -> PredictionFailed:
    """The same error with row numbers of the file."""
    details = error.details.get("details")
    faults = details.get("faults", []) if isinstance(details, dict) else []
    moved = [{**fault, "row": begin + fault["row"] if isinstance(fault.get("row"), int) else None} for fault in faults]
    why = "\n".join(_sentence(fault) for fault in moved[:5]) or error.why
    what = f"rows {begin} to {end - 1} were refused: {error.what}"
    return PredictionFailed(
        what, why=f"{why}\nRows are counted from 0.", fix=error.fix, details={**error.details, "rows": [begin, end - 1], "faults": moved}
    )


def _sentence(fault: Mapping[str, Any]) -> str:
    where = ", ".join(part for part in (f"row {fault['row']}" if fault["row"] is not None else "", f"column {fault['column']!r}") if part)
    return f"{where}: {fault['problem']}, expected {fault['expected']}, got {json.dumps(fault['value'], ensure_ascii=False)}"


def _tabular(project: Project, path: Path) -> list[str]:
    """Rows of a file that needs pandas, read in the environment of the model; one JSON object per line."""
    try:
        processes = list_from_json(Folder(project.state_dir).processes.read_text(encoding="utf-8"))
        service = next(each for each in processes if each.name == Port.API)
    except (OSError, ValueError, StopIteration) as error:
        raise NotRunning("the stack was never started", fix="start it: sandbox up") from error
    env = {"PYTHONPATH": service.env.get("PYTHONPATH")}
    done = run([service.argv[0], "-m", "mlsandbox_serving.tabular", str(path.absolute())], env=env, what=f"reading {path.name}")
    return done.stdout.splitlines()
