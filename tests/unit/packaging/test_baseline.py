"""Where a project keeps a baseline, and which package it belongs to."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.drift_baseline import meant_events, unmeant_text
from mlsandbox.actions.drift_engines import DriftEngines
from mlsandbox.actions.project_stack import baselines_of, stack_of, stack_ports
from mlsandbox.packaging.baseline import Baseline, answering, baseline_folder, read_baseline
from mlsandbox.packaging.baseline_folder import OWN, has_left, put_files
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project, load_project
from mlsandbox.stack.spec import PackagedFile, ProjectFile
from mlsandbox_serving.contract import Dataset, Field, Origin, PackageFile, ProfileFile

MODEL: Mapping[str, Any] = {
    "files": [{"path": "model.joblib", "sha256": "1"}],
    "code": [{"path": "features.py", "sha256": "2"}],
    "load": {"kind": "sklearn", "entry": "model.joblib"},
    "texts": {PackageFile.SCHEMA: "3"},
    "output": "auto",
    "private": ["name"],
    "hashed": ["email"],
}
"""What decides about rows and answers, as a package names it."""
CHANGES: Mapping[str, tuple[str, Any]] = {
    "its files": ("files", [{"path": "model.joblib", "sha256": "9"}]),
    "its code": ("code", []),
    "how it is loaded": ("load", {"kind": "sklearn", "entry": "other.joblib"}),
    "its columns": ("texts", {PackageFile.SCHEMA: "9"}),
    "its output": ("output", "number"),
    "the private columns": ("private", []),
    "the hashed columns": ("hashed", ["email", "phone"]),
}
CONTENT = b"\x00"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three models, two of them in one folder."""
    models = {"churn": "churn/model.joblib", "one": "both/one.joblib", "two": "both/two.joblib"}
    text = "".join(f'[models.{name}]\npath = "{path}"\n' for name, path in models.items())
    (tmp_path / "sandbox.toml").write_text(f'name = "shop"\n{text}', encoding="utf-8")
    return load_project(tmp_path)


def test_rows_that_nobody_meant() -> None:
    """Drift made on purpose and example rows must be no part of a baseline of logged rows, and be counted."""
    prediction = {Field.EVENT_DATASET: Dataset.PREDICTION, Field.ROWS: 10}
    logged: list[dict[str, Any]] = [
        prediction,
        {Field.EVENT_DATASET: Dataset.ERROR},
        *[{**prediction, Field.ORIGIN: Origin.INJECTED}] * 300,
        {**prediction, Field.ROWS: 1, Field.ORIGIN: Origin.EXAMPLE},
    ]
    unmeant: Counter[str] = Counter()

    assert list(meant_events(logged, unmeant)) == [prediction]
    assert unmeant_text(unmeant) == "3,000 injected rows, 1 example row"


def _files(package: Package) -> dict[str, bytes]:
    """Of a baseline that was made with this package."""
    document = {
        "version": package.version,
        "answering": answering(package),
        "created": "2026-11-26T12:00:00Z",
        "source": "rows.parquet",
        "profile": {"rows": 900},
        "files": dict.fromkeys(ProfileFile.ALL, hashlib.sha256(CONTENT).hexdigest()),
    }
    return {**dict.fromkeys(ProfileFile.ALL, CONTENT), ProfileFile.BASELINE: json.dumps(document).encode()}


def _kept(project: Project) -> Baseline:
    folder = baseline_folder(project, "churn")
    put_files(folder, _files(_package(project)))
    found = read_baseline(folder)
    assert found is not None
    return found


def _package(project: Project, **changed: Any) -> Package:
    files = {f"{PackageFile.PROFILE}/{name}": "0" for name in ProfileFile.ALL}
    manifest = {"lock_digest": "sha256:2", "python": "3.11.7", "profile": {"files": files}, **MODEL, **changed}
    bento = project.state_dir / "bentoml/bentos/churn/v1"
    return Package("churn", "v1", "sha256:3", "churn:v1", bento, Path("/python"), manifest)


def test_it_lies_beside_its_model(project: Project) -> None:
    """Each model must have a folder of its own, that of the model where it is alone in it."""
    folders = {name: baseline_folder(project, name).relative_to(project.root).as_posix() for name in project.models}

    assert folders == {"churn": "churn/baseline", "one": "both/one.baseline", "two": "both/two.baseline"}


