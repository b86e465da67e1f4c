"""What is told, and remembered, of a move that cannot be written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.recording import Intent, Recorder
from mlsandbox.engines.base import Switched
from mlsandbox.errors import LedgerUnwritable
from mlsandbox.ledger import Action, Ledger
from mlsandbox.packaging.package import list_packages
from mlsandbox.project import Project, load_project
from mlsandbox.state import State, load_state
from support.named_packages import named_package
from support.reports import SilentReport

MOVE = Switched("api", "api-v2", "api-v1", 1.0, 2.0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two versions."""
    (tmp_path / "sandbox.toml").write_text('schema = 1\nname = "shop"\n[models.churn]\npath = "churn.joblib"\n')
    for version in ("v1", "v2"):
        named_package(tmp_path, "churn", version)
    return load_project(tmp_path)


def _moved(project: Project, action: Action) -> State:
    """What a command remembers that has let v2 answer in place of v1; the files make v3."""
    before = State(served={"churn": "v1"})
    deployed = [Deployed(next(each for each in list_packages(project.root, "churn") if each.version == "v2"))]
    recorder = Recorder(project, deployed, [Intent(action, "churn", "v2")], before, held={"churn": "v3"}, report=SilentReport())
    return recorder.switched([MOVE], before)


@pytest.mark.parametrize(("action", "again"), [(Action.PROMOTED, "sandbox promote v2 --model churn"), (Action.DEPLOYED, "sandbox up")])
def test_a_move_that_the_ledger_does_not_take_must_be_told(project: Project, action: Action, again: str) -> None:
    """Who answers now must be said and remembered although the ledger takes no entry, with what writes it down later."""
    (project.state_dir / "ledger.jsonl").mkdir(parents=True)

    with pytest.raises(LedgerUnwritable, match="churn v2 answers now") as refusal:
        _moved(project, action)

    assert "ledger.jsonl" in refusal.value.why
    assert refusal.value.fix.endswith(again)
    state = load_state(project.state_dir).state
    assert (state.served, state.held) == ({"churn": "v2"}, {"churn": "v3"})


def test_a_move_that_cannot_be_remembered_must_be_told(project: Project) -> None:
    """What the ledger has and state.json does not take must be told as a move that was made, too."""
    (project.state_dir / "state.json").mkdir(parents=True)

    with pytest.raises(LedgerUnwritable, match="churn v2 answers now"):
        _moved(project, Action.PROMOTED)

    assert [(each.action, each.version) for each in Ledger(project.state_dir).read()] == [(Action.PROMOTED, "v2")]


def test_a_move_is_written_down(project: Project) -> None:
    """A move must be in the ledger, with what answered before, and in the state."""
    state = _moved(project, Action.PROMOTED)

    assert load_state(project.state_dir).state == state
    assert state.served == {"churn": "v2"}
    (entry,) = Ledger(project.state_dir).read()
    assert (entry.action, entry.version, entry.previous) == (Action.PROMOTED, "v2", "v1")
