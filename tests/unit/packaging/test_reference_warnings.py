"""What is said of a reference that was given and cannot be compared with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.reference_warnings import reference_problems, reference_warnings
from mlsandbox.actions.sight import Sight
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Observed, ObservedService
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project, load_project
from mlsandbox.state import State as Remembered
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import PackageFile

PROBLEM = {"files": {}, "problem": "nocol.csv has no column 'age'"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "sandbox.toml").write_text('name = "shop"\n[models.churn]\npath = "model.onnx"\n')
    return load_project(tmp_path)


def package(project: Project, profile: dict[str, Any] | None) -> Package:
    manifest = {"lock_digest": "sha256:2", "python": "3.11.7", "profile": profile}
    return Package("churn", "v1", "sha256:3", "churn:v1", project.state_dir / "bentoml/bentos/churn/v1", Path("/python"), manifest)


def profiled(rows: int) -> dict[str, Any]:
    return {"files": {"package/profile/profile.json": "0"}, "rows": rows}


def test_one_that_cannot_be_used(project: Project) -> None:
    """Whose it is, why, and what to do must be told."""
    (told,) = reference_warnings(project, [package(project, PROBLEM)])

    assert told == (
        "the reference of churn cannot be compared with, so the first live rows become it: nocol.csv has no column 'age'; "
        "mend it, or name another one in sandbox.toml, then: sandbox up"
    )


def test_a_small_one(project: Project) -> None:
    """What it is too small for must be told."""
    (told,) = reference_warnings(project, [package(project, profiled(400))])

    assert told == (
        "churn has a reference of 400 rows: only missing, unseen and out-of-range values are told below 500, "
        "and alibi learns from live rows, as it needs 1,000; 5,000 are better"
    )
    (told,) = reference_warnings(project, [package(project, profiled(600))])
    assert told == "churn has a reference of 600 rows: alibi learns from live rows, as it needs 1,000; 5,000 are better"


def test_one_that_is_well(project: Project) -> None:
    """Neither of a large one, nor of none at all, must anything be said."""
    assert reference_warnings(project, [package(project, profiled(1_000)), package(project, None)]) == ()


def test_the_running_stack(project: Project) -> None:
    """It must be told of what is served, and of a stack that watches for drift alone."""
    for version, profile in (("v1", profiled(400)), ("v2", PROBLEM)):
        place = project.state_dir / "bentoml/bentos/churn" / version / "src" / PackageFile.MANIFEST
        place.parent.mkdir(parents=True)
        manifest = {**package(project, profile).manifest, "model": "churn", "version": version, "digest": "sha256:3"}
        place.write_text(json.dumps(manifest))

    def told(served: str, service: str) -> tuple[str, ...]:
        observed = Observed(running=True, services=(ObservedService(service, State.READY, "digest"),))
        sight = Sight(project.root, ENGINES["embedded"](project.root), observed, Remembered(served={"churn": served}))
        return reference_problems(project, sight)

    assert len(told("v2", "drift")) == 1
    assert told("v1", "drift") == ()
    assert told("v2", "api") == ()
