"""`sandbox init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsandbox.actions.init import InitOptions, init
from mlsandbox.cli.session import Session
from mlsandbox.views.init import init_text

EXAMPLES = """\
$ sandbox init --from model.joblib --reference train.parquet --target churned
$ sandbox init churn --from churn.onnx --reference sample.csv
$ sandbox init --from predict.py:Predictor --requirements requirements.txt"""


def command(
    session: Session,
    *,
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Where; default: this folder.")] = None,
    source: Annotated[str, typer.Option("--from", metavar="MODEL", help='A model file, an MLflow folder, or "predict.py:Predictor".')],
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="DATA", help="Training inputs: .parquet, .csv, .arrow, .jsonl.")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="The label's column in the reference data.")] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Name of project and model; default: from the file.")] = None,
    requirements: Annotated[Path | None, typer.Option("--requirements", metavar="FILE", help="What it was trained with.")] = None,
    python: Annotated[Path | None, typer.Option("--python", metavar="PATH", help="The interpreter it was trained with.")] = None,
    code: Annotated[list[Path] | None, typer.Option("--code", metavar="PATH", help="Own module that the model needs (repeatable).")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Load it even if it uses code outside the allow-list.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a sandbox.toml.")] = False,
) -> None:
    """The model is looked at, never loaded. From a notebook use mlsandbox.save instead: it knows more."""
    options = InitOptions(
        source, reference, target, name, requirements, python, tuple(code or ()), trust=trust, force=force, dry_run=session.options.dry_run
    )
    if folder is not None:
        session.output.aim(folder)
    result = init(folder or session.options.project or Path.cwd(), options)
    for warning in result.warnings:
        session.output.warning(warning)
    session.output.result("Init", result, init_text(result))
