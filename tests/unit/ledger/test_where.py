"""Where a version answers: the ledger, held against what says so when it is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlsandbox.actions import where as action
from mlsandbox.actions.sight import Sight
from mlsandbox.actions.where import WhoAnswers, where
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Observed, ObservedFront, ObservedService
from mlsandbox.engines.remembered import remembered_state
from mlsandbox.errors import EngineUnavailable
from mlsandbox.ledger import Action
from mlsandbox.output import Paint, to_plain
from mlsandbox.supervise.transition import State
from mlsandbox.views.versions import where_text
from support.recorded import Recorded

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


@pytest.fixture
def project(tmp_path: Path) -> Recorded:
    """v2 answers, v1 stands by."""
    recorded = Recorded(tmp_path / "project")
    recorded.package("v1")
    recorded.did(Action.DEPLOYED, "v1", endpoint="api")
    recorded.package("v2")
    recorded.did(Action.PROMOTED, "v2", endpoint="api", previous="v1", reason="it is better")
    recorded.remembers(served={"churn": "v2"}, beside={"churn": {"v1": {"role": "standby"}}}, ports={"api": 7310})
    return recorded


def running(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    """A stack with this version behind the front; None: nothing runs."""
    services = () if version is None else (ObservedService(f"api-{version}", State.READY, "digest"),)
    fronts = () if version is None else (ObservedFront("api", 7310, f"api-{version}"),)

    def look(root: Path) -> Sight:
        observed = Observed(running=version is not None, services=services, fronts=fronts)
        return Sight(root, ENGINES["embedded"](root), observed, remembered_state(root))

    monkeypatch.setattr(action, "look", look)


def test_it_answers_as_the_ledger_says(project: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version, its address, since when, by whom and why, and what runs beside it must be told, and nothing be in disagreement."""
    running(monkeypatch, "v2")

    result = where(project.root, ask=lambda _: WhoAnswers("v2", TWO))

    (row,) = result.models
    assert result.agrees
    assert (row.version, row.digest, row.endpoint, row.action) == ("v2", TWO, "http://127.0.0.1:7310", "promoted")
    assert [(each.version, each.role) for each in row.beside] == [("v1", "standby")]
    text = where_text(result, Paint(on=False))
    assert "churn v2 answers at http://127.0.0.1:7310 since 2026-11-03" in text
    assert "it is better" in text
    assert "beside it: v1 stands by" in text
    assert json.loads(json.dumps(to_plain(result)))["models"][0]["problem"] is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (WhoAnswers("v1", ONE), "v2 should answer, and v1 does"),
        (WhoAnswers("v2", ONE), f"v2 answers from another package ({ONE[:19]}) than the ledger has ({TWO[:19]})"),
        (WhoAnswers(problem="TimeoutError: timed out"), "v2 should answer, and nobody does (TimeoutError: timed out)"),
    ],
)
def test_something_else_answers(project: Recorded, monkeypatch: pytest.MonkeyPatch, said: WhoAnswers, told: str) -> None:
    """Another version, another package of that name, and silence must each be told as what they are."""
    running(monkeypatch, "v2")

    result = where(project.root, ask=lambda _: said)

    assert not result.agrees
    assert told in where_text(result, Paint(on=False))


def test_nothing_runs(project: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that was stopped must be in order, one that vanished not."""
    running(monkeypatch, None)
    vanished = where(project.root)
    project.did(Action.STOPPED, "v2")
    stopped = where(project.root)

    assert not vanished.agrees
    assert "does not run" in where_text(vanished, Paint(on=False))
    assert stopped.agrees
    assert "nobody answers; v2 did until" in where_text(stopped, Paint(on=False))


def test_it_runs_without_the_ledger_knowing(project: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that answers although the ledger says that nobody does must be told."""
    project.did(Action.STOPPED, "v2")
    running(monkeypatch, "v2")

    result = where(project.root, ask=lambda _: WhoAnswers("v2", TWO))

    assert "v2 answers, and the ledger does not know since when" in where_text(result, Paint(on=False))
    assert not result.agrees


def test_the_engine_does_not_answer(project: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the engine the ledger must be told all the same, with a warning that nothing could be asked."""

    def look(root: Path) -> Sight:
        raise EngineUnavailable("Docker does not answer", fix="start Docker")

    monkeypatch.setattr(action, "look", look)

    result = where(project.root)

    assert result.agrees
    assert result.models[0].version == "v2"
    assert result.warnings == ("whether it is so could not be asked: Docker does not answer",)
