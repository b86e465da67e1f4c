"""`sandbox predict`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from mlsandbox.actions import predict as action
from mlsandbox.actions.sight import endpoint_of, look
from mlsandbox.cli.binding import DOCUMENTS
from mlsandbox.cli.session import Session
from mlsandbox.endpoint import Endpoint, curl_line, request_of
from mlsandbox.errors import UsageError
from mlsandbox.output import Format, show_pieces, to_plain
from mlsandbox.secrets import api_key, key_for_shell
from mlsandbox.views.predict import prediction_text, row_text
from mlsandbox_serving.contract import Origin

EXAMPLES = """\
$ sandbox predict --example
$ sandbox predict '{"age": 42.0, "plan": "basic"}'
$ sandbox predict --data new.csv -o jsonl > predictions.jsonl"""
FORMATS = (*DOCUMENTS, Format.JSONL)


def command(
    session: Session,
    *,
    request: Annotated[str | None, typer.Argument(metavar="JSON|@FILE|-", help='One row, {"rows": […]} or {"columns": {…}}.')] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE", help="Every row of a .csv, .jsonl or .parquet file; other columns are left out."),
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="The example row of the package.")] = False,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Which model, when the project has several.")] = None,
    curl: Annotated[bool, typer.Option("--curl", help="Print the request as a curl command instead of sending it.")] = False,
    timed: Annotated[bool, typer.Option("--time", help="Say how long the answer took.")] = False,
) -> None:
    """With -o jsonl and --data one prediction per line, in the order of the rows, as soon as it is there."""
    if (request is not None) + (data is not None) + example != 1 or (curl and data is not None):
        raise UsageError("give a request, or --data FILE, or --example", fix="try: sandbox predict --example")
    project, sight = session.project(), look(session.root())
    url = endpoint_of(sight, model)
    config = project.models[model or next(iter(project.models))]
    package = None if request is not None else action.served_package(project, config.name, sight.remembered.served.get(config.name))
    key = api_key(project.state_dir, os.environ)
    with Endpoint(url, timeout=session.options.timeout, origin=Origin.EXAMPLE if example else None, key=key) as endpoint:
        if data is not None and package is not None:
            _file(session, action.predict_file(package, endpoint, data, max_rows=config.serving.max_rows))
            return
        body = (
            action.read_body(request or "", sys.stdin.read() if request == "-" else None)
            if package is None
            else request_of(action.example_row(package, sight.remembered.examples))
        )
        if curl:
            asks = project.stack.asks_for_keys if sight.asks_for_keys is None else sight.asks_for_keys
            line = curl_line(url, body, key_for_shell(project.state_dir, os.environ) if asks else None)
            session.output.result("Curl", {"curl": line}, line)
            return
        result = action.predict(endpoint, body)
    session.output.result("Prediction", result, prediction_text(result, session.output.out, timed=timed))


def _file(session: Session, rows: Iterator[action.RowPrediction]) -> None:
    show_pieces(
        session.output, "PredictionList", "predictions", ((to_plain(each), row_text(each.prediction, each.probabilities)) for each in rows)
    )
