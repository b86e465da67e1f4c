"""promote, rollback, deploy, retire and prune, as a user meets them: what they change and refuse, and what a dry run leaves alone."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.broken_package import break_module, swap_golden_answers
from support.churn import TRAIN
from support.sandbox import Sandbox, end, post
from support.witness import ledger

BENTOS = Path(".sandbox/bentoml/bentos/churn")


@pytest.fixture(scope="session")
def two_versions(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is down: v1 and then v2 answered, v3 is only packaged, the files make v2. Made once, copied for every test."""
    folder = tmp_path_factory.mktemp("versions")
    (folder / "home").mkdir()
    sandbox = Sandbox(folder / "project", folder / "home")
    shutil.copytree(template / "project", sandbox.root)
    sandbox.run("up").ok()
    sandbox.script(TRAIN, "churn", "0.01")
    sandbox.run("up").ok()
    sandbox.down()
    shutil.copytree(sandbox.root / "churn", folder / "second")
    sandbox.script(TRAIN, "churn", "0.0001")
    sandbox.run("pull").ok()
    shutil.copytree(sandbox.root / "churn", folder / "third")
    shutil.rmtree(sandbox.root / "churn")
    shutil.copytree(folder / "second", sandbox.root / "churn")
    return folder


@pytest.fixture
def up(two_versions: Path, make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """That project with v2 answering, which its files make."""
    sandbox = make_sandbox()
    shutil.copytree(two_versions / "project", sandbox.root, dirs_exist_ok=True)
    sandbox.run("up").ok()
    return sandbox


def third(sandbox: Sandbox, two_versions: Path) -> None:
    """Let the project's files make v3."""
    shutil.rmtree(sandbox.root / "churn")
    shutil.copytree(two_versions / "third", sandbox.root / "churn")


def roles(sandbox: Sandbox) -> dict[str, str]:
    """What each version that runs does, as status has it."""
    return {each["version"]: each["role"] for each in sandbox.status()["versions"]}


def processes(sandbox: Sandbox) -> dict[str, int]:
    """The model services that run, with their processes."""
    return {each["name"]: each["pid"] for each in sandbox.status()["services"] if each["name"].startswith("api")}


def answering(sandbox: Sandbox) -> str:
    """The version that says it answered."""
    row = json.loads((sandbox.root / "churn/capture.json").read_text())["example"]
    status, _, headers = post(f"{sandbox.url}/predict", row)
    assert status == 200
    return {name.lower(): value for name, value in headers.items()}["x-model-version"]


def changes(sandbox: Sandbox) -> list[tuple[str, str]]:
    """What the ledger has since v2 answers again."""
    entries = [(entry["action"], entry["version"]) for entry in ledger(sandbox.root)]
    return entries[len(entries) - entries[::-1].index(("started", "v2")) :]


def everything(sandbox: Sandbox) -> dict[str, str]:
    """Each file of `.sandbox` that a command could change, with its digest; services write into the others by themselves."""
    folder = sandbox.root / ".sandbox"
    left_out = {"logs", "data", "run"}
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.relative_to(folder).parts[0] not in left_out]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_dry_runs_must_change_nothing(up: Sandbox, two_versions: Path) -> None:
    """Each command must say with --dry-run what it would do, and change neither a file nor what runs."""
    third(up, two_versions)
    before, running = everything(up), processes(up)

    def planned(*words: str) -> list[tuple[str, str]]:
        document = up.run(*words, "--dry-run", "-o", "json").ok().json
        assert document["dry_run"]
        steps = [(step["action"], step["subject"]) for step in document["plan"]]
        assert ("keep", "log-store") in steps
        return [(action, subject) for action, subject in steps if subject.startswith("api")]

    assert planned("promote", "v1") == [("switch", "api"), ("start", "api-v1"), ("keep", "api-v2")]
    assert planned("rollback", "--no-warm") == [("switch", "api"), ("stop", "api-v2"), ("start", "api-v1")]
    assert planned("deploy", "--as", "challenger") == [("keep", "api-v2"), ("start", "api-v3")]
    assert [each["version"] for each in up.run("prune", "--keep", "0", "--dry-run", "-o", "json").ok().json["removed"]] == []
    assert "nothing was changed. sandbox rollback would" in up.run("rollback", "--dry-run").ok().out
    assert everything(up) == before
    assert processes(up) == running


