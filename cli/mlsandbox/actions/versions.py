"""The versions of a project: from what, since when, and what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsandbox.actions.records import Records, records
from mlsandbox.packaging.package import Package


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version."""

    model: str
    version: str
    digest: str
    created: str | None
    """When it was packaged, in UTC; None when that is not known."""
    role: str | None
    """champion, challenger or standby; None: it is only kept. Of a stack that is down: what it would be."""
    percent: float | None
    shadow: bool
    since: str | None
    """Since when it answers or is tried; None when it does not."""
    metrics: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VersionList:
    """All of them, model by model, the newest first."""

    versions: tuple[VersionRow, ...]
    warnings: tuple[str, ...]


def versions(root: Path, model: str | None = None) -> VersionList:
    """The versions that there are packages of.

    Args:
        root: the project's folder.
        model: only of this one.

    Raises:
        UsageError: there is no such model.
        LedgerBroken: the ledger cannot be read at all.
    """
    known = records(root)
    rows = tuple(_row(known, package) for name in known.chosen(model) for package in known.packages(name))
    return VersionList(rows, known.warnings)


def _row(known: Records, package: Package) -> VersionRow:
    model, version, manifest = package.model, package.version, package.manifest
    entry, doing = known.packaged(model, version, package.digest), known.doing(model, version)
    return VersionRow(
        model=model,
        version=version,
        digest=package.digest,
        created=entry.time if entry else manifest.get("created"),
        role=doing.role.value if doing else None,
        percent=doing.percent if doing else None,
        shadow=bool(doing and doing.shadow),
        since=known.since(model, version) or None,
        metrics=manifest.get("metrics") or {},
    )
