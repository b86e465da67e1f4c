"""Baselines: reference profiles that a project keeps beside its model, in place of those of its packages.

A baseline is made of other rows than those of the training, and belongs to the model's files that answered them: with another model it
is not used, since what that one answers was never compared with anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox.atomic import write_atomic
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project
from mlsandbox_serving.contract import SCHEMA_VERSION, ProfileFile

_FOLDER: Final = "baseline"
_DOCUMENT: Final = "baseline.json"


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline as it lies in the project.

    Args:
        folder: that holds it.
        version: of the package that answered its rows.
        model_digest: of that package's model.
        created: when it was made, ISO 8601.
        source: where its rows are from, in words.
        profile: what is in it, as the program that made it told.
    """

    folder: Path
    version: str
    model_digest: str
    created: str
    source: str
    profile: Mapping[str, Any]

    def fits(self, package: Package) -> bool:
        """Whether it was made with the model of this package."""
        return self.model_digest == str(package.manifest["model_digest"])

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of its profile."""
        return tuple(self.folder / name for name in ProfileFile.ALL)


def baseline_folder(project: Project, name: str) -> Path:
    """Where the baseline of a model lies: beside the model, with the model's name when several lie there."""
    places = {each.name: _beside(project, each.path) for each in project.models.values()}
    place = places.pop(name)
    return place / (f"{name}.{_FOLDER}" if place in places.values() else _FOLDER)


def read_baseline(folder: Path) -> Baseline | None:
    """The baseline in a folder; None when there is none that is whole."""
    try:
        document = json.loads((folder / _DOCUMENT).read_text(encoding="utf-8"))
        found = Baseline(
            folder=folder,
            version=str(document["version"]),
            model_digest=str(document["model_digest"]),
            created=str(document["created"]),
            source=str(document["source"]),
            profile=dict(document["profile"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if all(file.is_file() for file in found.files) else None


def write_baseline(files: Path, baseline: Baseline) -> None:
    """Put the files of a profile, which lie in another folder, and what is known of them in their place; its description last."""
    folder = baseline.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _DOCUMENT).unlink(missing_ok=True)
    for name in ProfileFile.ALL:
        write_atomic(folder / name, (files / name).read_bytes())
    document = {
        "schema_version": SCHEMA_VERSION,
        "version": baseline.version,
        "model_digest": baseline.model_digest,
        "created": baseline.created,
        "source": baseline.source,
        "profile": baseline.profile,
    }
    write_atomic(folder / _DOCUMENT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def remove_baseline(baseline: Baseline) -> None:
    """Remove a baseline; whatever else lies in its folder stays."""
    for file in (baseline.folder / _DOCUMENT, *baseline.files):
        file.unlink(missing_ok=True)
    if not any(baseline.folder.iterdir()):
        baseline.folder.rmdir()


def _beside(project: Project, model: Path) -> Path:
    """The model's folder; of a model that lies elsewhere the project's."""
    folder = model.parent
    return folder if folder.is_relative_to(project.root) else project.root
