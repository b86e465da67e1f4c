"""From a model of a project to a package: the newest version when nothing changed, else a new one.

The order is: hash the files, take or make the lock, look whether a version of these inputs exists, and only then build. Nothing is
loaded here: a model that came without capture.json is looked at by a program of its own, in its own environment.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlsandbox.errors import CaptureStale, PackageTampered, PackagingFailed
from mlsandbox.file_lock import exclusive
from mlsandbox.packaging.bento import BentoInput, build_bento, code_sources, copy_files, copy_served_code, served_code
from mlsandbox.packaging.bytestream import sha256_of
from mlsandbox.packaging.digest import FileDigests
from mlsandbox.packaging.environments import model_environment
from mlsandbox.packaging.file_capture import capture_file
from mlsandbox.packaging.inspect import ModelFile, check_trust, digest_of, inspect_model
from mlsandbox.packaging.lock import Lock, lock_inputs, lock_model, lock_path, read_lock
from mlsandbox.packaging.manifest import Ingredients, as_served, captured_facts, load_facts, package_files
from mlsandbox.packaging.origin import Origin, discover, from_capture
from mlsandbox.packaging.package import Package, list_packages, next_version, read_package, store_path, verify_package, verify_stored_model
from mlsandbox.packaging.profile import ProfileRequest, packaged_profile
from mlsandbox.settings import ModelConfig
from mlsandbox.state import make_sandbox_folder
from mlsandbox_serving.contract import CAPTURE_FILE

__all__ = ["Package", "ensure_package_environment", "list_packages", "package_model", "verify_package"]

Report = Callable[[str], None]


def package_model(model: ModelConfig, *, root: Path, report: Report) -> Package:
    """The package of a model as it is now.

    Args:
        model: its settings.
        root: the project's folder.
        report: told, in one line each, what takes time and where the environment comes from.

    Raises:
        UntrustedModel, CaptureStale, OriginUnknown, PythonMissing, NotLockable, LockConflict, PackagesUnreachable, PackagingFailed.
    """
    sandbox = root / ".sandbox"
    make_sandbox_folder(sandbox)
    digests = FileDigests(sandbox / "cache" / "hashes.json")
    files = digests.files(model.path)
    capture = _read_capture(model, files, digests)
    with exclusive(sandbox / "packaging.lock", waiting=lambda: report("waiting for another command that packages a model")):
        path, inputs = _lock_place(model, capture, digest_of(files), digests, root=root)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = read_lock(path, inputs=inputs) or lock_model(
            _origin(model, capture), model=model.name, inputs=inputs, path=path, root=root, report=report
        )
        ingredients = _ingredients(model, files, capture, lock, digests)
        digests.save()
        package = _made_of(ingredients, root)
        if package is not None:
            ensure_package_environment(package, near=_near(model, capture), report=report)
            return package
        report(lock.origin)
        for moved in lock.moved:
            report(f"{moved.name} {moved.captured} became {moved.locked}: serving needs it")
        return _create(ingredients, capture, root=root, report=report)


@dataclass(frozen=True, slots=True)
class Found:
    """What `find_package` found."""

    package: Package | None
    why: str
    """Why a new package would be made; empty when there is one."""


def find_package(model: ModelConfig, *, root: Path) -> Found:
    """The package of a model as it is now, if there is one; nothing is written, locked or built.

    Raises:
        CaptureStale: as `package_model`.
    """
    digests = FileDigests(root / ".sandbox" / "cache" / "hashes.json")
    files = digests.files(model.path)
    capture = _read_capture(model, files, digests)
    path, inputs = _lock_place(model, capture, digest_of(files), digests, root=root)
    lock = read_lock(path, inputs=inputs)
    if lock is None:
        return Found(None, "what it was trained with changed" if path.is_file() else "it was never packaged")
    package = _made_of(_ingredients(model, files, capture, lock, digests), root)
    return Found(package, "" if package else "the model, its reference, its settings or the served code changed")


def ensure_package_environment(package: Package, *, near: Path | None = None, report: Report) -> Path:
    """The interpreter of a package's environment; built again when the cache was emptied."""
    lock = Lock(package.lock, str(package.manifest["lock_digest"]), package.python_minor, "", "", ())
    return model_environment(lock, model=package.model, near=near, report=report)


