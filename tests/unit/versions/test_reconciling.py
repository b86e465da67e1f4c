"""What runs goes before what is written down of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from mlsandbox.actions.reconciling import as_answering, caught_up
from mlsandbox.actions.recording import record_stops
from mlsandbox.engines.base import Observed, ObservedFront, ObservedService
from mlsandbox.ledger import Action, Draft, Ledger, where
from mlsandbox.state import State, load_state
from mlsandbox.supervise.transition import State as Phase
from support.named_packages import named_package
from support.reports import SilentReport

CHOSEN = {"host": "127.0.0.1", "profile": "full", "exclude": [], "models": ["churn", "fraud"]}


def _runs(phase: Phase = Phase.READY, **fronts: str) -> Observed:
    services = tuple(ObservedService(service, phase, "0123") for service in fronts.values())
    named = {name.replace("_", "-"): service for name, service in fronts.items()}
    return Observed(running=True, services=services, fronts=tuple(ObservedFront(name, 7310, each) for name, each in named.items()))


def _write(sandbox: Path, *drafts: Draft) -> None:
    Ledger(sandbox).append(drafts)


def _deployed(model: str, version: str) -> Draft:
    return Draft(Action.DEPLOYED, model, version, f"sha256:{version}", endpoint="api")


def _said(sandbox: Path) -> list[tuple[str, str, str]]:
    return [(each.action.value, each.model, each.version) for each in Ledger(sandbox).read()]


def test_what_answers_must_be_caught_up_with(tmp_path: Path) -> None:
    """A version that answers, and of which a killed command wrote nothing down, must be in ledger and state before anything is changed."""
    sandbox = tmp_path / ".sandbox"
    named_package(tmp_path, "churn", "v2")
    _write(sandbox, _deployed("churn", "v1"))
    state = State(served={"churn": "v1"}, chosen=CHOSEN)

    caught = caught_up(sandbox, _runs(api="api-v2"), state, SilentReport())

    assert caught.served == {"churn": "v2"}
    assert load_state(sandbox).state == caught
    entry = Ledger(sandbox).read()[-1]
    assert (entry.action, entry.version, entry.previous, entry.digest) == (Action.DEPLOYED, "v2", "v1", "sha256:churn-v2")
    assert entry.began <= entry.time


def test_a_stack_that_nobody_waited_for_must_be_written_down(tmp_path: Path) -> None:
    """What answers again after a stop, and what answers for the first time, must each be told as what it is, for each model."""
    sandbox = tmp_path / ".sandbox"
    named_package(tmp_path, "churn", "v1")
    named_package(tmp_path, "fraud", "v7")
    _write(sandbox, _deployed("churn", "v1"), Draft(Action.STOPPED, "churn", "v1", "sha256:v1"))

    caught_up(sandbox, _runs(api="api-v1", api_fraud="api-fraud-v7"), State(chosen=CHOSEN), SilentReport())

    assert _said(sandbox)[2:] == [("started", "churn", "v1"), ("deployed", "fraud", "v7")]


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.REFUSED, Phase.BACKOFF])
def test_what_does_not_answer_must_not_be_taken_for_it(tmp_path: Path, phase: Phase) -> None:
    """A version that is not ready answers nothing: neither state nor ledger may say that it does."""
    _write(tmp_path, _deployed("churn", "v1"))
    state = State(served={"churn": "v1"}, chosen=CHOSEN)

    assert caught_up(tmp_path, _runs(phase, api="api-v2"), state, SilentReport()) == state
    assert _said(tmp_path) == [("deployed", "churn", "v1")]


def test_looking_must_write_nothing(tmp_path: Path) -> None:
    """Who only looks must see what answers, and leave no trace."""
    seen = as_answering(_runs(api="api-v2"), State(served={"churn": "v1"}, chosen=CHOSEN))

    assert seen.served == {"churn": "v2"}
    assert list(tmp_path.iterdir()) == []


STOPPED: list[tuple[set[str] | None, set[str]]] = [
    ({"api-v1", "shipper"}, {"churn"}),
    ({"shipper"}, set()),
    ({"api-v2"}, set()),
    (None, {"churn", "fraud"}),
]


@pytest.mark.parametrize(("stopped", "silent"), STOPPED)
def test_who_is_stopped_must_be_written_down(tmp_path: Path, stopped: Iterable[str] | None, silent: set[str]) -> None:
    """A model is stopped when the version that answers is; a whole stack that is stopped has nobody left, also where it had vanished."""
    _write(tmp_path, _deployed("churn", "v1"), _deployed("fraud", "v7"))
    state = State(served={"churn": "v1", "fraud": "v7"}, chosen=CHOSEN)
    services = None if stopped is None else set(stopped)

    record_stops(tmp_path, _runs(api="api-v1"), state, services, reason="", report=SilentReport())

    assert set(where(Ledger(tmp_path).read())) == {"churn", "fraud"} - silent
