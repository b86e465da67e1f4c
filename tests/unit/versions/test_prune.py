"""`sandbox prune`: what goes with a version, what is recorded of it, and when nothing is removed at all."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from mlsandbox.actions.prune import planned_prune, prune, settle_interrupted
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Keeping, Kept
from mlsandbox.errors import EngineUnavailable, LedgerUnwritable
from mlsandbox.ledger import Action, Draft, Ledger
from mlsandbox.output import Output
from mlsandbox.packaging.package import list_packages, read_package
from mlsandbox.packaging.removal import interrupted, removable, taken_out
from mlsandbox.progress import QuietReport
from mlsandbox.project import Project, load_project
from mlsandbox.state import State, save_state
from support.bentos import stored_package
from support.fake_engine import FakeEngine

IMAGES = [Kept(Keeping.IMAGE, f"mlsandbox/shop/churn:v{number}", 1_000_000) for number in range(1, 6)]
OTHER = Kept(Keeping.IMAGE, "mlsandbox/shop/re-churn:v1", 1_000_000)
VOLUME = Kept(Keeping.VOLUME, "shop_metrics-churn-v1")
LONG_AGO = "2020-01-01T00:00:00.000Z"


class ImagesEngine(FakeEngine):
    """Has images and a volume; one of the images is used by something else."""

    name: ClassVar[str] = "images"
    there: ClassVar[list[Kept]] = []
    in_use: ClassVar[list[Kept]] = []

    def kept(self) -> tuple[Kept, ...]:
        return tuple(self.there)

    def remove_kept(self, only: Collection[Kept] | None = None) -> tuple[Kept, ...]:
        gone = [each for each in self.there if (only is None or each in only) and each not in self.in_use]
        self.there[:] = [each for each in self.there if each not in gone]
        return tuple(gone)


class SilentEngine(FakeEngine):
    """Does not answer."""

    name: ClassVar[str] = "silent"

    def kept(self) -> tuple[Kept, ...]:
        raise EngineUnavailable("Docker does not answer", why="refused", fix="start it")


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Engines in memory in place of Docker."""
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delitem(ENGINES, "docker")
    monkeypatch.setitem(ENGINES, "images", ImagesEngine)
    ImagesEngine.there[:] = [*IMAGES, OTHER, VOLUME]
    ImagesEngine.in_use[:] = []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with five versions, of which v5 answers, and v4 did before it; all of that years ago."""
    root = tmp_path / "shop"
    (root / "churn").mkdir(parents=True)
    (root / "churn" / "model.joblib").write_bytes(b"no model")
    (root / "sandbox.toml").write_text('name = "shop"\n\n[models.churn]\npath = "churn/model.joblib"\n', encoding="utf-8")
    for number in range(1, 6):
        stored_package(root, "churn", f"v{number}")
    (root / ".sandbox" / "data" / "metrics-churn-v1").mkdir(parents=True)
    (root / ".sandbox" / "data" / "metrics-churn-v1" / "cells").write_bytes(b"x" * 500)
    save_state(root / ".sandbox", State(engine="images", served={"churn": "v5"}))
    drafts = [draft(Action.DEPLOYED, version) for version in ("v1", "v4", "v5")]
    Ledger(root / ".sandbox").append(drafts)
    return load_project(root, environ={})


def draft(action: Action, version: str, time: str = LONG_AGO) -> Draft:
    return Draft(action, "churn", version, f"sha256:churn-{version}", time=time)


def report() -> QuietReport:
    return QuietReport(Output())


def versions(project: Project) -> list[str]:
    return [each.version for each in list_packages(project.root, "churn")]


def recorded(project: Project) -> Sequence[tuple[Action, str]]:
    return [(each.action, each.version) for each in Ledger(project.state_dir).read()[3:]]


def test_a_plan_changes_nothing(project: Project) -> None:
    """What would go and why the others stay must be told without a change."""
    plan = planned_prune(project, None, keep=1)

    assert [each.version for each in plan.removed] == ["v3", "v2", "v1"]
    assert {each.version: each.why for each in plan.kept} == {
        "v5": ("it is the champion", "it is the newest"),
        "v4": ("sandbox rollback goes back to it",),
    }
    assert plan.removed[2].outside == (IMAGES[0], VOLUME)
    assert plan.removed[2].size_bytes > plan.removed[1].size_bytes + 400
    assert versions(project) == ["v5", "v4", "v3", "v2", "v1"]
    assert ImagesEngine.there == [*IMAGES, OTHER, VOLUME]


def test_a_version_goes_with_all_that_is_of_it(project: Project) -> None:
    """Package, metrics, image and volume must go, be recorded each, and nothing of another version or model with it."""
    agreed = planned_prune(project, None, keep=1).identities

    result = prune(project, None, report(), keep=1, agreed=agreed, reason="tidy")

    assert [each.version for each in result.removed] == ["v3", "v2", "v1"]
    assert versions(project) == ["v5", "v4"]
    assert not (project.state_dir / "data" / "metrics-churn-v1").exists()
    assert ImagesEngine.there == [*IMAGES[3:], OTHER]
    assert recorded(project) == [(Action.REMOVED, "v3"), (Action.REMOVED, "v2"), (Action.REMOVED, "v1")]
    assert {each.reason for each in Ledger(project.state_dir).read()[3:]} == {"tidy"}
    assert planned_prune(project, None, keep=1).removed == ()


def test_what_was_not_agreed_to_stays(project: Project) -> None:
    """What came to be unneeded after the question must wait for the next one."""
    prune(project, None, report(), keep=1, agreed={("churn", "v2")})

    assert versions(project) == ["v5", "v4", "v3", "v1"]


def test_what_is_needed_since_the_question_stays(project: Project) -> None:
    """A version that answers by now must stay, whatever was agreed to."""
    save_state(project.state_dir, State(engine="images", served={"churn": "v1"}))

    prune(project, None, report(), keep=1, agreed={("churn", "v1"), ("churn", "v2")})

    assert versions(project) == ["v5", "v4", "v3", "v1"]


def test_what_answered_lately_stays(project: Project) -> None:
    """A version whose requests are still in the log must stay, as champion and as challenger; a shorter log keeps less."""
    now = "2999-01-01T00:00:00.000Z"
    Ledger(project.state_dir).append([draft(Action.CHALLENGED, "v2"), draft(Action.RETIRED, "v2", now)])

    kept = {each.version: each.why for each in planned_prune(project, None, keep=0).kept}

    assert kept["v2"] == ("it answered within the last 7d, and its logged requests can be replayed",)
    assert "v1" not in kept


def test_an_image_that_is_in_use_is_left_and_told(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """An image that a container runs from must be left, and named; the package goes all the same."""
    ImagesEngine.in_use.append(IMAGES[2])

    result = prune(project, None, report(), keep=1, agreed={("churn", "v3")})

    assert result.in_use == (IMAGES[2],)
    assert result.removed[0].outside == ()
    assert "mlsandbox/shop/churn:v3" in capsys.readouterr().err
    assert "v3" not in versions(project)


def test_nothing_goes_while_the_stacks_engine_is_silent(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images would stay for ever, so nothing must go when the stack's own engine does not answer; another one may be silent."""
    monkeypatch.setitem(ENGINES, "silent", SilentEngine)
    assert len(planned_prune(project, None, keep=1).removed) == 3
    save_state(project.state_dir, State(engine="silent", served={"churn": "v5"}))

    with pytest.raises(EngineUnavailable, match="so nothing was removed"):
        prune(project, None, report(), keep=1, agreed={("churn", "v1")})

    assert "v1" in versions(project)