def test_what_is_done_besides_must_be_said(up: Sandbox) -> None:
    """A setting that was edited since the last up must show in a dry run, and be said before its service is restarted with a version."""
    settings = up.root / "sandbox.toml"
    settings.write_text(settings.read_text() + '\n[log]\nretention = "1d"\n')

    plan = up.run("promote", "v1", "--dry-run", "-o", "json").ok().json["plan"]
    restarts = {step["subject"]: step["why"] for step in plan if step["action"] == "restart"}
    assert set(restarts) == {"log-store", "shipper"}
    assert all("not about versions" in why for why in restarts.values())
    assert "also restarted, which is not about versions: log-store (changed: " in up.run("promote", "v1").ok().err
    assert "also restarted" not in up.run("rollback", "v2").ok().err


def test_an_interrupted_deploy_must_leave_nothing(up: Sandbox) -> None:
    """Ctrl-C after a challenger was started, and before it has its share, must stop it again and leave who answers alone."""
    running = processes(up)
    process = up.start("deploy", "v3", "--as", "challenger")
    assert process.stderr is not None
    assert any("✓ Started" in line and "api-v3" in line for line in process.stderr)

    result = end(process, signal.SIGINT)

    assert result.code == 130
    assert processes(up) == running
    assert roles(up) == {"v2": "champion"}
    assert answering(up) == "v2"


def test_there_and_back(up: Sandbox) -> None:
    """Rollback and promote must switch, keep the former version warm, say how to undo it, and be told apart in the ledger."""
    first = up.run("rollback", "--reason", "worse on Sundays").ok()
    assert "churn v1 answers" in first.out
    assert "v2, which stays warm" in first.out
    assert "Undo  sandbox" in first.out
    assert answering(up) == "v1"
    assert roles(up) == {"v1": "champion", "v2": "standby"}
    assert up.run("up", "-o", "json").ok().json["version"] == "v1"
    running = processes(up)

    again = up.run("rollback")
    assert (again.code, "NOTHING_BEFORE" in again.err) == (1, True)
    assert up.run("promote", "v1", "-o", "json").ok().json["unchanged"]

    back = up.run("promote", "v2", "--no-warm", "-o", "json").ok().json
    assert (back["former"], back["started"], back["warm"]) == ("v1", False, False)
    assert back["milliseconds"] < back["elapsed"] * 1000
    assert answering(up) == "v2"
    assert processes(up) == {name: pid for name, pid in running.items() if name == "api-v2"}
    assert changes(up) == [("rolled-back", "v1"), ("promoted", "v2")]
    assert "worse on Sundays" in [entry.get("reason") for entry in ledger(up.root)]


def test_what_has_no_room_to_be_recorded_must_not_be_done(up: Sandbox, tmp_path: Path) -> None:
    """On a disk without room for what is written of it a version must not be moved to, and with room again it must."""
    cramped = tmp_path / "cramped"
    cramped.write_text(f'#!/bin/sh\nulimit -f 100\nexec {up.command} "$@"\n')
    cramped.chmod(0o755)
    before, running = ledger(up.root), processes(up)

    refused = replace(up, command=cramped).run("promote", "v1")

    assert (refused.code, "LEDGER_UNWRITABLE" in refused.err) == (1, True)
    assert (ledger(up.root), processes(up), answering(up)) == (before, running, "v2")
    up.run("promote", "v1").ok()
    assert changes(up) == [("promoted", "v1")]


def test_a_version_that_answers_already_must_be_held_when_it_is_promoted(up: Sandbox, two_versions: Path) -> None:
    """`promote` of the champion must restart nothing, and keep `up` from letting a version answer that the files make already."""
    third(up, two_versions)
    running = processes(up)

    assert up.run("promote", "v2", "-o", "json").ok().json["unchanged"]

    assert up.run("up", "-o", "json").ok().json["version"] == "v2"
    assert (processes(up), answering(up)) == (running, "v2")


