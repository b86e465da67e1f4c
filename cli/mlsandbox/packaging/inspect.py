"""Look at a model without loading it: its kind, its files, and every class and function that loading would import."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlsandbox.packaging import mlflow_folder
from mlsandbox.packaging.allow import allowed_globals
from mlsandbox.packaging.bytestream import StreamError, open_stream, plain_stream, sha256_of
from mlsandbox.packaging.model_files import kind_of, written_versions
from mlsandbox.packaging.opcodes import scan_pickle
from mlsandbox.packaging.pickle_machine import PickleScan
from mlsandbox.packaging.pickle_rules import may_be_called
from mlsandbox.packaging.pickle_values import Pair
from mlsandbox.packaging.refusals import unreadable, untrusted
from mlsandbox_serving.contract import ModelKind

_FULL_NAMES = {"_loss": "sklearn._loss._loss"}
"""Modules of compiled code that give themselves a short name in pickles."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model.

    Attributes:
        path: relative to the folder that holds the model (the file's own name, or a path inside an MLflow folder), with slashes.
        sha256: hex digest.
        size: bytes.
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model file is and would do.

    Attributes:
        kind: how it is loaded.
        files: every file of it, sorted by path.
        digest: "sha256:…" over paths and contents.
        globals: what its pickles import, as "module.qualname", sorted.
        unknown: the part of `globals` that no allow-list holds, and what no list could allow (in brackets).
        versions: library versions written into the model, by distribution name.
        unknown_pairs: `unknown` as (module, qualname), without what is in brackets.
    """

    kind: ModelKind
    files: tuple[ModelFile, ...]
    digest: str
    globals: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    unknown_pairs: tuple[Pair, ...] = ()


def inspect_model(path: Path, *, entry: str | None = None) -> ModelInfo:
    """Everything that can be told of the model at `path` by reading bytes.

    Raises:
        ModelFileUnreadable: missing, empty or damaged.
        ModelKindUnknown: none of the accepted kinds.
    """
    kind = kind_of(path, entry=entry)
    files = _files_of(path)
    info = ModelInfo(kind=kind, files=files, digest=digest_of(files))
    if kind is ModelKind.MLFLOW:
        pickles = mlflow_folder.pickles_in(path, [path / file.path for file in files])
        info = replace(info, versions=mlflow_folder.versions_in(path))
        return _examined(info, [scan_file(each, joblib=False) for each in pickles], runs=mlflow_folder.code_that_runs(path))
    if kind is ModelKind.SKLEARN:
        return _examined(info, [scan_file(path)])
    return replace(info, versions=written_versions(kind, path))


def scan_file(path: Path, *, joblib: bool = True) -> PickleScan:
    """What one pickle would import.

    Args:
        path: the file.
        joblib: whether joblib loads it, which decompresses and takes raw arrays out of it, or Python's own pickle.

    Raises:
        ModelFileUnreadable: it is no pickle, or a damaged one.
    """
    try:
        with path.open("rb") as file:
            stream = open_stream(file, size=path.stat().st_size) if joblib else plain_stream(file)
            return scan_pickle(stream, joblib=joblib)
    except OSError as error:
        raise unreadable(path, str(error)) from error
    except StreamError as error:
        raise unreadable(path, f"it is no pickle, or a damaged one: {error}") from error


def check_trust(info: ModelInfo, *, code: Iterable[Path] = (), trust: bool = False) -> None:
    """Refuse a model that would import what nobody vouched for.

    Args:
        info: the inspected model.
        code: folders (as they will stand on sys.path) or files of the user's own code that was handed over with the model.
        trust: the user's word for all of it.

    Raises:
        UntrustedModel: names everything that is neither in an allow-list nor defined in `code`.
    """
    if trust or not info.unknown:
        return
    own = defined_names(code)
    vouched = {".".join(pair) for pair in info.unknown_pairs if pair in own}
    left = [name for name in info.unknown if name not in vouched]
    if left:
        raise untrusted(left)


def defined_names(code: Iterable[Path]) -> frozenset[Pair]:
    """The classes and functions that Python files define themselves, told by parsing; what they only import is not among them."""
    names: set[Pair] = set()
    for root in code:
        files = sorted(root.rglob("*.py")) if root.is_dir() else [root]
        for path in files:
            relative = path.relative_to(import_root(root)).with_suffix("")
            module = ".".join(relative.parts[:-1] if relative.name == "__init__" else relative.parts)
            try:
                tree = ast.parse(path.read_bytes())
            except (SyntaxError, ValueError, RecursionError) as error:
                raise unreadable(path, f"not valid Python: {error}") from error
            names.update((module, name) for name in _definitions(tree.body, ""))
    return frozenset(names)


def import_root(code: Path) -> Path:
    """The folder from which a piece of the user's code is imported: of a file or a package the one around it, else the folder itself."""
    return code.parent if code.is_file() or (code / "__init__.py").is_file() else code


def digest_of(files: Sequence[ModelFile]) -> str:
    """One digest over the paths and contents of a model's files."""
    lines = "".join(f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def _definitions(body: Sequence[ast.stmt], prefix: str) -> Iterable[str]:
    for statement in body:
        match statement:
            case ast.ClassDef(name=name):
                yield prefix + name
                yield from _definitions(statement.body, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                yield from _definitions([*inner, *other], prefix)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="namedtuple"))):
                yield prefix + name


def _files_of(path: Path) -> tuple[ModelFile, ...]:
    if not path.is_dir():
        return (ModelFile(path.name, *sha256_of(path)),)
    inner = sorted(each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    return tuple(ModelFile(each.relative_to(path).as_posix(), *sha256_of(each)) for each in inner)


def _shown(pair: Pair) -> str:
    """A global as people know it."""
    return ".".join((_FULL_NAMES.get(pair[0], pair[0]), pair[1]))


def _examined(info: ModelInfo, scans: Sequence[PickleScan], *, runs: Sequence[str] = ()) -> ModelInfo:
    """`info` with what the scans found; `runs` is code that is no pickle's global."""
    pairs = {pair for scan in scans for pair in scan.globals}
    allowed = allowed_globals()
    unknown = sorted(pairs - allowed)
    called = sorted({pair for scan in scans for pair in scan.called if pair in allowed and not may_be_called(pair)})
    versions = dict(info.versions)
    for scan in scans:
        versions.update(scan.versions)
    return replace(
        info,
        globals=tuple(sorted({_shown(pair) for pair in pairs})),
        unknown=(
            *(".".join(pair) for pair in unknown),
            *(f"(a call of {'.'.join(pair)} with arguments)" for pair in called),
            *dict.fromkeys(text for scan in scans for text in scan.suspicious),
            *runs,
        ),
        versions=versions,
        unknown_pairs=tuple(unknown),
    )
