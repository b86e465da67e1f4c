"""A project: sandbox.toml, SANDBOX_* variables and flags, merged; every value remembers where it came from.

Precedence: flag > environment variable > sandbox.toml > default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlsandbox.errors import ConfigInvalid, ProjectNotFound
from mlsandbox.setting_reader import Override, Setting, SettingReader
from mlsandbox.settings import DriftConfig, LogConfig, ModelConfig, Settings, StackConfig

__all__ = ["Override", "Project", "Setting", "find_project", "load_project", "read_project"]

FILE_NAME: Final = "sandbox.toml"


@dataclass(frozen=True, slots=True)
class Project:
    """A project's settings, all checked."""

    root: Path
    """The folder with sandbox.toml; absolute."""
    settings: Settings
    origins: Mapping[str, Setting] = field(repr=False)
    """Every setting by its path ("stack.engine", "models.churn.serving.workers"), in the order of sandbox.toml."""
    reserved: tuple[str, ...] = ()
    """Paths that were set and have no effect in this version."""

    @property
    def file(self) -> Path:
        return self.root / FILE_NAME

    @property
    def state_dir(self) -> Path:
        """Everything that we write lies here."""
        return self.root / ".sandbox"

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def models(self) -> Mapping[str, ModelConfig]:
        return self.settings.models

    @property
    def log(self) -> LogConfig:
        return self.settings.log

    @property
    def drift(self) -> DriftConfig:
        return self.settings.drift

    @property
    def stack(self) -> StackConfig:
        return self.settings.stack

    def origin(self, path: str) -> Setting:
        """The setting at a dotted path and its source; KeyError when there is no such setting."""
        return self.origins[path]


def find_project(start: Path | None = None) -> Path | None:
    """The folder with sandbox.toml: `start` (default: the current folder) or the nearest folder above it."""
    folder = (start or Path.cwd()).absolute()
    return next((each for each in (folder, *folder.parents) if (each / FILE_NAME).is_file()), None)


def load_project(start: Path | None = None, *, overrides: Sequence[Override] = (), environ: Mapping[str, str] | None = None) -> Project:
    """The project of a folder.

    Args:
        start: a folder that must itself hold sandbox.toml; None: the current folder or the nearest above it that does.
        overrides: what flags set.
        environ: the environment variables; None: those of this process.

    Raises:
        ProjectNotFound: there is no sandbox.toml.
        ConfigInvalid: something in it, or in the environment, is wrong; all mistakes are listed.
    """
    root = find_project() if start is None else start.absolute()
    if root is None or not (root / FILE_NAME).is_file():
        raise not_found(start)
    try:
        text = (root / FILE_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{root / FILE_NAME} cannot be read", why=str(error), fix=f"repair or replace {root / FILE_NAME}") from error
    return read_project(root, text, overrides=overrides, environ=os.environ if environ is None else environ)


def not_found(start: Path | None) -> ProjectNotFound:
    """The error of a folder without sandbox.toml."""
    folder = (start or Path.cwd()).absolute()
    return ProjectNotFound(
        f"there is no {FILE_NAME} in {folder}" + ("" if start else " or above it"),
        why="A project is a folder with that file; it names the model and its reference data.",
        fix="make one with: sandbox init --from MODEL --reference DATA   or point to one: sandbox -C DIR up",
        details={"folder": str(folder)},
    )


def name_in(root: Path) -> str:
    """The name in a folder's sandbox.toml, even when other things in it are wrong; the folder's name when there is none."""
    try:
        name = tomllib.loads((root / FILE_NAME).read_text(encoding="utf-8")).get("name")
    except (OSError, ValueError):
        name = None
    return name if isinstance(name, str) and name else root.name


def read_project(root: Path, text: str, *, overrides: Sequence[Override] = (), environ: Mapping[str, str]) -> Project:
    """The project that a text of sandbox.toml describes; raises ConfigInvalid."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{FILE_NAME} is not valid TOML", why=str(error), fix=f"edit {root / FILE_NAME}") from error
    reader = SettingReader(root, text, environ=environ, overrides=overrides)
    settings = reader.read(Settings, raw)
    if not raw.get("models"):
        reader.fault((), "has no model; add a table [models.<name>] with the model's path")
    if reader.faults:
        count = len(reader.faults)
        raise ConfigInvalid(
            f"the configuration has {count} mistake{'s' if count > 1 else ''}",
            why="\n".join(fault.text for fault in reader.faults),
            fix=_fix(root, {fault.source for fault in reader.faults}),
            details={"file": str(root / FILE_NAME), "faults": [fault.facts for fault in reader.faults]},
        )
    return Project(root, settings, reader.origins, tuple(reader.reserved))


def _fix(root: Path, sources: Collection[str]) -> str:
    """Where the mistakes are to be mended."""
    if all(source.startswith("--") for source in sources):
        return "see how it is written: sandbox up --help"
    variables = sorted(source for source in sources if source.startswith("SANDBOX_"))
    places = [f"set {', '.join(variables)} otherwise, or unset it"] if variables else []
    places += [f"edit {root / FILE_NAME}"] if any(not source.startswith(("--", "SANDBOX_")) for source in sources) else []
    return f"{', and '.join(places)}; then check it with: sandbox config validate"
