"""The served code as rendered files, for services that run in an environment of our own instead of a package."""

from __future__ import annotations

import hashlib
from pathlib import Path

import mlsandbox_serving
from mlsandbox.render.tree import RenderedFile


def served_files() -> tuple[RenderedFile, ...]:
    """The sources of `mlsandbox_serving`, in a folder named after their digest: what runs is never overwritten."""
    package = Path(mlsandbox_serving.__path__[0])
    sources = {
        path.relative_to(package.parent).as_posix(): path.read_text("utf-8") for path in sorted(package.rglob("*")) if _is_source(path)
    }
    digest = hashlib.sha256("\0".join(f"{path}\0{text}" for path, text in sources.items()).encode()).hexdigest()[:12]
    return tuple(RenderedFile(f"served-{digest}/{path}", text) for path, text in sources.items())


def served_folder(files: tuple[RenderedFile, ...]) -> str:
    """The folder that goes on PYTHONPATH, relative to the tree."""
    return files[0].path.partition("/")[0]


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