def test_nothing_goes_that_cannot_be_recorded(project: Project) -> None:
    """A ledger that takes nothing must stop it before anything is removed."""
    ledger = project.state_dir / "ledger.jsonl"
    ledger.unlink()
    ledger.mkdir()

    with pytest.raises(LedgerUnwritable):
        prune(project, None, report(), keep=1, agreed={("churn", "v1")})

    assert "v1" in versions(project)
    assert ImagesEngine.there == [*IMAGES, OTHER, VOLUME]


def killed_while_removing(project: Project, version: str) -> None:
    """Leave what a command leaves that is killed when it has moved a package out of the store."""
    package = next(each for each in list_packages(project.root, "churn") if each.version == version)
    with taken_out(project.root, removable(project.root, [package])[0].folders):
        (aside,) = interrupted(project.root)
        shutil.copytree(aside, aside.with_name("removed-killed"))


def test_what_a_killed_prune_took_out_is_put_back(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A package that is out of the store and not in the ledger as removed must come back whole, and go with the next prune."""
    killed_while_removing(project, "v2")
    assert "v2" not in versions(project)

    settle_interrupted(project, report())

    assert versions(project) == ["v5", "v4", "v3", "v2", "v1"]
    assert next(each for each in list_packages(project.root, "churn") if each.version == "v2").model_folder.is_dir()
    assert interrupted(project.root) == ()
    assert "churn v2 is back" in capsys.readouterr().err
    assert [each.version for each in planned_prune(project, None, keep=1).removed] == ["v3", "v2", "v1"]


def test_what_a_killed_prune_recorded_is_deleted(project: Project) -> None:
    """A package that the ledger has as removed must not come back when the command was killed before it was deleted."""
    killed_while_removing(project, "v2")
    Ledger(project.state_dir).append([Draft(Action.REMOVED, "churn", "v2", digest_of_v2(project))])

    settle_interrupted(project, report())

    assert versions(project) == ["v5", "v4", "v3", "v1"]
    assert interrupted(project.root) == ()


def digest_of_v2(project: Project) -> str:
    """As the folder that was taken out has it."""
    (aside,) = interrupted(project.root)
    return read_package(aside / "0").digest


def test_models_that_left_the_project_are_pruned(project: Project) -> None:
    """Versions of a model that sandbox.toml has no more must go by the same rules, but that nothing goes back to them."""
    for number in (1, 2):
        stored_package(project.root, "gone", f"v{number}")

    assert [(each.model, each.version) for each in planned_prune(project, "gone", keep=1).removed] == [("gone", "v1")]
    prune(project, None, report(), keep=0, agreed={("gone", "v1"), ("gone", "v2")})

    assert list_packages(project.root, "gone") == []
    assert versions(project) == ["v5", "v4", "v3", "v2", "v1"]