def _near(model: ModelConfig, capture: Mapping[str, Any] | None) -> Path | None:
    """The interpreter that a project names, unless a capture says which Python it is."""
    return model.python if capture is None else None


def _create(ingredients: Ingredients, capture: Mapping[str, Any] | None, *, root: Path, report: Report) -> Package:
    model, lock = ingredients.model, ingredients.lock
    verify_stored_model(root, ingredients.model_tag, ingredients.files)
    scratch = _empty_scratch(root)
    try:
        copy = _copied(ingredients, scratch)
        info = inspect_model(copy, entry=model.entry)
        check_trust(info, code=model.code, trust=model.trust)
        interpreter = model_environment(lock, model=model.name, near=_near(model, capture), report=report)
        served, code = scratch / "served", scratch / "code"
        copy_served_code(served)
        copy_files(code_sources(model), code)
        target = model.target if capture is None else capture.get("target")
        if capture is None:
            key = ingredients.capture_digest.removeprefix("sha256:")[:20]
            cache = root / ".sandbox" / "cache" / f"capture-{key}.json"
            capture = capture_file(
                ingredients, copy, info.kind, interpreter=interpreter, cache=cache, served=served, code=code, report=report
            )
        base = copy if copy.is_dir() else copy.parent
        request = ProfileRequest(
            schema=as_served(capture, model.output)["schema"],
            load=load_facts(ingredients, capture),
            model=base,
            code=code,
            private=model.private,
            hashed=model.hashed,
            output=scratch / "profile",
            reference=model.reference,
            target=target,
        )
        profile = None
        if model.reference is not None:
            profile = packaged_profile(request, name=model.name, interpreter=interpreter, served=served, report=report)
        version = next_version(root, model.name)
        report(f"building package {model.name}:{version}")
        digest, texts = package_files(ingredients, capture, version=version, profile=profile)
        bento = BentoInput(
            name=model.name,
            version=version,
            digest=digest,
            model_tag=ingredients.model_tag,
            files={file.path: base / file.path for file in ingredients.files},
            package=texts,
            copied={name: request.output / Path(name).name for name in (profile or {}).get("files", ())},
            code=code_sources(model),
            python=lock.python,
        )
        home = scratch / "bentoml"
        home.mkdir()
        path = build_bento(bento, store=store_path(root), scratch=home, interpreter=interpreter, check=_check_unchanged)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return replace(read_package(path), python=interpreter, created=True)


def _copied(ingredients: Ingredients, scratch: Path) -> Path:
    """The model's files where nobody else writes: what is looked into, what is loaded and what is bundled are the same bytes.

    Raises:
        PackagingFailed: they are not the bytes that were hashed.
    """
    path = ingredients.model.path
    copy = scratch / "model" / path.name
    source, target = (path, copy) if path.is_dir() else (path.parent, copy.parent)
    copy_files({file.path: source / file.path for file in ingredients.files}, target)
    changed = [file.path for file in ingredients.files if sha256_of(target / file.path)[0] != file.sha256]
    if changed:
        raise _changed(f"changed, missing or added: {', '.join(changed)}")
    return copy


def _check_unchanged(bento: Path) -> None:
    """What was bundled is what was hashed: nobody wrote a file in between."""
    try:
        verify_package(read_package(bento))
    except PackageTampered as error:
        raise _changed(error.why) from error


def _changed(why: str) -> PackagingFailed:
    return PackagingFailed(
        "files changed while they were packaged",
        why=why,
        fix="try again when they are complete: sandbox up   or have all of them hashed anew: rm .sandbox/cache/hashes.json",
    )


def _ingredients(
    model: ModelConfig, files: tuple[ModelFile, ...], capture: Mapping[str, Any] | None, lock: Lock, digests: FileDigests
) -> Ingredients:
    source = captured_facts(capture) if capture else _file_source(model, digests)
    reference = digests.sha256(model.reference) if model.reference and model.reference.is_file() else None
    return Ingredients(model, files, digest_of(files), lock, _served_digest(digests), _code_files(model, digests), source, reference)


def _made_of(ingredients: Ingredients, root: Path) -> Package | None:
    """The newest version that was made of exactly these."""
    versions = list_packages(root, ingredients.model.name)
    return next((each for each in versions if each.manifest.get("inputs_digest") == ingredients.digest), None)


