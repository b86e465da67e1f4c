"""Baselines: reference profiles that a project keeps beside its model, in place of those of its packages.

A baseline is made of other rows than those of the training, and belongs to the model's files that answered them: with another model it
is not used, since what that one answers was never compared with anything.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from mlsandbox.atomic import write_atomic
from mlsandbox.errors import ReferenceUnusable
from mlsandbox.packaging.package import Package
from mlsandbox.packaging.profile import ProfileRequest, make_profile
from mlsandbox.project import Project
from mlsandbox_serving.contract import SCHEMA_VERSION, PackageFile, ProfileFile

_FOLDER: Final = "baseline"
FEWEST_ROWS: Final = 500
"""With fewer the drift engine tells no changes of what occurs; `mlsandbox_serving.drift` has the same number."""


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
        """What says that it is a baseline, and the files of its profile."""
        return tuple(self.folder / name for name in (ProfileFile.BASELINE, *ProfileFile.ALL))


def baseline_folder(project: Project, name: str) -> Path:
    """Where the baseline of a model lies: beside the model, with the model's name when several lie there."""
    places = {each.name: _beside(project, each.path) for each in project.models.values()}
    place = places.pop(name)
    return place / (f"{name}.{_FOLDER}" if place in places.values() else _FOLDER)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a baseline is made of: a file of rows, which the model is asked about, or logged events, which hold what it answered."""

    source: str
    """Where they are from, in words."""
    file: Path | None = None
    target: str | None = None
    """Column of the file with the labels."""
    events: Iterable[Mapping[str, Any]] = ()
    """The newest first."""


def make_baseline(project: Project, package: Package, rows: Rows, *, interpreter: Path, keep: bool) -> Baseline:
    """Make the profile of rows with the model of a package, and put it in its place.

    Args:
        project: that keeps it.
        package: whose model answers.
        rows: that it is made of.
        interpreter: of the package's environment.
        keep: False to leave what is there as it is.

    Raises:
        ReferenceUnusable: these rows cannot be one.
        PackagingFailed: the program broke.
    """
    cache = project.state_dir / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="baseline-", dir=cache) as scratch:
        events = Path(scratch) / "events.jsonl"
        with events.open("w", encoding="utf-8") as lines:
            lines.writelines(f"{json.dumps(event, ensure_ascii=False)}\n" for event in rows.events)
        code = package.source / PackageFile.CODE
        request = ProfileRequest(
            schema=json.loads((package.source / PackageFile.SCHEMA).read_text(encoding="utf-8")),
            load=package.manifest["load"],
            model=package.model_folder,
            code=code if code.is_dir() else None,
            private=tuple(package.manifest["private"]),
            hashed=tuple(package.manifest["hashed"]),
            output=Path(scratch) / "profile",
            reference=rows.file,
            target=rows.target,
            events=events if rows.file is None else None,
        )
        told = make_profile(request, name=package.model, interpreter=interpreter, served=package.source)
        if told["rows"] < FEWEST_ROWS:
            _refuse_few(told["rows"], rows.source)
        baseline = Baseline(
            folder=baseline_folder(project, package.model),
            version=package.version,
            model_digest=str(package.manifest["model_digest"]),
            created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            source=rows.source,
            profile=told,
        )
        if keep:
            _write(request.output, baseline)
    return baseline


def read_baseline(folder: Path) -> Baseline | None:
    """The baseline in a folder; None when there is none that is whole."""
    try:
        document = json.loads((folder / ProfileFile.BASELINE).read_text(encoding="utf-8"))
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


def remove_baseline(baseline: Baseline) -> None:
    """Remove a baseline; whatever else lies in its folder stays."""
    for file in baseline.files:
        file.unlink(missing_ok=True)
    if not any(baseline.folder.iterdir()):
        baseline.folder.rmdir()


def _write(files: Path, baseline: Baseline) -> None:
    """Put the files of a profile and what is known of them in their place; the description, without which there is none, last."""
    folder = baseline.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ProfileFile.BASELINE).unlink(missing_ok=True)
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
    write_atomic(folder / ProfileFile.BASELINE, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _refuse_few(rows: int, source: str) -> NoReturn:
    raise ReferenceUnusable(
        f"{rows:,} rows are too few to compare with",
        why=f"There are no more from {source}; with fewer than {FEWEST_ROWS} only missing, unseen and out-of-range values could be told.",
        fix="give more rows: sandbox drift baseline set --from FILE",
        details={"rows": rows},
    )


def _beside(project: Project, model: Path) -> Path:
    """The model's folder; of a model that lies elsewhere the project's."""
    folder = model.parent
    return folder if folder.is_relative_to(project.root) else project.root