def test_without_its_description_there_is_none(project: Project) -> None:
    """Files of a profile alone must not be taken for a baseline, and `reset` must still have something to remove."""
    folder = _kept(project).folder
    (folder / ProfileFile.BASELINE).unlink()

    assert read_baseline(folder) is None
    assert has_left(folder)


@pytest.mark.parametrize("name", ProfileFile.ALL)
@pytest.mark.parametrize("content", [b"<<<<<<< ours", None])
def test_files_that_are_not_as_they_were_made(project: Project, name: str, content: bytes | None) -> None:
    """A baseline of which a file is missing or was merged badly must not be used, and that must be said."""
    folder = _kept(project).folder
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)

    found = read_baseline(folder)

    assert found is not None
    assert found.unfit(_package(project)) == f"{name} of it is missing or not as it was made"


@pytest.mark.parametrize("content", [b"<<<<<<< ours", b"[]", b'{"version": "v1"}'])
def test_a_description_that_cannot_be_read(project: Project, content: bytes) -> None:
    """It must be said, and the baseline not be used."""
    folder = _kept(project).folder
    (folder / ProfileFile.BASELINE).write_bytes(content)

    found = read_baseline(folder)

    assert found is not None
    assert found.unfit(_package(project)) == "baseline.json cannot be read"


@pytest.mark.parametrize("name", ["baseline", *OWN])
def test_links_are_not_followed(project: Project, name: str) -> None:
    """A folder or file that is a link must not be used, and what it points to must stay when the baseline is replaced or removed."""
    folder = _kept(project).folder
    place = folder if name == "baseline" else folder / name
    elsewhere = project.root / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    pointed_to = read_all(elsewhere)

    found = read_baseline(folder)
    assert found is not None
    assert found.unfit(_package(project)) == f"{name} is a link"
    put_files(folder, _files(_package(project)))
    again = read_baseline(folder)
    assert again is not None
    assert again.problem == ""
    put_files(folder, {})

    assert read_all(elsewhere) == pointed_to


def read_all(place: Path) -> dict[str, bytes]:
    """Every file below a place, or the place itself."""
    return {path.name: path.read_bytes() for path in (place, *place.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("words", CHANGES)
def test_it_belongs_to_what_decided_about_its_rows(project: Project, words: str) -> None:
    """With other files, code, loading, columns, output or guarded columns it must not be used, and what differs must be said."""
    part, value = CHANGES[words]
    found = _kept(project)

    assert found.unfit(_package(project)) == ""
    assert found.unfit(_package(project, **{part: value})) == f"it was made with another model (v1, 2026-11-26T12:00:00Z): {words} differ"


def test_only_its_own_files_are_removed(project: Project) -> None:
    """What else lies in the folder must stay when a baseline is replaced and when it is removed, and the folder with it."""
    folder = _kept(project).folder
    (folder / "README.md").write_text("ours")
    (folder / "notes").mkdir()

    put_files(folder, _files(_package(project)))
    assert read_baseline(folder) is not None
    put_files(folder, {})

    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "notes"]
    assert not has_left(folder)


def test_a_baseline_alone_is_removed_with_its_folder(project: Project) -> None:
    """Nothing must be left of it."""
    folder = _kept(project).folder

    put_files(folder, {})

    assert list(folder.parent.iterdir()) == []


def test_it_takes_the_place_of_the_profile_of_the_package(project: Project) -> None:
    """With the model that it was made with it must be what a stack compares with, with another one not."""
    _kept(project)
    parts = frozenset({"api", "drift"})

    def files(package: Package) -> set[object]:
        deployed = [Deployed(package)]
        ports = {name: 7000 + number for number, name in enumerate(stack_ports(deployed, parts))}
        spec = stack_of(project, deployed, ports, parts, DriftEngines(("native",)), baselines=baselines_of(project))
        return set(spec.service("drift").files.values())

    kept, packaged = ("baseline.json", "profile.json", "profile.npz"), ("profile.json", "profile.npz")
    assert files(_package(project)) == {ProjectFile(f"churn/baseline/{name}") for name in kept}
    assert files(_package(project, private=[])) == {PackagedFile("churn:v1", f"src/{PackageFile.PROFILE}/{name}") for name in packaged}
