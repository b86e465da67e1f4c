"""Put a finished folder in its place in one step, and keep sandbox.toml in step with it."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlsandbox.atomic import write_atomic
from mlsandbox.errors import ConfigInvalid, SaveRefused
from mlsandbox.liveness import is_alive

FILE_NAME: Final = "sandbox.toml"
_WRITTEN: Final = re.compile(r"model\.\w+|reference\.(parquet|csv\.gz)|requirements\.txt|capture\.json|code")
"""What a save writes, and so may remove: anything else in the folder is the user's, or a lock that may have been edited."""
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


def scratch_beside(target: Path) -> Path:
    """An empty folder on the same file system as `target`; what earlier, killed saves left is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*.saving"):
        owner = left.name.rsplit(".", 2)[-2]
        if not owner.isdecimal() or not is_alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    scratch = target.parent / f".{target.name}.{os.getpid()}.saving"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    return scratch


def put_in_place(finished: Path, target: Path) -> None:
    """Make `finished` the content of `target`: whoever looks sees the old folder or the new one. Other files of the old one are kept."""
    if target.exists() and not target.is_dir():
        raise SaveRefused(
            f"{target} is a file, where the model's folder goes", fix=f"save under another name, or move it: mv {target} {target}.old"
        )
    for path in sorted(finished.rglob("*")):
        if path.is_file():
            _sync(path)
    if not target.exists():
        finished.rename(target)
        _sync(target.parent)
        return
    for kept in target.iterdir():
        if _WRITTEN.fullmatch(kept.name) is None and not (finished / kept.name).exists():
            if kept.is_dir() and not kept.is_symlink():
                shutil.copytree(kept, finished / kept.name, symlinks=True)
            else:
                shutil.copy2(kept, finished / kept.name, follow_symlinks=False)
    _exchange(finished, target)
    _sync(target.parent)
    shutil.rmtree(finished)


def check_project_file(root: Path) -> Any:
    """sandbox.toml as a document that keeps its comments; an empty one when there is none.

    Raises:
        ConfigInvalid: it is not TOML.
    """
    import tomlkit  # noqa: PLC0415  # only needed when saving
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    path = root / FILE_NAME
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path} is not valid TOML", why=str(error), fix=f"edit {path}, then save again") from error


def update_project(root: Path, name: str, settings: Mapping[str, Any]) -> None:
    """Create sandbox.toml, or set the model's keys in it; comments and everything else stay.

    Args:
        root: the project's folder.
        name: the model's.
        settings: keys of `[models.<name>]`; None leaves a key as it is, False and () remove it.
    """
    import tomlkit  # noqa: PLC0415  # only needed when saving

    path = root / FILE_NAME
    document = check_project_file(root)
    if not path.exists():
        document.add("schema", tomlkit.item(1))
        document.add("name", tomlkit.item(project_name(root)))
        document.add(tomlkit.nl())
    if "models" not in document:
        document.add("models", tomlkit.table(is_super_table=True))
    models: Any = document["models"]
    if name not in models:
        models.add(name, tomlkit.table())
    table = models[name]
    for key, value in settings.items():
        if value is None:
            continue
        if value is False or value == ():
            table.pop(key, None)
        else:
            table[key] = list(value) if isinstance(value, tuple) else value
    text = tomlkit.dumps(document)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomic(path, text)


def project_name(root: Path) -> str:
    """The folder's name, as far as a project can have it."""
    plain = unicodedata.normalize("NFKD", root.resolve().name.casefold())  # letters apart from their accents
    text = re.sub(r"[^a-z0-9]+", "-", re.sub(r"[\u0300-\u036f]", "", plain)).strip("-")[:40]
    return text if text[:1].isalpha() else f"p-{text}".rstrip("-") if text else "sandbox"


def _exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step where the system can; else with a moment in which neither is there."""
    libc = ctypes.CDLL(None, use_errno=True)
    sources = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        done = libc.renamex_np(sources[0], sources[1], _RENAME_EXCHANGE)
    elif hasattr(libc, "renameat2"):
        done = libc.renameat2(_AT_FDCWD, sources[0], _AT_FDCWD, sources[1], _RENAME_EXCHANGE)
    else:
        done = -1
    if done != 0:
        aside = one.with_name(f".{other.name}.{os.getpid()}.old.saving")
        other.rename(aside)
        one.rename(other)
        aside.rename(one)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
