"""The lock of a model's environment: every package with version and hashes, written beside the model and made to be committed.

What the model references stays exactly as it was trained with, numpy, scipy and pandas too; the rest of the captured versions is
preferred; what serving needs is added. The same inputs give the same lock, and while they are the same the file is left alone,
even when it was edited by hand.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsandbox.assets import asset
from mlsandbox.atomic import write_atomic
from mlsandbox.errors import CommandFailed, LockConflict, NotLockable
from mlsandbox.packaging.interpreters import find_python
from mlsandbox.packaging.origin import NEVER_MOVED, Origin
from mlsandbox.packaging.requirement_files import normalize, parse_line
from mlsandbox.packaging.uv import explanation, run_uv

_HEADER: Final = re.compile(r"# mlsandbox lock: model=(\S+) python=(\d+\.\d+) inputs=(sha256:[0-9a-f]{64})")
_MOVED: Final = re.compile(r"# moved: (\S+) (\S+) -> (\S+)")
_PINNED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_VERSION: Final = re.compile(
    r"\d+(!\d+)?(\.\d+)*([-_.]?(a|b|rc|post|dev|alpha|beta)[-_.]?\d*)*(\+[a-z0-9]+([-_.][a-z0-9]+)*)?", re.IGNORECASE
)

_ARROW_OF_NUMPY_1: Final = "pyarrow<22"


@dataclass(frozen=True, slots=True)
class Moved:
    """A package that is not at the version it was captured with."""

    name: str
    captured: str
    locked: str


@dataclass(frozen=True, slots=True)
class Lock:
    """A model's locked environment.

    Args:
        text: the whole file.
        digest: of its requirement lines, without comments: "sha256:…".
        python: Python's minor version.
        inputs: digest of what it was made from.
        origin: one line on where the versions come from.
        moved: what could not stay at its captured version.
    """

    text: str
    digest: str
    python: str
    inputs: str
    origin: str
    moved: tuple[Moved, ...]

    @property
    def versions(self) -> dict[str, str]:
        """Locked version by normalized name."""
        return locked_versions(self.text)


def locked_versions(text: str) -> dict[str, str]:
    """Locked version by normalized name, of a lock's text; the first line may be missing, as it is in a package."""
    return {normalize(name): version for name, version in _PINNED.findall(text)}


def lock_inputs(facts: Mapping[str, object]) -> str:
    """Digest of what decides about a lock: the facts about the model's versions, what serving needs, and the platform."""
    served = asset("requirements/model.in")
    everything = {"facts": facts, "served": _requirement_lines(served), "platform": f"{platform.system()}-{platform.machine()}"}
    return f"sha256:{hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()}"


def lock_path(folder: Path, model: str) -> Path:
    """Where a model's lock lies: requirements.lock beside the model, or with the model's name when another model's lock is there."""
    usual = folder / "requirements.lock"
    other = _HEADER.match(usual.read_text(encoding="utf-8")) if usual.is_file() else None
    return folder / f"{model}.requirements.lock" if other and other[1] != model else usual


def read_lock(path: Path, *, inputs: str) -> Lock | None:
    """The lock at `path` when it was made from these inputs, else None."""
    if not path.is_file():
        return None
    lock = parse_lock(path.read_text(encoding="utf-8"))
    return lock if lock and lock.inputs == inputs else None


def parse_lock(text: str) -> Lock | None:
    """A lock's text as a value; None when its first line is not ours."""
    header = _HEADER.match(text)
    if header is None:
        return None
    origin = re.search(r"^# (environment from .*)$", text, re.MULTILINE)
    digest = hashlib.sha256("\n".join(_requirement_lines(text)).encode()).hexdigest()
    moved = tuple(Moved(*found) for found in _MOVED.findall(text))
    return Lock(text, f"sha256:{digest}", header[2], header[3], origin[1] if origin else "", moved)


