"""Packages in a project's store: reading them, listing them, and proving that they are what was packaged."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Final

from mlsandbox.errors import PackageTampered
from mlsandbox.ledger import Ledger
from mlsandbox.packaging.digest import walk
from mlsandbox.packaging.environments import environment_path
from mlsandbox.packaging.inspect import ModelFile, digest_of
from mlsandbox.packaging.interpreters import minor_of
from mlsandbox_serving.contract import PackageFile

_VERSION: Final = re.compile(r"v(\d+)")
_SERVED: Final = "mlsandbox_serving"
_ENTRY: Final = "service/bento_entry.py"
"""What service.py is a copy of."""
_BENTOFILE: Final = "bentofile.yaml"
_BENTOML_FILE: Final = "model.yaml"
"""BentoML's own note beside the files of a model."""


@dataclass(frozen=True, slots=True)
class Package:
    """An immutable version of a model.

    Args:
        model: its name.
        version: "v3".
        digest: of everything that decides about its answers: "sha256:…".
        tag: the bento's tag, "churn:v3".
        bento_path: the bento's folder.
        python: the interpreter of its environment (built by `package_model` and `ensure_package_environment`).
        manifest: package.json.
        created: whether this call made it.
    """

    model: str
    version: str
    digest: str
    tag: str
    bento_path: Path
    python: Path
    manifest: Mapping[str, Any]
    created: bool = False

    @property
    def source(self) -> Path:
        """The bento's `src/`: service.py, package/ and the served code."""
        return self.bento_path / "src"

    @property
    def store(self) -> Path:
        """BENTOML_HOME."""
        return self.bento_path.parents[2]

    @property
    def model_folder(self) -> Path:
        """The model's files."""
        name, _, version = str(self.manifest["model_tag"]).rpartition(":")
        return self.store / "models" / name / version

    @property
    def lock(self) -> str:
        """The text of its lock."""
        return (self.source / PackageFile.LOCK).read_text(encoding="utf-8")

    @property
    def python_minor(self) -> str:
        return minor_of(str(self.manifest["python"]))

    @property
    def profile_files(self) -> Mapping[str, str]:
        """The files of its reference profile, below `source`, with their digests; none without a reference."""
        files: Mapping[str, str] = (self.manifest.get("profile") or {}).get("files", {})
        return files


def store_path(root: Path) -> Path:
    """BENTOML_HOME of a project."""
    return root / ".sandbox" / "bentoml"


def list_packages(root: Path, model: str) -> list[Package]:
    """The versions of a model, the newest first; folders that are no package of ours are left out."""
    found = []
    for _, folder in sorted(_versions(root, model), reverse=True):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found.append(read_package(folder))
    return found


def read_package(bento: Path) -> Package:
    """The package in a bento's folder.

    Raises:
        OSError, ValueError, KeyError, TypeError: it is no package of ours.
    """
    manifest = json.loads((bento / "src" / PackageFile.MANIFEST).read_text(encoding="utf-8"))
    model, version = manifest["model"], manifest["version"]
    python = environment_path(manifest["lock_digest"], minor_of(manifest["python"])) / "bin/python"
    return Package(model, version, manifest["digest"], f"{model}:{version}", bento, python, manifest)


def next_version(root: Path, model: str) -> str:
    """The version after the last one that has a folder, readable or not, or that the ledger knows: no number is used twice."""
    known = (_VERSION.fullmatch(entry.version) for entry in Ledger(root / ".sandbox").read() if entry.model == model)
    numbers = [*(number for number, _ in _versions(root, model)), *(int(found[1]) for found in known if found)]
    return f"v{max(numbers, default=0) + 1}"


def stored_models(root: Path) -> list[str]:
    """The models that a project has packages of, whether sandbox.toml has them or not; sorted."""
    models = store_path(root) / "bentos"
    names = sorted(each.name for each in models.iterdir()) if models.is_dir() else []
    return [name for name in names if list_packages(root, name)]


def version_names(root: Path) -> list[str]:
    """The versions that a project has folders of, of whichever model, in the order of their numbers; none of them is read."""
    models = store_path(root) / "bentos"
    names = [each.name for each in models.iterdir()] if models.is_dir() else []
    return [f"v{number}" for number in sorted({number for model in names for number, _ in _versions(root, model)})]


def verify_package(package: Package) -> None:
    """Hash every file that decides about answers and compare with package.json.

    Raises:
        PackageTampered: names the files that differ, miss or were added.
    """
    manifest = package.manifest
    files = {file["path"]: file["sha256"] for file in manifest["files"]}
    wrong = list(_wrong_files(package.model_folder, files))
    wrong += sorted(
        {file.relative_to(package.model_folder).as_posix() for file in walk(package.model_folder)} - files.keys() - {_BENTOML_FILE}
    )
    wrong += _wrong_files(package.source / PackageFile.CODE, {file["path"]: file["sha256"] for file in manifest["code"]})
    wrong += _wrong_files(package.source, {**manifest["texts"], **package.profile_files})
    served = [
        ModelFile(file.relative_to(package.source / _SERVED).as_posix(), _sha256(file) or "", 0) for file in walk(package.source / _SERVED)
    ]
    if digest_of(served) != manifest["served_code_digest"]:
        wrong.append(f"{_SERVED}/")
    wrong += _wrong_files(package.source, {PackageFile.SERVICE: _sha256(package.source / _SERVED / _ENTRY) or ""})
    wrong += _added_files(package)
    if wrong:
        raise PackageTampered(
            f"{package.tag} is not what was packaged: the digest differs",
            why=f"changed, missing or added: {', '.join(wrong)}",
            fix=f"remove it and build it again: rm -r {quote(str(package.bento_path))} {quote(str(package.model_folder))} && sandbox up",
            details={"files": wrong},
        )


def verify_stored_model(root: Path, tag: str, files: Iterable[ModelFile]) -> None:
    """A model that earlier versions put into the store is shared by a new one only when it is still the same.

    Raises:
        PackageTampered: it is not.
    """
    name, _, version = tag.rpartition(":")
    folder = store_path(root) / "models" / name / version
    wrong = list(_wrong_files(folder, {file.path: file.sha256 for file in files})) if folder.is_dir() else []
    if wrong:
        raise PackageTampered(
            f"the packaged files of {name} are not what was packaged: their digest differs",
            why=f"changed or missing in {folder}: {', '.join(wrong)}",
            fix=f"remove them and build again: rm -r {quote(str(folder))} && sandbox up",
            details={"files": wrong},
        )


def _versions(root: Path, model: str) -> Iterator[tuple[int, Path]]:
    folder = store_path(root) / "bentos" / model
    for each in folder.iterdir() if folder.is_dir() else ():
        number = _VERSION.fullmatch(each.name)
        if number and each.is_dir():
            yield int(number[1]), each


def _added_files(package: Package) -> Iterator[str]:
    """Files that could be imported instead of what is meant; Python's own caches of bytecode come and go."""
    source, manifest = package.source, package.manifest
    known = {PackageFile.SERVICE, PackageFile.MANIFEST, _BENTOFILE, *manifest["texts"], *package.profile_files}
    known |= {f"{PackageFile.CODE}/{file['path']}" for file in manifest["code"]}
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source).as_posix()
        of_ours = name.startswith(f"{_SERVED}/") and file.suffix != ".pyc"  # these are in the digest of the served code
        if file.is_file() and "__pycache__" not in file.parts and not of_ours and name not in known:
            yield name


def _wrong_files(folder: Path, expected: Mapping[str, str]) -> Iterator[str]:
    for name, digest in expected.items():
        if _sha256(folder / name) != digest:
            yield name


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
