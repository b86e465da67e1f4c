"""Which versions `up` makes run."""

from __future__ import annotations

from pathlib import Path

from mlsandbox.actions.champions import Chosen, choose, last_champions
from mlsandbox.ledger import Action, Entry
from mlsandbox.packaging.package import Package
from mlsandbox.stack.components.base import Role
from mlsandbox.state import State
from support.named_packages import named_package

CHALLENGER = {"role": "challenger", "percent": 10.0, "shadow": False}
STANDBY = {"role": "standby"}


def _versions(root: Path, count: int) -> list[Package]:
    return [named_package(root, "churn", f"v{number}") for number in range(1, count + 1)]


def _choose(root: Path, made: Package, state: State, *, runs: bool = True, warm: bool = False, stopped: bool = False) -> Chosen:
    """What is chosen when the ledger says what the state does, and that it was stopped."""
    last = last_champions(_entries(state.served.get("churn"), stopped=stopped or not runs))
    return choose(root, [made], state, last, runs=runs, warm=warm, reason="")


def _entries(version: str | None, *, stopped: bool) -> list[Entry]:
    if version is None:
        return []
    said = [Action.DEPLOYED, *([Action.STOPPED] if stopped else [])]
    return [
        Entry(number, f"2026-03-01T10:00:0{number}.000Z", action, "churn", version, "sha256:1", "ada@mill")
        for number, action in enumerate(said, 1)
    ]


def _said(chosen: Chosen) -> list[tuple[Action, str]]:
    return [(intent.action, intent.version) for intent in chosen.intents]


def _beside(chosen: Chosen) -> list[tuple[str, Role]]:
    return [(each.package.version, each.role) for each in chosen.deployed[0].beside]


def test_the_files_version_must_answer(tmp_path: Path) -> None:
    """What the files make must be the champion, at the first start and when it is another one."""
    first, second = _versions(tmp_path, 2)

    assert _said(_choose(tmp_path, first, State(), runs=False)) == [(Action.DEPLOYED, "v1")]
    changed = _choose(tmp_path, second, State(served={"churn": "v1"}))
    assert changed.deployed[0].champion.version == "v2"
    assert _said(changed) == [(Action.DEPLOYED, "v2")]
    assert _beside(changed) == []


def test_an_unchanged_champion_must_be_told_of_only_when_it_starts_again(tmp_path: Path) -> None:
    """Nothing is to be written down of a champion that goes on; that it answers again after a stop is."""
    (first,) = _versions(tmp_path, 1)
    state = State(served={"churn": "v1"})

    assert _said(_choose(tmp_path, first, state)) == []
    assert _said(_choose(tmp_path, first, state, runs=False)) == [(Action.STARTED, "v1")]
    assert _said(_choose(tmp_path, first, state, stopped=True)) == [(Action.STARTED, "v1")]  # stopped alone, while the rest went on


def test_a_chosen_champion_must_stay_while_the_files_do(tmp_path: Path) -> None:
    """After a rollback the champion must stay as long as the files make the version that was gone back from, and no longer."""
    first, second, third = _versions(tmp_path, 3)
    state = State(served={"churn": "v1"}, held={"churn": "v2"})

    kept = _choose(tmp_path, second, state)
    assert kept.deployed[0].champion == first
    assert kept.held == {"churn": "v2"}
    assert "sandbox promote v2" in kept.notes[0]

    changed = _choose(tmp_path, third, state)
    assert (changed.deployed[0].champion, changed.held) == (third, {})


def test_a_chosen_champion_whose_package_is_gone_must_not_be_waited_for(tmp_path: Path) -> None:
    """What was chosen and is not there any more must make way for what the files make."""
    second = named_package(tmp_path, "churn", "v2")

    assert _choose(tmp_path, second, State(served={"churn": "v1"}, held={"churn": "v2"})).deployed[0].champion == second


def test_a_challenger_must_stay_one(tmp_path: Path) -> None:
    """A challenger must stay beside another champion, and come back with the stack; the version that becomes champion is none."""
    first, second, third = _versions(tmp_path, 3)
    state = State(served={"churn": "v1"}, beside={"churn": {"v2": CHALLENGER}})

    assert _beside(_choose(tmp_path, first, state, runs=False)) == [("v2", Role.CHALLENGER)]
    assert _beside(_choose(tmp_path, third, state)) == [("v2", Role.CHALLENGER)]
    assert _beside(_choose(tmp_path, second, state)) == []


def test_who_is_kept_warm(tmp_path: Path) -> None:
    """A standby must stay while its champion runs, and go with it; the former champion is kept only when that is asked for."""
    first, second, third = _versions(tmp_path, 3)
    state = State(served={"churn": "v2"}, beside={"churn": {"v1": STANDBY}})

    assert _beside(_choose(tmp_path, second, state)) == [("v1", Role.STANDBY)]
    assert _beside(_choose(tmp_path, second, state, runs=False)) == []
    assert _beside(_choose(tmp_path, third, state)) == []
    assert _beside(_choose(tmp_path, third, state, warm=True)) == [("v2", Role.STANDBY)]
    assert _beside(_choose(tmp_path, first, state, warm=True)) == [("v2", Role.STANDBY)]
