"""The user's own modules, handed over with a model: where they are, and a copy of them beside it."""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

from mlsandbox.errors import SaveRefused
from mlsandbox.packaging.bytestream import sha256_of

_SKIPPED: Final = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".venv", ".ipynb_checkpoints", ".sandbox", ".*_cache")


def copy_code(code: Sequence[str | Path | ModuleType], target: Path, *, referenced: Iterable[str]) -> list[dict[str, str]]:
    """Copy modules and packages to `target`, which will stand on sys.path.

    Args:
        code: Python files, folders, imported modules.
        target: made when there is something to copy.
        referenced: names of the modules that the model's pickle imports: a folder of that name is copied as a package, the
            content of another folder goes to the top.

    Returns:
        {"path", "sha256"} of each file, paths relative to `target`, sorted.

    Raises:
        SaveRefused: there is nothing to copy at one of the places.
    """
    tops = {name.split(".")[0] for name in referenced}
    for each in code:
        source = _source(each)
        target.mkdir(exist_ok=True)
        if source.is_file():
            shutil.copyfile(source, target / source.name)
        elif (source / "__init__.py").is_file() or source.name in tops:
            shutil.copytree(source, target / source.name, ignore=_SKIPPED, dirs_exist_ok=True)
        else:
            shutil.copytree(source, target, ignore=_SKIPPED, dirs_exist_ok=True)
    files = sorted(path for path in target.rglob("*") if path.is_file()) if target.is_dir() else []
    return [{"path": path.relative_to(target).as_posix(), "sha256": sha256_of(path)[0]} for path in files]


def imported_by(folder: Path) -> set[str]:
    """Modules that the Python files of a folder import, told by parsing."""
    return {name for path in sorted(folder.rglob("*.py")) for name in _imports(ast.parse(path.read_bytes()))} if folder.is_dir() else set()


def top_names(folder: Path) -> set[str]:
    """Modules that become importable when `folder` stands on sys.path."""
    return {path.stem for path in folder.iterdir()} if folder.is_dir() else set()


def _source(each: str | Path | ModuleType) -> Path:
    if isinstance(each, ModuleType):
        top = sys.modules.get(each.__name__.split(".")[0], each)
        if top.__name__ == "__main__" or (getattr(top, "__file__", None) is None and not getattr(top, "__path__", None)):
            raise SaveRefused(
                f"module {top.__name__} is not a file", fix="code=['module.py']: write it into a module file and import it from there"
            )
        paths = list(getattr(top, "__path__", ()))
        return Path(paths[0] if paths else str(top.__file__))
    path = Path(each).expanduser()
    if not path.exists():
        raise SaveRefused(
            f"there is no file or folder {path} to hand over", fix=f"code=[…]: an existing module file or package folder, not {path}"
        )
    if path.is_file() and path.suffix != ".py":
        raise SaveRefused(f"{path} is not a Python file", fix="code=['module.py'] or code=['package_folder/']")
    return path.resolve()


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
