"""Versions change behind one address, under load, and nobody who asks notices but by the version that an answer names."""

from __future__ import annotations

import json

import pytest

from support.broken_package import break_module, swap_golden_answers
from support.churn import TRAIN
from support.sandbox import Sandbox
from support.witness import Witness, contradictions, ledger


@pytest.fixture
def up(saved: Sandbox) -> Sandbox:
    """A project with v1 answering, and another model in its files that was never packaged."""
    saved.run("up").ok()
    saved.script(TRAIN, "churn", "0.01")
    return saved


def test_there_and_back_under_load(up: Sandbox, rounds: int) -> None:
    """Over `up`, `rollback` and `promote` no request may fail, and each answer must be of a version that the ledger has at that time."""
    row = _row(up)
    with Witness(_port(up), row) as witness:
        up.run("up", "--warm").ok()
        for _ in range(rounds):
            witness.more(200)
            up.run("rollback").ok()
            witness.more(200)
            up.run("promote", "v2").ok()
        witness.more(200)

    assert witness.failed == []
    assert witness.versions == ["v1", "v2"]
    assert contradictions(witness.seen, ledger(up.root), "churn") == []
    others = {"packaged", "started", "stopped"}
    changes = [(entry["action"], entry["version"]) for entry in ledger(up.root) if entry["action"] not in others]
    assert changes == [("deployed", "v1"), ("deployed", "v2"), *[("rolled-back", "v1"), ("promoted", "v2")] * rounds]


def test_the_former_version_must_be_gone_after_up(up: Sandbox) -> None:
    """`up` of a changed model must leave the new version alone running, at the same address, under load and without a failed request."""
    port = _port(up)
    with Witness(port, _row(up)) as witness:
        up.run("up").ok()
        witness.more(200)

    status = up.status()
    assert witness.failed == []
    assert witness.seen[-1].version == status["version"] == "v2"
    assert _port(up) == port
    assert [each["name"] for each in status["services"] if each["name"].startswith("api")] == ["api-v2"]
    assert contradictions(witness.seen, ledger(up.root), "churn") == []


def test_a_cold_version_must_be_gone_back_to(up: Sandbox) -> None:
    """`rollback` to a version that does not run any more must start it first, and move then; a model saved meanwhile is no hindrance."""
    up.run("up").ok()
    up.script(TRAIN, "fraud", "1.0")
    with Witness(_port(up), _row(up), connections=8) as witness:
        up.run("rollback", "--model", "churn", "--reason", "too many complaints").ok()
        witness.more(100)

    assert witness.failed == []
    assert witness.seen[-1].version == "v1"
    assert "Models that run: churn" in up.run("retire", "v1", "--model", "fraud").err
    entry = ledger(up.root)[-1]
    assert (entry["action"], entry["version"], entry["previous"], entry["reason"]) == ("rolled-back", "v1", "v2", "too many complaints")


def test_up_must_keep_what_was_chosen_by_hand(up: Sandbox) -> None:
    """After a rollback `up` must keep the version, also after a stop, until the project's files change."""
    up.run("up").ok()
    up.run("rollback").ok()

    again = up.run("up", "-o", "json").ok().json
    assert (again["version"], again["unchanged"]) == ("v1", True)
    up.down().ok()
    up.run("up").ok()
    assert up.status()["version"] == "v1"

    up.script(TRAIN, "churn", "0.001")
    assert up.run("up", "-o", "json").ok().json["version"] == "v3"


BROKEN: dict[str, tuple[str, tuple[str, ...], str]] = {
    "crashes": ("raise RuntimeError('broken on purpose')\n", (), "broken on purpose"),
    "hangs": ("import time\ntime.sleep(3600)\n", ("--timeout", "6"), "was not ready within 6 s"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_version_that_does_not_start_must_leave_the_former_one_alone(up: Sandbox, how: str) -> None:
    """A new version that crashes or hangs must end `up` with the reason; the one before goes on, untouched, without a failed request."""
    code, options, words = BROKEN[how]
    up.run("pull").ok()
    break_module(up.root / ".sandbox/bentoml/bentos/churn/v2", "golden.py", code)
    before = _api(up)
    with Witness(_port(up), _row(up), connections=8) as witness:
        result = up.run("up", *options, timeout=120)
        witness.more(100)

    assert result.code != 0
    assert words in result.err
    assert "v1" in result.err
    assert witness.failed == []
    assert witness.versions == ["v1"]
    assert _api(up) == before
    assert "v2" not in [entry["version"] for entry in ledger(up.root) if entry["action"] != "packaged"]


def test_a_version_with_other_answers_must_leave_the_former_one_alone(up: Sandbox) -> None:
    """A new version that does not reproduce its golden rows must be refused by name, and the one before goes on."""
    up.run("pull").ok()
    swap_golden_answers(up.root / ".sandbox/bentoml/bentos/churn/v2", "leaves", "stays")
    before = _api(up)
    with Witness(_port(up), _row(up), connections=8) as witness:
        result = up.run("up")
        witness.more(100)

    assert result.code == 1
    assert "GOLDEN_MISMATCH" in result.err
    assert (witness.failed, witness.versions) == ([], ["v1"])
    assert _api(up) == before


def _port(sandbox: Sandbox) -> int:
    return int(sandbox.url.rpartition(":")[2])


def _row(sandbox: Sandbox) -> dict[str, object]:
    row: dict[str, object] = json.loads((sandbox.root / "churn/capture.json").read_text())["example"]
    return row


def _api(sandbox: Sandbox) -> list[tuple[str, int]]:
    """The model services that run, with their processes."""
    return [(each["name"], each["pid"]) for each in sandbox.status()["services"] if each["name"].startswith("api")]