def lock_model(origin: Origin, *, model: str, inputs: str, path: Path, root: Path, report: Callable[[str], None]) -> Lock:
    """Resolve a model's environment and write its lock.

    Args:
        origin: the versions it was trained with.
        model: its name, for the header and for messages.
        inputs: digest of what the lock is made from.
        path: where the lock is written.
        root: the project's folder: uv's own settings there count, and temporary files go into its .sandbox.
        report: told what takes time.

    Raises:
        NotLockable: a needed package has no version that others can install.
        LockConflict: the model's versions and what serving needs exclude each other.
        PackagesUnreachable: the index is out of reach.
    """
    _refuse_unlockable(origin, model)
    interpreter = find_python(origin.python, near=origin.interpreter)
    report(f"locking the environment of {model}")
    previous = dict(_PINNED.findall(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    scratch = _scratch(root)
    try:
        _write_inputs(scratch, origin, previous)
        resolved = _compile(scratch.relative_to(root), root=root, python=origin.python, interpreter=interpreter)
        if _lacks_numpy_2(resolved):
            with (scratch / "never-moved.txt").open("a", encoding="utf-8") as constraints:
                constraints.write(f"{_ARROW_OF_NUMPY_1}\n")
            resolved = _compile(scratch.relative_to(root), root=root, python=origin.python, interpreter=interpreter)
    except CommandFailed as error:
        raise lock_solution_error(error, origin, model) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    locked = {normalize(name): version for name, version in _PINNED.findall(resolved)}
    moved = [
        f"# moved: {name} {version} -> {locked[name]}"
        for name, version in sorted(origin.versions.items())
        if name in locked and locked[name] != version
    ]
    header = [f"# mlsandbox lock: model={model} python={origin.python} inputs={inputs}", f"# {origin.describe()}", *moved]
    text = "\n".join([*header, resolved.strip(), ""])
    lock = parse_lock(text)
    if lock is None:
        raise AssertionError("a lock that was just written must be readable")
    write_atomic(path, text)
    return lock


def _lacks_numpy_2(resolved: str) -> bool:
    """Later pyarrows refuse numpy 1 when they are imported, and do not say so in their metadata."""
    major = {normalize(name): int(version.partition(".")[0]) for name, version in _PINNED.findall(resolved) if version[0].isdigit()}
    return major.get("numpy", 2) < 2 and major.get("pyarrow", 0) > 21


def _compile(scratch: Path, *, root: Path, python: str, interpreter: Path) -> str:
    """Relative paths throughout: uv splits lists of files at spaces, and the project's own path may hold some."""
    run_uv(
        [
            *("pip", "compile", str(scratch / "model.txt"), str(scratch / "served.in"), "--output-file", str(scratch / "lock.txt")),
            *("--python", str(interpreter), "--python-version", python),
            *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--quiet"),
        ],
        what="locking the environment",
        cwd=root,
        constraints=scratch / "never-moved.txt",
    )
    return (root / scratch / "lock.txt").read_text(encoding="utf-8")


def _write_inputs(scratch: Path, origin: Origin, previous: Mapping[str, str]) -> None:
    names = {each.name for each in origin.roots}
    movable = [each.name if each.version else each.line for each in origin.others if each.name not in names]
    fixed = [f"{name}=={origin.versions[name]}" for name in NEVER_MOVED if origin.versions.get(name)]
    preferred = {**{normalize(name): version for name, version in previous.items()}, **origin.versions}
    files = {
        "model.txt": [*(each.line for each in origin.roots), *movable],
        "served.in": _requirement_lines(asset("requirements/model.in")),
        "never-moved.txt": fixed,
        "lock.txt": [f"{name}=={version}" for name, version in sorted(preferred.items()) if _VERSION.fullmatch(version)],
    }
    for name, lines in files.items():
        (scratch / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _refuse_unlockable(origin: Origin, model: str) -> None:
    if origin.unlockable:
        listed = "\n".join(f"{name}: {why}" for name, why in sorted(origin.unlockable.items()))
        raise NotLockable(
            f"the environment of {model} cannot be locked: {', '.join(sorted(origin.unlockable))}",
            why=f"no index gives what the model was trained with\n{listed}",
            fix=f"hand your own modules over with the model: mlsandbox.save(model, {model!r}, code=[…]); "
            "or build a wheel, put it where pip finds it (pip config set global.find-links FOLDER), install it from there, and save again",
            details={"packages": dict(origin.unlockable)},
        )


def lock_solution_error(error: CommandFailed, origin: Origin, model: str) -> Exception:
    """The conflict that uv found, with both sides named; a failure of another kind as it is."""
    said = explanation(str(error.details["stderr"]))
    if "No solution found" not in said:
        return error
    text = "\n".join(line for line in said.splitlines() if not line.startswith("No solution found"))
    theirs = {**{name: f"{name}=={origin.versions[name]}" for name in NEVER_MOVED if origin.versions.get(name)}}
    theirs.update({each.name: each.line for each in (*origin.others, *origin.roots)})
    ours = {parse_line(line).name: line for line in _requirement_lines(asset("requirements/model.in"))}
    named = {normalize(word.rstrip(".,")) for word in re.findall(r"[A-Za-z0-9][\w.-]*", text)}
    sides = [
        *(f"the model needs {line}" for name, line in sorted(theirs.items()) if name in named),
        *(f"serving needs {line}" for name, line in sorted(ours.items()) if name in named),
    ]
    return LockConflict(
        f"the environment of {model} has no solution",
        why="\n".join([text, *sides]),
        fix=f"train with versions that go together and save again, or loosen what {origin.source} asks for in the model's requirements.txt",
        details={
            "model": {name: line for name, line in theirs.items() if name in named},
            "serving": {n: s for n, s in ours.items() if n in named},
        },
    )


def _scratch(root: Path) -> Path:
    folder = root / ".sandbox" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="lock-", dir=folder))


def _requirement_lines(text: str) -> list[str]:
    return list(_without_comments(text))


def _without_comments(text: str) -> Iterator[str]:
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if line:
            yield line