def test_a_challenger_must_be_tried_and_then_answer(up: Sandbox, two_versions: Path) -> None:
    """What the files make now must run beside the champion, change its share without a restart, wait while `up` runs, and be promoted."""
    third(up, two_versions)
    tried = up.run("deploy", "--as", "challenger", "-o", "json").ok().json
    assert (tried["version"], tried["champion"], tried["shadow"], tried["started"]) == ("v3", "v2", True, True)
    assert tried["smoke"]["prediction"] in ("leaves", "stays")
    running = processes(up)
    assert set(running) == {"api-v2", "api-v3"}

    shared = up.run("deploy", "v3", "--as", "challenger", "--split", "10%").ok()
    assert "10% of the requests" in shared.out
    assert processes(up) == running
    assert up.run("up", "-o", "json").ok().json["version"] == "v2"
    assert [(each["version"], each["role"], each["percent"]) for each in up.status()["versions"]] == [
        ("v2", "champion", None),
        ("v3", "challenger", 10.0),
    ]

    second = up.run("deploy", "v1", "--as", "challenger")
    assert second.code == 2
    assert "sandbox retire v3" in second.err
    assert up.run("retire", "v2").code == 2
    assert up.run("deploy", "v2", "--as", "challenger").code == 2

    up.run("promote", "v3").ok()
    assert answering(up) == "v3"
    assert roles(up) == {"v3": "champion", "v2": "standby"}
    assert processes(up) == running
    assert "v2 (standby) was stopped" in up.run("retire", "v2").ok().out
    assert set(processes(up)) == {"api-v3"}
    assert changes(up) == [("packaged", "v3"), *[("challenged", "v3")] * 2, ("promoted", "v3"), ("retired", "v2")]


def test_a_challenger_must_be_retired(up: Sandbox, two_versions: Path) -> None:
    """A challenger that is retired must be gone, and `up` must not let it answer although the files make it."""
    third(up, two_versions)
    up.run("deploy", "--as", "challenger", "--split", "50%").ok()
    up.run("retire", "v3", "--reason", "no better").ok()

    assert set(processes(up)) == {"api-v2"}
    assert up.run("up", "-o", "json").ok().json["version"] == "v2"
    entry = ledger(up.root)[-1]
    assert (entry["action"], entry["version"], entry["reason"]) == ("retired", "v3", "no better")
    assert entry["digest"] == json.loads((up.root / BENTOS / "v3/src/package/package.json").read_text())["digest"]


def test_a_gate(up: Sandbox) -> None:
    """A gate must refuse with 3 and change nothing, be overruled only with a reason, which is recorded, and stand in no way when passed."""
    (up.root / "high.toml").write_text("[metrics.accuracy]\nmin = 1.1\n")
    (up.root / "low.toml").write_text("[metrics.accuracy]\nmin = 0.1\n")
    running, entries = processes(up), ledger(up.root)

    refused = up.run("promote", "v3", "--gate", "high.toml")
    assert refused.code == 3
    assert "GATE_REFUSED" in refused.err
    assert "✗ at least 1.1" in refused.err
    assert "promote v3 --gate high.toml --force --reason" in refused.err
    assert up.run("promote", "v3", "--gate", "high.toml", "--force").code == 2
    assert up.run("promote", "v3", "--force", "--reason", "why not").code == 2
    assert (processes(up), ledger(up.root)) == (running, entries)

    forced = up.run("promote", "v3", "--gate", "high.toml", "--force", "--reason", "why not", "-o", "json").ok().json
    assert (forced["forced"], forced["gate"]["rows"][0]["passed"]) == (True, False)
    passed = up.run("promote", "v2", "--gate", "low.toml").ok()
    assert "✓ at least 0.1" in passed.err
    gates = [entry["facts"]["gate"] for entry in ledger(up.root)[len(entries) :]]
    assert [(each["file"], each["passed"], each.get("forced", False)) for each in gates] == [
        ("high.toml", False, True),
        ("low.toml", True, False),
    ]


