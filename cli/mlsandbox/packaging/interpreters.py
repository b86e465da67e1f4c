"""Interpreters on this machine: what one has installed, and where one of a given version is. Nothing is ever downloaded."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsandbox.errors import CommandFailed, ProgramMissing, PythonMissing
from mlsandbox.packaging.requirement_files import normalize
from mlsandbox.run import run

SUPPORTED: Final = ("3.11", "3.12", "3.13")
"""Python minor versions that served code runs on."""
_OF_SERVICES: Final = {"drift-alibi": ("3.11", "3.12")}
"""Of our own services that do not run on all of them: alibi-detect needs a numpy that later ones do not have."""
_QUERY: Final = Path(__file__).with_name("interpreter_query.py")
_QUERY_SECONDS: Final = 60.0
_REQUIRED: Final = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True)
class Installed:
    """What an interpreter has.

    Args:
        executable: the interpreter that was asked.
        base: the interpreter that it is a virtual environment of (or itself).
        python: its version, "3.11.7".
        versions: version by normalized distribution name.
        requires: names that a distribution needs, extras left out.
        direct: distributions that no index can give, with the reason.
        modules: distributions by the top-level modules that were asked for.
    """

    executable: Path
    base: Path
    python: str
    versions: Mapping[str, str]
    requires: Mapping[str, tuple[str, ...]]
    direct: Mapping[str, str]
    modules: Mapping[str, tuple[str, ...]]

    @property
    def minor(self) -> str:
        return minor_of(self.python)

    def closure(self, roots: Iterator[str] | tuple[str, ...]) -> frozenset[str]:
        """The roots and all that they need, as far as it is installed."""
        found: set[str] = set()
        waiting = [name for name in roots if name in self.versions]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(each for each in self.requires.get(name, ()) if each in self.versions)
        return frozenset(found)


def pythons_of(service: str) -> tuple[str, ...]:
    """Python minor versions that one of our own services ("log-store") runs on, the newest last."""
    return _OF_SERVICES.get(service, SUPPORTED)


def minor_of(version: str) -> str:
    """The minor version of a full one: 3.11 of 3.11.7."""
    return ".".join(version.split(".")[:2])


def query(executable: Path, *, modules: frozenset[str] = frozenset()) -> Installed:
    """Ask an interpreter what it has installed; `modules` are the top-level modules whose distributions are wanted.

    Raises:
        PythonMissing: it does not run, or is no Python.
    """
    try:
        done = run(
            [executable, "-", *sorted(modules)],
            input=_QUERY.read_text(encoding="utf-8"),
            cwd=Path("/"),  # standard input puts the current folder on the path, and modules there would shadow the standard library
            timeout=_QUERY_SECONDS,
            what=f"asking {executable} what is installed",
        )
        answer = json.loads(done.stdout)
        distributions = {normalize(name): each for name, each in answer["distributions"].items()}
        return Installed(
            executable,
            Path(answer["base"]),
            answer["python"],
            versions={name: each["version"] for name, each in distributions.items()},
            requires={name: tuple(_required(each["requires"])) for name, each in distributions.items()},
            direct={name: each["direct"] for name, each in distributions.items() if each["direct"]},
            modules={module: tuple(normalize(name) for name in names) for module, names in answer["modules"].items()},
        )
    except (CommandFailed, ProgramMissing, ValueError, KeyError, TypeError) as error:
        raise PythonMissing(
            f"{executable} does not work as a Python interpreter", why=str(error), fix="name another one: sandbox up --python PATH"
        ) from error


def candidates() -> Iterator[tuple[str, Path]]:
    """Interpreters that a model may have been trained with, and what to call them: the active environment's, then the one that runs us."""
    for variable, label in (("VIRTUAL_ENV", "the active virtual environment"), ("CONDA_PREFIX", "the active conda environment")):
        folder = os.environ.get(variable)
        if folder and (Path(folder) / "bin/python").exists():
            yield label, Path(folder) / "bin/python"
    yield "the interpreter that runs sandbox", Path(sys.executable)


def find_python(minor: str, *, near: Path | None = None) -> Path:
    """An interpreter of that minor version that is already on this machine, outside any virtual environment.

    Args:
        minor: "3.11".
        near: one that is taken when it is of that version.

    Raises:
        PythonMissing: there is none, or served code does not support that version.
    """
    if minor not in SUPPORTED:
        raise PythonMissing(
            f"Python {minor} is not supported",
            why=f"models are served with Python {', '.join(SUPPORTED)}",
            fix="train the model with one of these, or name an interpreter: sandbox up --python PATH",
        )
    own = getattr(sys, "_base_executable", "") or sys.executable
    if near is not None and near.exists():
        there = query(near)
        if there.minor == minor:
            return there.base
    if minor_of(".".join(map(str, sys.version_info[:2]))) == minor and Path(own).exists():
        return Path(own)
    done = run(
        [uv_program(), "python", "find", "--no-python-downloads", "--no-project", "--system", minor],
        what=f"looking for Python {minor}",
        check=False,
    )
    found = Path(done.stdout.strip()) if done.returncode == 0 else of_pyenv(minor)
    if found is None or not found.is_file():
        raise PythonMissing(
            f"Python {minor} is not on this machine",
            why="the model was trained with it, and Pythons are never downloaded unasked",
            fix=f"install it: uv python install {minor}",
            details={"python": minor},
        )
    return found


def of_pyenv(minor: str) -> Path | None:
    """The newest one that pyenv has installed; unless it is pyenv's current one, its shim on PATH does not run."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [path for path in root.glob(f"versions/{minor}.*/bin/python{minor}") if path.parents[1].name.rpartition(".")[2].isdigit()]
    return max(found, key=lambda path: int(path.parents[1].name.rpartition(".")[2]), default=None)


def uv_program() -> Path:
    """The uv that was installed with us, else the one on PATH.

    Raises:
        ProgramMissing: there is neither.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if found is None:
        raise ProgramMissing("uv was not found", why="environments are built with it", fix="pip install uv")
    return Path(found)


def _required(lines: list[str]) -> Iterator[str]:
    for line in lines:
        found = _REQUIRED.match(line)
        if found and not re.search(r";.*\bextra\s*==", line):
            yield normalize(found[1])
