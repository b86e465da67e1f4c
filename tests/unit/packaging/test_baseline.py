"""Where a project keeps a baseline, and which package it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlsandbox.actions.drift_engines import DriftEngines
from mlsandbox.actions.project_stack import stack_of
from mlsandbox.packaging.baseline import Baseline, baseline_folder, read_baseline, remove_baseline
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project, load_project
from mlsandbox.stack.build import port_names
from mlsandbox.stack.spec import PackagedFile, ProjectFile
from mlsandbox_serving.contract import PackageFile, ProfileFile

DOCUMENT = {
    "version": "v1",
    "model_digest": "sha256:1",
    "created": "2026-11-26T12:00:00Z",
    "source": "rows.parquet",
    "profile": {"rows": 900},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three models, two of them in one folder."""
    models = {"churn": "churn/model.joblib", "one": "both/one.joblib", "two": "both/two.joblib"}
    text = "".join(f'[models.{name}]\npath = "{path}"\n' for name, path in models.items())
    (tmp_path / "sandbox.toml").write_text(f'name = "shop"\n{text}', encoding="utf-8")
    return load_project(tmp_path)


def _kept(folder: Path) -> Baseline:
    folder.mkdir(parents=True)
    for name in ProfileFile.ALL:
        (folder / name).write_bytes(b"\x00")
    (folder / "baseline.json").write_text(json.dumps(DOCUMENT))
    found = read_baseline(folder)
    assert found is not None
    return found


def _package(project: Project, model_digest: str) -> Package:
    files = {f"{PackageFile.PROFILE}/{name}": "0" for name in ProfileFile.ALL}
    manifest = {"lock_digest": "sha256:2", "python": "3.11.7", "model_digest": model_digest, "profile": {"files": files}}
    bento = project.state_dir / "bentoml/bentos/churn/v1"
    return Package("churn", "v1", "sha256:3", "churn:v1", bento, Path("/python"), manifest)


def test_it_lies_beside_its_model(project: Project) -> None:
    """Each model must have a folder of its own, that of the model where it is alone in it."""
    folders = {name: baseline_folder(project, name).relative_to(project.root).as_posix() for name in project.models}

    assert folders == {"churn": "churn/baseline", "one": "both/one.baseline", "two": "both/two.baseline"}


@pytest.mark.parametrize("gone", ["baseline.json", *ProfileFile.ALL])
def test_half_of_it_is_none(project: Project, gone: str) -> None:
    """A baseline of which a file is missing must not be used."""
    folder = baseline_folder(project, "churn")
    _kept(folder)
    (folder / gone).unlink()

    assert read_baseline(folder) is None


def test_only_its_own_files_are_removed(project: Project) -> None:
    """What else lies in the folder must stay, and the folder with it."""
    baseline = _kept(baseline_folder(project, "churn"))
    (baseline.folder / "README.md").write_text("ours")

    remove_baseline(baseline)

    assert [path.name for path in baseline.folder.iterdir()] == ["README.md"]


def test_it_is_used_with_the_model_that_answered_its_rows(project: Project) -> None:
    """With the model that it was made with it must take the place of the package's profile, with another one not."""
    _kept(baseline_folder(project, "churn"))
    ports = {name: 7000 + number for number, name in enumerate(port_names(["churn"], frozenset({"drift"})))}

    def files(model_digest: str) -> set[object]:
        packages = [_package(project, model_digest)]
        spec = stack_of(project, packages, ports, frozenset({"drift"}), DriftEngines(("native",)))
        return set(spec.service("drift").files.values())

    assert files("sha256:1") == {ProjectFile(f"churn/baseline/{name}") for name in ("baseline.json", "profile.json", "profile.npz")}
    assert files("sha256:9") == {PackagedFile("churn:v1", f"src/{PackageFile.PROFILE}/{name}") for name in ("profile.json", "profile.npz")}
