"""Baselines: reference profiles that a project keeps beside its model, in place of those of its packages.

A baseline is made of other rows than those of the training, and belongs to what decided about them and about their answers: with another
model, schema or other guarded columns it is not used, since what is logged then was never compared with anything. The digests of its files
lie beside them, so that a bad merge is noticed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from mlsandbox.errors import ReferenceUnusable
from mlsandbox.packaging.baseline_folder import OWN, linked
from mlsandbox.packaging.bytestream import sha256_of
from mlsandbox.packaging.digest import json_digest
from mlsandbox.packaging.package import Package
from mlsandbox.packaging.profile import ProfileRequest, make_profile
from mlsandbox.project import Project
from mlsandbox_serving.contract import SCHEMA_VERSION, PackageFile, ProfileFile

_FOLDER: Final = "baseline"
_PARTS: Final = {
    "files": "its files",
    "code": "its code",
    "load": "how it is loaded",
    "schema": "its columns",
    "output": "its output",
    "private": "the private columns",
    "hashed": "the hashed columns",
}
"""What decides about rows and answers, as `answering` names it, in words."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline as it lies in the project.

    Args:
        folder: that holds it.
        version: of the package that answered its rows.
        answering: digests of what decided about its rows and their answers, by part.
        created: when it was made, ISO 8601.
        source: where its rows are from, in words.
        profile: what is in it, as the program that made it told.
        problem: why it can be used with no package; empty when it is whole.
    """

    folder: Path
    version: str = ""
    answering: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    source: str = ""
    profile: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    def unfit(self, package: Package) -> str:
        """Why it cannot be compared with what this package answers; empty when it can."""
        if self.problem:
            return self.problem
        now = answering(package)
        changed = [words for part, words in _PARTS.items() if self.answering.get(part) != now[part]]
        return f"it was made with another model ({self.version}, {self.created}): {', '.join(changed)} differ" if changed else ""

    @property
    def files(self) -> tuple[Path, ...]:
        """What says that it is a baseline, and the files of its profile."""
        return tuple(self.folder / name for name in OWN)


@dataclass(frozen=True, slots=True)
class Made:
    """A baseline, and its files by name, which are nowhere yet."""

    baseline: Baseline
    files: Mapping[str, bytes]


def answering(package: Package) -> dict[str, str]:
    """Digests of what decides about the rows of a package as events hold them, and about its answers."""
    manifest = package.manifest
    parts = {
        "files": sorted((file["path"], file["sha256"]) for file in manifest["files"]),
        "code": sorted((file["path"], file["sha256"]) for file in manifest["code"]),
        "load": manifest["load"],
        "schema": manifest["texts"][PackageFile.SCHEMA],
        "output": manifest["output"],
        "private": sorted(manifest["private"]),
        "hashed": sorted(manifest["hashed"]),
    }
    return {part: json_digest(value) for part, value in parts.items()}


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


def make_baseline(project: Project, package: Package, rows: Rows, *, interpreter: Path) -> Made:
    """Make the profile of rows with the model of a package; nothing is kept.

    Args:
        project: that is to keep it.
        package: whose model answers.
        rows: that it is made of.
        interpreter: of the package's environment.

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
            left_out=(package.manifest.get("profile") or {}).get("left_out", {}),
        )
        told = make_profile(request, name=package.model, interpreter=interpreter, served=package.source)
        if told["rows"] < ProfileFile.FEWEST_ROWS:
            _refuse_few(told["rows"], rows.source)
        baseline = Baseline(
            folder=baseline_folder(project, package.model),
            version=package.version,
            answering=answering(package),
            created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            source=rows.source,
            profile=told,
        )
        return Made(baseline, _files(request.output, baseline))


def read_baseline(folder: Path) -> Baseline | None:
    """The baseline in a folder, with its problem when it is damaged; None when there is none."""
    description = folder / ProfileFile.BASELINE
    if not description.is_file():
        return None
    if links := linked(folder):
        return Baseline(folder, problem=f"{', '.join(links)} is a link")
    try:
        document = json.loads(description.read_text(encoding="utf-8"))
        digests = dict(document["files"])
        found = Baseline(
            folder=folder,
            version=str(document["version"]),
            answering=dict(document["answering"]),
            created=str(document["created"]),
            source=str(document["source"]),
            profile=dict(document["profile"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Baseline(folder, problem=f"{description.name} cannot be read")
    wrong = [name for name in ProfileFile.ALL if _sha256(folder / name) != digests.get(name)]
    return replace(found, problem=f"{', '.join(wrong)} of it is missing or not as it was made") if wrong else found


def _files(made: Path, baseline: Baseline) -> dict[str, bytes]:
    """What is to lie in its folder."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "version": baseline.version,
        "answering": baseline.answering,
        "created": baseline.created,
        "source": baseline.source,
        "profile": baseline.profile,
        "files": {name: _sha256(made / name) for name in ProfileFile.ALL},
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    return {**{name: (made / name).read_bytes() for name in ProfileFile.ALL}, ProfileFile.BASELINE: text.encode()}


def _sha256(path: Path) -> str | None:
    try:
        return sha256_of(path)[0]
    except OSError:
        return None


def _refuse_few(rows: int, source: str) -> NoReturn:
    raise ReferenceUnusable(
        f"{rows:,} rows are too few to compare with",
        why=f"There are no more from {source}; "
        f"with fewer than {ProfileFile.FEWEST_ROWS} only missing, unseen and out-of-range values could be told.",
        fix="give more rows: sandbox drift baseline set --from FILE",
        details={"rows": rows},
    )


def _beside(project: Project, model: Path) -> Path:
    """The model's folder; of a model that lies elsewhere the project's."""
    folder = model.parent
    return folder if folder.is_relative_to(project.root) else project.root
