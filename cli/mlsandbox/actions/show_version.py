"""Everything that is known of one version, and what is different in another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsandbox.actions.lineup import chosen_model
from mlsandbox.actions.records import Doing, Records, records
from mlsandbox.actions.version_differences import Differences, Made, differences
from mlsandbox.errors import PackageTampered, UsageError, VersionUnknown
from mlsandbox.ledger import Entry, facts_of
from mlsandbox.packaging.lock import locked_versions
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox_serving.contract import PackageFile


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version."""

    model: str
    version: str
    digest: str
    role: str | None
    percent: float | None
    shadow: bool
    since: str | None
    created: str | None
    """When it was packaged, in UTC; None when that is not known."""
    by: str
    reason: str
    path: Path | None
    """Its bento; None: the package was removed, and this is what the ledger kept of it."""
    facts: Mapping[str, Any]
    """See `mlsandbox.ledger.facts_of`."""
    platform: str
    origin: str
    """Where its lock comes from."""
    distributions: int
    """In its lock."""
    size_bytes: int
    """Of the model's files."""
    columns: tuple[Mapping[str, Any], ...]
    output: Mapping[str, Any]
    settings: Mapping[str, Any]
    code: tuple[str, ...]
    has_golden: bool
    has_profile: bool
    history: tuple[Entry, ...]
    """What the ledger says of it, the newest last."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersionDifferences:
    """What is different in `after`."""

    model: str
    before: str
    after: str
    same: bool
    """Whether both answer alike in all and everything: their digests are the same."""
    differences: Differences
    warnings: tuple[str, ...]


def show_version(root: Path, version: str, model: str | None = None) -> VersionInfo:
    """Everything that is known of a version.

    Args:
        root: the project's folder.
        version: "v2".
        model: which model's, when the project has several.

    Raises:
        UsageError: there is no such model, or it is not clear which is meant.
        VersionUnknown: the model never had such a version.
        PackageTampered: a file of its package cannot be read.
        LedgerBroken: the ledger cannot be read at all.
    """
    known = records(root)
    name = _model(known, model)
    package, packaged = _found(known, name, version)
    made = _made(package, packaged)
    manifest, schema = made.manifest or {}, made.schema or {}
    digest = package.digest if package else packaged.digest if packaged else ""
    doing: Doing | None = known.doing(name, version) if package else None
    return VersionInfo(
        model=name,
        version=version,
        digest=digest,
        role=doing.role.value if doing else None,
        percent=doing.percent if doing else None,
        shadow=bool(doing and doing.shadow),
        since=known.since(name, version) or None,
        created=packaged.time if packaged else manifest.get("created"),
        by=packaged.by if packaged else "",
        reason=packaged.reason if packaged else "",
        path=package.bento_path if package else None,
        facts=made.facts,
        platform=str(manifest.get("platform") or ""),
        origin=str(manifest.get("origin") or ""),
        distributions=len(locked_versions(made.lock or "")),
        size_bytes=sum(file["size"] for file in manifest.get("files", ())),
        columns=tuple(schema.get("columns", ())),
        output=schema.get("output", {}),
        settings={key: manifest[key] for key in ("output", "private", "hashed", "target") if manifest.get(key)},
        code=tuple(file["path"] for file in manifest.get("code", ())),
        has_golden=PackageFile.GOLDEN in manifest.get("texts", {}),
        has_profile=bool(manifest.get("profile")),
        history=tuple(each for each in known.entries if (each.model, each.version) == (name, version)),
        warnings=known.warnings,
    )


def compare_versions(root: Path, before: str, after: str, model: str | None = None) -> VersionDifferences:
    """What is different in a version; errors as of `show_version`."""
    known = records(root)
    name = _model(known, model)
    (old, old_entry), (new, new_entry) = (_found(known, name, version) for version in (before, after))
    digests = [each.digest for each in (old or old_entry, new or new_entry) if each is not None]
    return VersionDifferences(
        model=name,
        before=before,
        after=after,
        same=len(set(digests)) == 1,
        differences=differences(_made(old, old_entry), _made(new, new_entry)),
        warnings=known.warnings,
    )


def _model(known: Records, model: str | None) -> str:
    models = known.models
    if not models:
        raise UsageError("there is no version yet: nothing was packaged here", fix="package the model and start it: sandbox up")
    return chosen_model(models, model)


def _found(known: Records, model: str, version: str) -> tuple[Package | None, Entry | None]:
    """A version's package, and the ledger's entry that says where it came from; one of them at least."""
    packages = list_packages(known.root, model)
    package = next((each for each in packages if each.version == version), None)
    packaged = known.packaged(model, version, package.digest if package else None)
    if package is None and packaged is None:
        versions = ", ".join(each.version for each in packages)
        raise VersionUnknown(
            f"there is no {version} of {model}",
            why=f"Versions: {versions}." if versions else "It was never packaged.",
            fix="see them: sandbox versions",
            details={"model": model, "version": version, "versions": [each.version for each in packages]},
        )
    return package, packaged


def _made(package: Package | None, packaged: Entry | None) -> Made:
    if package is None:
        return Made(packaged.facts if packaged else {})
    try:
        schema = json.loads((package.source / PackageFile.SCHEMA).read_text(encoding="utf-8"))
        return Made(facts_of(package.manifest), package.manifest, schema, package.lock)
    except (OSError, ValueError) as error:
        raise PackageTampered(
            f"a file of {package.tag} cannot be read",
            why=f"{type(error).__name__}: {error}",
            fix=f"see what is there: ls -lR {package.source / 'package'}",
        ) from error