def _mismatch(bento: Path) -> None:
    swap_golden_answers(bento, "leaves", "stays")


def _crash(bento: Path) -> None:
    break_module(bento, "golden.py")


def _hang(bento: Path) -> None:
    break_module(bento, "golden.py", "import time\ntime.sleep(3600)\n")


@pytest.mark.parametrize("words", [("promote", "v3"), ("deploy", "v3", "--as", "challenger", "--split", "50%")], ids=["promote", "deploy"])
@pytest.mark.parametrize(
    ("broken", "options", "said"),
    [(_mismatch, (), "GOLDEN_MISMATCH"), (_crash, (), "broken on purpose"), (_hang, ("--timeout", "6"), "was not ready within 6 s")],
    ids=["mismatch", "crash", "hang"],
)
def test_a_broken_version_must_leave_the_champion_alone(
    up: Sandbox, broken: Callable[[Path], None], options: tuple[str, ...], said: str, words: tuple[str, ...]
) -> None:
    """A version that is refused, crashes or hangs must end the command with the cause; who answers goes on, and nothing of it is left."""
    broken(up.root / BENTOS / "v3")
    running, entries = processes(up), ledger(up.root)

    result = up.run(*words, *options, timeout=120)

    assert result.code not in (0, 2)
    assert said in result.err
    assert "goes on" in result.err
    assert answering(up) == "v2"
    assert processes(up) == running
    assert ledger(up.root) == entries
    assert roles(up) == {"v2": "champion"}
    assert up.run("up", "-o", "json").ok().json["unchanged"]


def test_what_is_not_there_must_be_named(up: Sandbox) -> None:
    """An unknown version must be refused with those that there are, and a stack that does not run with the way to start it."""
    for words in (("promote", "v9"), ("rollback", "v9"), ("deploy", "v9", "--as", "challenger"), ("retire", "v9")):
        unknown = up.run(*words)
        assert unknown.code == 2, words
        assert "VERSION_UNKNOWN" in unknown.err
    assert "v3, v2, v1" in up.run("promote", "v9").err
    up.down()
    for line in ("promote v1", "rollback", "deploy --as challenger", "retire v1"):
        stopped = up.run(*line.split())
        assert (stopped.code, "sandbox up" in stopped.err) == (1, True), line


def test_old_versions_must_be_pruned(up: Sandbox, two_versions: Path) -> None:
    """What nothing needs must go once a yes was given, be recorded, never come back under its number, and leave what runs alone."""
    settings = up.root / "sandbox.toml"
    settings.write_text(settings.read_text() + '\n[log]\nretention = "1ms"\n')
    up.run("promote", "v3", "--no-warm").ok()
    running = processes(up)

    asked = up.run("prune", "--keep", "1")
    assert asked.code == 2
    assert "would remove" in asked.err
    assert "churn v1" in asked.err
    assert "--yes" in asked.err
    assert (up.root / BENTOS / "v1").is_dir()
    done: dict[str, Any] = up.run("prune", "--keep", "1", "--yes", "--reason", "tidy", "-o", "json").ok().json
    assert [each["version"] for each in done["removed"]] == ["v1"]
    assert {each["version"]: each["why"] for each in done["kept"]} == {
        "v3": ["it is the champion", "it is the newest"],
        "v2": ["sandbox rollback goes back to it", "the project's files make it"],
    }

    assert sorted(each.name for each in (up.root / BENTOS).iterdir() if each.is_dir()) == ["v2", "v3"]
    assert "nothing to remove" in up.run("prune", "--keep", "1").ok().out
    assert processes(up) == running
    gone = up.run("rollback", "v1")
    assert (gone.code, "It was removed at" in gone.err) == (2, True)
    assert changes(up) == [("promoted", "v3"), ("removed", "v1")]
    up.script(TRAIN, "churn", "0.00001")
    assert up.run("deploy", "--as", "challenger", "-o", "json").ok().json["version"] == "v4"
