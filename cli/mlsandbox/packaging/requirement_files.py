"""What a model was trained with, as files say it: requirements.txt, pyproject.toml, uv.lock and MLflow's own files. Pure reading."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlsandbox.errors import RequirementsUnreadable

_NAME: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*")
_PIN: Final = re.compile(r"={2,3}\s*([^\s,;*]+)\s*$")
_PYTHON: Final = re.compile(r"(\d+\.\d+)(?:\.\d+)?")
_BOUND: Final = re.compile(r"(~=|===?|!=|<=|>=|<|>)\s*(\d+(?:\.\d+)*(?:\.\*)?)")
_NAMED: Final = re.compile(r"[\w.-]+(\[[^\]]*\])?\s*@")
_DIRECT: Final = re.compile(_NAMED.pattern + r"|(git|hg|svn|bzr)\+|[./]|\w+://|file:")
"""What names a place instead of a version: name @ url, a URL, a repository, a path."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: its line without hashes, its normalized name, and its version when pinned for every platform."""

    line: str
    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a file asks for.

    Args:
        lines: what must be installed.
        versions: versions that the file knows, more than it asks for when it is a lock.
        python: the Python minor version that it names, or "".
        unlockable: what it names and no index can give, with the reason.
    """

    lines: tuple[Requirement, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    unlockable: Mapping[str, str] = field(default_factory=dict)
    requires_python: str = ""
    """Python versions that it admits, such as ">=3.12,<3.14"; "" for any."""

    def admits(self, minor: str) -> bool:
        """Whether some patch release of a Python minor version ("3.12") is among those that it admits."""
        return all(_admits(found[1], found[2], minor) for found in _BOUND.finditer(self.requires_python))


def normalize(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(path: Path) -> Requirements:
    """Read what `path` asks for, by the kind of file; a folder is an MLflow model.

    Raises:
        RequirementsUnreadable: the file is missing, broken, or of a kind that is not understood.
    """
    try:
        if path.is_dir():
            return _read_mlflow(path)
        if path.name == "pyproject.toml":
            return _read_pyproject(path)
        if path.name == "uv.lock":
            return _read_uv_lock(path)
        if path.name in {"conda.yaml", "python_env.yaml", "MLmodel"}:
            return _read_mlflow(path.parent)
        return _collect(_text_lines(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise RequirementsUnreadable(
            f"{path.name} cannot be read as requirements", why=str(error), fix=f"set `requirements` to a requirements.txt instead of {path}"
        ) from error


def parse_line(line: str) -> Requirement:
    """A requirement line (PEP 508) as name, version if it is pinned without a marker, and the line itself."""
    line = re.sub(r"\s+--hash=\S+", "", line).strip()
    found = _NAME.match(line)
    if found is None:
        raise RequirementsUnreadable(
            f"not a requirement: {line}", fix="write one requirement per line in requirements.txt, as in name==1.2.3"
        )
    pin = _PIN.fullmatch(line, found.end())
    return Requirement(line, normalize(found[1]), pin[1] if pin else "")


def _collect(lines: Iterable[str], *, python: str = "") -> Requirements:
    wanted: list[Requirement] = []
    unlockable: dict[str, str] = {}
    for line in lines:
        if _DIRECT.match(line):
            name = re.split(r"\s*@\s*", line)[0] if _NAMED.match(line) else Path(re.split(r"#egg=", line)[-1]).name
            unlockable[normalize(name)] = f"required as {line}"
        else:
            wanted.append(parse_line(line))
    counts = [requirement.name for requirement in wanted]
    versions = {each.name: each.version for each in wanted if each.version and counts.count(each.name) == 1}
    return Requirements(tuple(wanted), versions, python, unlockable)


def _text_lines(path: Path, *, seen: frozenset[Path] = frozenset()) -> Iterator[str]:
    """The requirement lines of a requirements.txt; `-r` is followed, `-e` is kept as its path, options of pip are dropped."""
    text = path.read_text(encoding="utf-8-sig").replace("\\\n", " ")
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        option = re.match(r"(-r|--requirement|-e|--editable)[\s=]+(\S.*)$", line)
        if option and option[1] in {"-r", "--requirement"}:
            other = (path.parent / option[2]).resolve()
            if other not in seen:
                yield from _text_lines(other, seen=seen | {path.resolve(), other})
        elif option:
            yield option[2]
        elif line and not line.startswith("-"):
            yield line


def _read_pyproject(path: Path) -> Requirements:
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    if "dependencies" not in project:
        raise RequirementsUnreadable(
            f"{path} has no [project] dependencies",
            why="other tools' tables are not read",
            fix="export them, and set `requirements` to that requirements.txt (poetry export, pdm export, pip freeze)",
        )
    wanted = _collect(project["dependencies"])
    lock = path.with_name("uv.lock")
    locked = _read_uv_lock(lock).versions if lock.is_file() else {}
    python, versions = _minor(lock.with_name(".python-version")), {**locked, **wanted.versions}
    return Requirements(wanted.lines, versions, python, wanted.unlockable, str(project.get("requires-python", "")))


def _read_uv_lock(path: Path) -> Requirements:
    """The project's direct dependencies, at the versions of the lock; packages locked at several versions are left to the resolver."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    packages: list[dict[str, Any]] = content.get("package", [])
    names = [normalize(package["name"]) for package in packages]
    versions = {name: package.get("version", "") for name, package in zip(names, packages, strict=True) if names.count(name) == 1}
    roots = [package for package in packages if {"virtual", "editable", "workspace"} & set(package.get("source", {}))]
    direct = list(dict.fromkeys(normalize(each["name"]) for root in roots for each in root.get("dependencies", ())))
    own = {normalize(root["name"]) for root in roots}
    local = {
        name: "locked from " + ", ".join(f"{key} {value}" for key, value in package["source"].items())
        for name, package in zip(names, packages, strict=True)
        if name not in own and {"git", "path", "directory"} & set(package.get("source", {}))
    }
    lines = tuple(
        Requirement(f"{name}=={versions[name]}" if versions.get(name) else name, name, versions.get(name, ""))
        for name in direct
        if name not in own and name not in local
    )
    known = {name: version for name, version in versions.items() if version and name not in own and name not in local}
    needed = {name: local[name] for name in direct if name in local}
    return Requirements(lines, known, _minor(path.with_name(".python-version")), needed, str(content.get("requires-python", "")))


