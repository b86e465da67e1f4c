"""`sandbox feedback`."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlsandbox.actions.feedback import BATCH_LABELS, import_labels
from mlsandbox.actions.label_rows import read_labels
from mlsandbox.actions.predict import served_package, tabular_rows
from mlsandbox.actions.sight import endpoint_of, look
from mlsandbox.cli.session import Session
from mlsandbox.endpoint import Endpoint
from mlsandbox.errors import Exit
from mlsandbox.secrets import api_key
from mlsandbox.views.feedback import import_text

EXAMPLES = """\
$ sandbox feedback import labels.csv
$ sandbox feedback import labels.jsonl.gz --model churn -o json"""


class What(StrEnum):
    """What to do with feedback."""

    IMPORT = "import"


def command(
    session: Session,
    *,
    what: Annotated[What, typer.Argument(metavar="import", help="Hand in the labels of a file.")],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .csv, .jsonl or .parquet file with request_id of the answer, row of that request (else 0), label (or empty).",
        ),
    ],
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Which model, when the project has several.")] = None,
) -> Exit:
    """A label may come late, again, corrected, or for an old version. Ends with 3 when a line could not be used."""
    del what
    project, sight = session.project(), look(session.root())
    url = endpoint_of(sight, model)
    config = project.models[model or next(iter(project.models))]
    with Endpoint(url, timeout=session.options.timeout, key=api_key(project.state_dir, os.environ)) as endpoint:
        output = endpoint.schema()["output"]
        lines = read_labels(
            file,
            output,
            lambda path: tabular_rows(served_package(project, config.name, sight.remembered.served.get(config.name)), path, typed=False),
        )
        result = import_labels(
            endpoint,
            file,
            lines,
            model=config.name,
            output=output,
            size=min(BATCH_LABELS, config.serving.max_rows),
            dry_run=session.options.dry_run,
            report=session.report,
        )
    session.close()
    session.output.result("FeedbackImport", result, import_text(result, session.output.out))
    return Exit.BAD_FINDING if result.refused else Exit.OK
