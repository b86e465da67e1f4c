"""Ask the running model: one request, or all rows of a file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from mlsandbox.data_columns import no_rows, refuse_unfit
from mlsandbox.data_rows import Row, batches, read_rows
from mlsandbox.endpoint import Answer, Endpoint
from mlsandbox.errors import CommandFailed, InputUnreadable, NotRunning, PredictionFailed
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox.project import Project
from mlsandbox.run import run
from mlsandbox_serving.contract import PackageFile

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
    request_row: int
    """Of its request: with the request id it is what a label belongs to."""
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


def predict_file(package: Package, endpoint: Endpoint, path: Path, *, max_rows: int) -> Iterator[RowPrediction]:
    """Every row of a file, in order; columns that the model does not take are left out.

    Args:
        package: that answers.
        endpoint: where it answers.
        path: of the file.
        max_rows: most rows that one request may have.

    Raises:
        InputUnreadable: the file cannot be read.
        InputUnfit: it has no rows, or lacks columns; nothing is sent.
        PredictionFailed: the rows of one request were refused; what came before it was answered. Rows are those of the file.
    """
    schema = endpoint.schema()
    wanted = tuple(column["name"] for column in schema["columns"])
    rows = read_rows(
        path, schema, lambda file: tabular_rows(package, file, typed=True), lambda names: refuse_unfit(path, tuple(names), wanted)
    )
    first = next(rows, None)
    if first is None:
        raise no_rows(path)
    return predict_rows(endpoint, chain((first,), rows), min(BATCH_ROWS, max_rows))


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
            yield RowPrediction(begin + offset, offset, prediction, scores, answer.request_id, answer.model, answer.version)
        begin += len(batch)


def served_package(project: Project, model: str, version: str | None) -> Package:
    """The package that answers.

    Raises:
        NotRunning: it is not there.
    """
    packages = list_packages(project.root, model)
    found = next((each for each in packages if each.version == version), None)
    if found is None:
        raise NotRunning(f"no package {version or ''} of {model} is there".replace("  ", " "), fix="package and start it: sandbox up")
    return found


def example_row(package: Package, given: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The example row of a package, or the one that was given for it, by model.

    Raises:
        InputUnreadable: it has none.
    """
    example = package.manifest.get("example") or given.get(package.model)
    if not isinstance(example, dict):
        raise InputUnreadable(
            f"{package.model} was packaged without an example row",
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
    except OSError as error:
        raise InputUnreadable(f"{text[1:]} cannot be read", why=error.strerror or str(error), fix=f"check the path: {text[1:]}") from error
    except ValueError as error:
        written = "write it as in: sandbox predict '{\"age\": 42.0}'   or take the example: sandbox predict --example"
        fix = f"rows of a file are given as: sandbox predict {shlex.quote(f'@{text}')}" if _is_file(text) else written
        raise InputUnreadable("the request is not JSON", why=str(error), fix=fix) from error
    return content


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # too long for a name
        return False


def tabular_rows(package: Package, path: Path, *, typed: bool) -> list[str]:
    """Rows of a file that needs pandas, read in the environment of the model; one JSON object per line.

    Args:
        package: of the model.
        path: of the file.
        typed: the columns of the model's schema with its types, instead of all columns as they are.

    Raises:
        InputUnreadable: the file cannot be read.
    """
    argv: list[str | Path] = [package.python, "-m", "mlsandbox_serving.tabular", path.absolute()]
    argv += ["--schema", package.source / PackageFile.SCHEMA] if typed else []
    try:
        return run(argv, env={"PYTHONPATH": str(package.source)}, what=f"reading {path.name}").stdout.splitlines()
    except CommandFailed as error:
        try:
            told = json.loads(str(error.details["stderr"]).splitlines()[-1])["error"]
        except (ValueError, LookupError, TypeError):
            raise error from None
        raise InputUnreadable(told["message"], why=told["why"], fix=f"{told['fix']} ({path})") from error


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
