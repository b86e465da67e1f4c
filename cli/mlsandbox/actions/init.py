"""Make a project from a model file: look at it without loading it, and write sandbox.toml."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsandbox.actions.outcomes import InitResult
from mlsandbox.atomic import write_atomic
from mlsandbox.data_rows import open_text
from mlsandbox.errors import InputUnreadable, ProjectExists, UsageError
from mlsandbox.packaging.inspect import ModelInfo, check_trust, inspect_model
from mlsandbox.project import FILE_NAME, Override, Project, load_project, read_project
from mlsandbox.setting_kinds import ModelPath
from mlsandbox.settings import NAME

_GENERAL: Final = frozenset({"model", "models", "pipeline", "predict", "estimator", "clf", "reg"})
"""File names that say nothing: the folder's name is taken then."""


@dataclass(frozen=True, slots=True)
class InitOptions:
    """A model and what is known of it; paths as given on the command line, relative to the current folder."""

    source: str
    """A file, an MLflow folder, or "predict.py:Predictor"."""
    reference: Path | None = None
    target: str | None = None
    name: str | None = None
    requirements: Path | None = None
    python: Path | None = None
    code: tuple[Path, ...] = ()
    trust: bool = False
    force: bool = False
    """Overwrite a sandbox.toml."""
    dry_run: bool = False


def init(root: Path, options: InitOptions) -> InitResult:
    """Write a project into a folder.

    Raises:
        ProjectExists: it has one already.
        InputUnreadable: a file that was named is not there.
        UntrustedModel, ModelKindUnknown, ModelFileUnreadable: the model cannot be served as it is.
    """
    if (root / FILE_NAME).exists() and not options.force:
        raise ProjectExists(
            f"there is a project in {root} already",
            why=f"{root / FILE_NAME} would be overwritten.",
            fix="bring it up: sandbox up   or overwrite it: add --force to sandbox init",
        )
    info = _inspected(options)
    name = options.name or _name_for(options.source)
    text = sandbox_toml(root, name, options)
    read_project(root, text, environ={})
    if not options.dry_run:
        root.mkdir(parents=True, exist_ok=True)
        write_atomic(root / FILE_NAME, text)
    return InitResult(root, name, info.kind.value, (FILE_NAME,), options.dry_run, _warnings(options))


def project_for(root: Path, options: InitOptions, *, overrides: Sequence[Override] = ()) -> Project:
    """The project that `sandbox up FILE` means: the one in the folder when it is of that model, else a new one.

    Raises:
        ProjectExists: the folder has a project of another model.
    """
    file = root / FILE_NAME
    if not file.exists():
        init(root, options)
        text = sandbox_toml(root, options.name or _name_for(options.source), options)
        return read_project(root, text, overrides=overrides, environ=os.environ)
    project = load_project(root, overrides=overrides)
    wanted = ModelPath(anywhere=True).parse(options.source, Path.cwd())
    if not any(model.source.file.resolve() == wanted.file.resolve() for model in project.models.values()):
        raise ProjectExists(
            f"the project in {root} is of another model",
            why=f"{file} does not name {options.source}.",
            fix=f"bring that project up: sandbox up   or use another folder: sandbox -C DIR up {options.source}",
        )
    return project


def sandbox_toml(root: Path, name: str, options: InitOptions) -> str:
    """The text of sandbox.toml; paths inside the project are written relative to it."""
    path, entry = _split(options.source)
    lines = [
        "schema = 1",
        f"name = {_toml(name)}",
        "",
        f"[models.{name}]",
        f"path = {_toml(_relative(root, path) + (f':{entry}' if entry else ''))}",
    ]
    for key, value in (("reference", options.reference), ("requirements", options.requirements)):
        if value is not None:
            lines.append(f"{key} = {_toml(_relative(root, value))}")
    if options.target is not None:
        lines.append(f"target = {_toml(options.target)}")
    if options.python is not None:
        lines.append(f"python = {_toml(str(options.python.absolute()))}")
    if options.code:
        lines.append(f"code = [{', '.join(_toml(_relative(root, each)) for each in options.code)}]")
    if options.trust:
        lines.append("trust = true")
    return "\n".join(lines) + "\n"


def _inspected(options: InitOptions) -> ModelInfo:
    path, entry = _split(options.source)
    for each in (path, options.reference, options.requirements, options.python, *options.code):
        if each is not None and not each.exists():
            raise InputUnreadable(f"there is no file {each}", fix=f"check the path: {each.absolute()}")
    if options.reference is not None:
        _check_header(options.reference, options.target)
    info = inspect_model(path.absolute(), entry=entry)
    check_trust(info, code=[each.absolute() for each in options.code], trust=options.trust)
    return info


def _check_header(reference: Path, target: str | None) -> None:
    """Find a file without rows, or without the labels' column, before anything is written; which columns the model takes is not known here.

    Raises:
        InputUnreadable: it is one.
    """
    if not reference.name.lower().removesuffix(".gz").endswith(".csv"):
        return
    try:
        with open_text(reference) as file:
            rows = csv.reader(file)
            header, first = next(rows, None), next(rows, None)
    except (OSError, ValueError, csv.Error) as error:
        raise InputUnreadable(f"{reference} cannot be read", why=str(error), fix=f"repair the file: {reference}") from error
    if not header or first is None:
        raise InputUnreadable(f"{reference} has no rows", fix=f"name a file of rows as the model takes them: {reference.absolute()}")
    if target is not None and target not in header:
        raise InputUnreadable(
            f"{reference} has no column {target!r}",
            why=f"its columns are {', '.join(header[:20])}",
            fix="name one of them: sandbox init --target COLUMN",
        )


def _warnings(options: InitOptions) -> tuple[str, ...]:
    if options.reference is not None:
        return ()
    return ("without --reference nothing proves that the endpoint answers like the model, and sandbox up asks for a row: --example JSON",)


def _name_for(source: str) -> str:
    """A name for the model: the file's, or the folder's when the file's says nothing."""
    path = _split(source)[0].absolute()
    for candidate in (path.stem, path.parent.name):
        name = re.sub(r"[^a-z0-9]+", "-", candidate.lower()).strip("-")[:41]
        if name not in _GENERAL and re.fullmatch(NAME.pattern, name):
            return name
    return "model"


def _split(source: str) -> tuple[Path, str | None]:
    parsed = ModelPath(anywhere=True).parse(source, Path())
    return parsed.file, parsed.entry


def _relative(root: Path, path: Path) -> str:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - ".." is taken out, links are not followed
    base = Path(os.path.abspath(root))  # noqa: PTH100
    return absolute.relative_to(base).as_posix() if absolute.is_relative_to(base) else str(absolute)


def _toml(text: str) -> str:
    """A TOML basic string: JSON's, whose escapes TOML shares, apart from DEL."""
    if "\x7f" in text:
        raise UsageError("a name holds a control character", fix="rename it, then: sandbox init")
    return json.dumps(text, ensure_ascii=False)
