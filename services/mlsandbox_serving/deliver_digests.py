"""What the files of a bento must be, for `deliver`: by package.json where it says so, else as they are in the image.

Standard library only: it runs before the model, in a container of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mlsandbox_serving.contract import PackageFile

_SOURCE: Final = "src/"
_SERVED: Final = f"{_SOURCE}mlsandbox_serving/"
_ENTRY: Final = f"{_SERVED}service/bento_entry.py"
"""What service.py is a copy of."""
_BENTOFILE: Final = "bentofile.yaml"
_BENTOML_FILE: Final = "model.yaml"
"""BentoML's own note beside the files of a model."""
_SKIPPED: Final = frozenset({"__pycache__", ".DS_Store", ".git"})


def expected_files(bento: Path) -> dict[str, str]:
    """Every file of a bento that is delivered, with its SHA-256 in hexadecimal; paths relative to the bento, sorted.

    Raises:
        OSError, ValueError, KeyError: it is no bento of ours.
    """
    named = _named(_manifest(bento))
    others = {path: sha256(bento / path) for path in source_files(bento) if path not in named}
    return dict(sorted({**named, **others}.items()))


def changed_files(bento: Path) -> list[str]:
    """The files of a bento that are not what package.json says: changed, missing or added where they could be imported.

    Raises:
        OSError, ValueError, KeyError: it is no bento of ours.
    """
    manifest = _manifest(bento)
    named = _named(manifest)
    found = {path: sha256(bento / path) for path in source_files(bento)}
    wrong = [path for path, digest in named.items() if found.get(path) != digest]
    if _folder_digest(found, _SERVED) != manifest["served_code_digest"]:
        wrong.append(_SERVED)
    if found.get(f"{_SOURCE}{PackageFile.SERVICE}") != found.get(_ENTRY):
        wrong.append(f"{_SOURCE}{PackageFile.SERVICE}")
    known = {*named, *(f"{_SOURCE}{name}" for name in (PackageFile.SERVICE, PackageFile.MANIFEST, _BENTOFILE))}
    model = _model_folder(manifest)
    known.add(f"{model}{_BENTOML_FILE}")
    wrong += [path for path in found if path.startswith((_SOURCE, model)) and not path.startswith(_SERVED) and path not in known]
    return sorted(set(wrong))


def differing_files(folder: Path, expected: Mapping[str, str]) -> list[str]:
    """The files below a folder that are not the expected ones, or are no plain files; nothing else may lie there."""
    found = set(_everything(folder))
    wrong = found - expected.keys()
    for path, digest in expected.items():
        file = folder / path
        if path not in found or file.is_symlink() or sha256(file) != digest:
            wrong.add(path)
    return sorted(wrong)


def source_files(bento: Path) -> Iterator[str]:
    """The files of a bento, without bytecode, in a fixed order."""
    for file in sorted(bento.rglob("*")):
        path = file.relative_to(bento)
        if file.is_file() and not _SKIPPED.intersection(path.parts) and path.suffix != ".pyc":
            yield path.as_posix()


def sha256(file: Path) -> str:
    """The digest of a file in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _everything(folder: Path) -> Iterator[str]:
    """All that is no folder, links to folders too."""
    for parent, folders, files in os.walk(folder):
        for name in (*files, *(each for each in folders if Path(parent, each).is_symlink())):
            yield Path(parent, name).relative_to(folder).as_posix()


def _manifest(bento: Path) -> Mapping[str, Any]:
    manifest: Mapping[str, Any] = json.loads((bento / _SOURCE / PackageFile.MANIFEST).read_text(encoding="utf-8"))
    return manifest


def _named(manifest: Mapping[str, Any]) -> dict[str, str]:
    profile: Mapping[str, str] = (manifest.get("profile") or {}).get("files", {})
    model = _model_folder(manifest)
    return {
        **{f"{model}{file['path']}": file["sha256"] for file in manifest["files"]},
        **{f"{_SOURCE}{PackageFile.CODE}/{file['path']}": file["sha256"] for file in manifest["code"]},
        **{f"{_SOURCE}{path}": digest for path, digest in {**manifest["texts"], **profile}.items()},
    }


def _model_folder(manifest: Mapping[str, Any]) -> str:
    name, _, version = str(manifest["model_tag"]).rpartition(":")
    return f"models/{name}/{version}/"


def _folder_digest(found: Mapping[str, str], folder: str) -> str:
    """One digest over the paths and contents below a folder, as package.json has it."""
    lines = "".join(f"{found[path]}  {path.removeprefix(folder)}\n" for path in sorted(found) if path.startswith(folder))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
