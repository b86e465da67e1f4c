"""What `sandbox up PATH` means: a project folder, or a model that becomes a project."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlsandbox.cli.session import Session
from mlsandbox.errors import UsageError
from mlsandbox.project import FILE_NAME, Override, Project


def stack_overrides(*, host: str | None, port: str | None, profile: str | None, exclude: Sequence[str] | None) -> tuple[Override, ...]:
    """What flags set in `[stack]`.

    Args:
        host: an address, or None.
        port: "auto", a number, or None.
        profile: "full", "lite" or None.
        exclude: names of services, or None.
    """
    found = []
    if host is not None:
        found.append(Override("stack.host", host, "--host"))
    if port is not None:
        found.append(Override("stack.ports.api", None if port == "auto" else port, "--port"))
    if profile is not None:
        found.append(Override("stack.profile", profile, "--profile"))
    if exclude:
        found.append(Override("stack.exclude", ",".join(exclude), "--exclude"))
    return tuple(found)


def project_of(session: Session, path: str | None, given: Mapping[str, Any], *, trust: bool, overrides: Sequence[Override] = ()) -> Project:
    """The project; a new one is written when `path` is a model and the folder has none.

    Args:
        session: of the command.
        path: as given.
        given: fields of InitOptions that describe a model.
        trust: load it whatever it uses.
        overrides: what flags set in the project.

    Raises:
        UsageError: options that describe a model without a model.
    """
    if path is not None and not (Path(path) / FILE_NAME).is_file() and not _plain_folder(Path(path)):
        from mlsandbox.actions.init import InitOptions, project_for  # noqa: PLC0415 - only for a model without a project

        root = session.options.project or Path.cwd()
        options = InitOptions(path, trust=trust, dry_run=session.options.dry_run, **given)
        return project_for(root.absolute(), options, overrides=(*session.overrides, *overrides))
    described = [f"--{name}" for name, value in given.items() if value is not None]
    if described:
        raise UsageError(f"{', '.join(described)} need a model", fix="name it: sandbox up model.joblib --reference train.parquet")
    return session.project(*overrides, start=None if path is None else Path(path))


def _plain_folder(path: Path) -> bool:
    """Neither a project nor an MLflow model: the project's absence is what must be said."""
    return path.is_dir() and not (path / "MLmodel").is_file()


def example_row(text: str) -> Mapping[str, Any]:
    """A row given as JSON or `@file`."""
    from mlsandbox.actions.predict import read_body  # noqa: PLC0415 - only when a row was given

    row = json.loads(read_body(text, None))
    if not isinstance(row, dict):
        raise UsageError("--example must be one row, a JSON object", fix="write it as in: sandbox up --example '{\"age\": 42.0}'")
    return row