def _lock_place(
    model: ModelConfig, capture: Mapping[str, Any] | None, model_digest: str, digests: FileDigests, *, root: Path
) -> tuple[Path, str]:
    """Where the lock lies, and the digest of what it is made from."""
    folder = model.path.parent
    facts: dict[str, object]
    if capture:
        listed = model.requirements or folder / "requirements.txt"
        facts = {key: capture.get(key) for key in ("roots", "libraries", "unlockable", "python")}
        facts["requirements"] = digests.sha256(listed) if listed.is_file() else None
    elif model.requirements:
        facts = {"requirements": digests.tree([model.requirements]), "model": model_digest, "python": str(model.python or "")}
    else:
        facts = {"model": model_digest, "python": str(model.python or "")}
    path = lock_path(folder, model.name)
    if not path.is_file() and not os.access(folder, os.W_OK):
        path = root / ".sandbox" / "locks" / f"{model.name}.lock"
    return path, lock_inputs(facts)


def _origin(model: ModelConfig, capture: Mapping[str, Any] | None) -> Origin:
    if capture is not None:
        return from_capture(capture, requirements=model.requirements or model.path.parent / "requirements.txt")
    info = inspect_model(model.path, entry=model.entry)
    check_trust(info, code=model.code, trust=model.trust)
    return discover(model, info)


def _read_capture(model: ModelConfig, files: tuple[ModelFile, ...], digests: FileDigests) -> Mapping[str, Any] | None:
    """capture.json beside the model, when it is about this very model."""
    path = model.path.parent / CAPTURE_FILE
    try:
        capture: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        recorded = {_in_model(model, file["path"]): file["sha256"].removeprefix("sha256:") for file in capture["files"]}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaptureStale(f"{path} cannot be read", why=str(error), fix=f"save the model again, or remove it: rm {path}") from error
    found = {file.path: file.sha256 for file in files}
    if not found.keys() & recorded.keys():
        return None
    code = {f"code/{file.path}": file.sha256 for file in _code_files(model, digests)}
    pinned = {f"code/{file['path'].removeprefix('code/')}": file["sha256"].removeprefix("sha256:") for file in capture.get("code") or ()}
    changed = [*_differing(found, recorded), *(_differing(code, pinned) if pinned else ())]
    if changed:
        raise CaptureStale(
            f"{', '.join(changed)} is not what was saved: its digest differs from {path.name}",
            why="; ".join(_digests_text(name, {**found, **code}, {**recorded, **pinned}) for name in changed[:3]),
            fix=f"save the model again with mlsandbox.save, or package the file alone: rm {path}",
            details={"files": changed},
        )
    return capture


def _differing(found: Mapping[str, str], recorded: Mapping[str, str]) -> list[str]:
    return sorted(name for name in found.keys() | recorded.keys() if found.get(name) != recorded.get(name))


def _digests_text(name: str, found: Mapping[str, str], recorded: Mapping[str, str]) -> str:
    def short(digests: Mapping[str, str]) -> str:
        return f"sha256:{digests[name][:12]}" if name in digests else "nothing"

    return f"{name} is {short(found)}, {short(recorded)} was saved"


def _in_model(model: ModelConfig, recorded: str) -> str:
    """A path of capture.json, relative to the folder that holds the model's files."""
    return recorded.removeprefix(f"{model.path.name}/") if model.path.is_dir() else Path(recorded).name


def _file_source(model: ModelConfig, digests: FileDigests) -> dict[str, object]:
    """What decides about the capture of a model that is only a file."""
    return {"reference": digests.sha256(model.reference) if model.reference else None, "target": model.target}


def _served_digest(digests: FileDigests) -> str:
    return digests.tree([served_code()])


def _code_files(model: ModelConfig, digests: FileDigests) -> tuple[ModelFile, ...]:
    return tuple(ModelFile(name, digests.sha256(file), file.stat().st_size) for name, file in sorted(code_sources(model).items()))


def _empty_scratch(root: Path) -> Path:
    """A new folder for one build; what killed builds left is removed (nobody else builds: we hold the lock)."""
    parent = root / ".sandbox" / "tmp"
    shutil.rmtree(parent, ignore_errors=True)
    parent.mkdir(parents=True)
    return Path(tempfile.mkdtemp(prefix="package-", dir=parent))