def _read_mlflow(folder: Path) -> Requirements:
    """MLflow writes the same list three times; python_env.yaml or conda.yaml or MLmodel name the Python."""
    python = ""
    for name, key in (("python_env.yaml", "python"), ("conda.yaml", "- python"), ("MLmodel", "python_version")):
        text = (folder / name).read_text(encoding="utf-8") if (folder / name).is_file() else ""
        found = re.search(rf"^\s*{re.escape(key)}\s*[:=]+\s*['\"]?({_PYTHON.pattern})", text, re.MULTILINE)
        if found and not python:
            python = found[2]
    plain = folder / "requirements.txt"
    if plain.is_file():
        lines = list(_text_lines(plain))
    else:
        text = (folder / "conda.yaml").read_text(encoding="utf-8")
        pip = re.search(r"^\s*-\s*pip\s*:\s*\n((?:\s+-\s*.+\n?)+)", text, re.MULTILINE)
        lines = [line.strip().removeprefix("-").strip().strip("'\"") for line in pip[1].splitlines()] if pip else []
    return _collect(lines, python=python)


def _admits(operator: str, version: str, minor: str) -> bool:
    """One bound, asked of all patch releases of a minor version together."""
    bound, asked = [int(part) for part in version.split(".") if part.isdigit()], [int(part) for part in minor.split(".")]
    same, patch = bound[:2] == asked[: len(bound[:2])], len(bound) > 2 and bound[2] > 0
    match operator:
        case ">=" | ">":
            return asked >= bound[:2]
        case "<=":
            return asked <= bound[:2]
        case "<":
            return asked < bound[:2] or (same and patch)
        case "~=":
            return same if len(bound) > 2 else asked[0] == bound[0] and asked >= bound
        case "!=":
            return not (same and version.endswith(".*"))
        case _:
            return same


def _minor(path: Path) -> str:
    found = _PYTHON.search(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found[1] if found else ""
