"""The commands that tell of versions, on a project where nothing runs."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.history import parse_moment
from mlsandbox.actions.ledger_check import verify_ledger
from mlsandbox.cli import main
from mlsandbox.errors import LedgerBroken, UsageError
from mlsandbox.ledger import Action, stamp
from support.recorded import COLUMNS, EPOCH, Recorded

Sandbox = Callable[..., Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Two versions: v1, then v2, then back to v1, and v2 tried beside it; a minute between any two entries."""
    recorded = Recorded(tmp_path / "project")
    monkeypatch.chdir(recorded.root)
    recorded.package("v1")
    recorded.did(Action.DEPLOYED, "v1", endpoint="api")
    columns = (COLUMNS[0], {**COLUMNS[1], "categories": ["basic", "pro"]}, {"name": "city", "type": "string", "dtype": "object"})
    recorded.package("v2", columns=columns, lock="numpy==2.2.0\nlightgbm==4.5\n", metrics={"accuracy": 0.893}, parameters={"depth": 5})
    recorded.did(Action.DEPLOYED, "v2", endpoint="api", previous="v1", took=0.25, reason="better on last week's rows")
    recorded.did(Action.ROLLED_BACK, "v1", endpoint="api", previous="v2", reason="too many errors")
    recorded.did(Action.CHALLENGED, "v2", facts={"percent": 10.0, "shadow": False})
    recorded.remembers(served={"churn": "v1"}, beside={"churn": {"v2": {"role": "challenger", "percent": 10.0, "shadow": False}}})
    return recorded


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the time zone that is local, and puts it back."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def sandbox(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, zone: Callable[[str], None]) -> Iterator[Sandbox]:
    """Runs a command in this process, where clocks show UTC; gives its exit code and both of its outputs."""
    monkeypatch.setenv("NO_COLOR", "1")
    zone("UTC")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def minute(number: float) -> str:
    """The time so many minutes after the first entry's hour, as `--at` takes it."""
    return stamp(EPOCH + 60 * number)


def test_versions(project: Recorded, sandbox: Sandbox) -> None:
    """Every version must be listed, the newest first, with what it does, since when, and how good it was."""
    code, out, _ = sandbox("versions", "--json")
    rows = json.loads(out)["versions"]

    assert code == 0
    assert [(each["version"], each["role"], each["percent"]) for each in rows] == [("v2", "challenger", 10.0), ("v1", "champion", None)]
    assert [each["since"] for each in rows] == [minute(6), minute(5)]
    assert [each["created"] for each in rows] == [minute(3), minute(1)]
    text = sandbox("versions")[1]
    assert "challenger 10 %" in text
    assert "accuracy 0.893" in text
    assert "2" * 12 in text


def test_versions_of_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """With several models each must be told apart, one can be asked for, and one that is not there is a mistake of usage."""
    recorded = Recorded(tmp_path / "project", "churn", "price")
    monkeypatch.chdir(recorded.root)
    for model in recorded.models:
        recorded.package("v1", model=model)

    assert [each["model"] for each in json.loads(sandbox("versions", "--json")[1])["versions"]] == ["churn", "price"]
    assert [each["model"] for each in json.loads(sandbox("versions", "--model", "price", "--json")[1])["versions"]] == ["price"]
    code, _, err = sandbox("versions", "--model", "nope")
    assert (code, "Models: churn, price." in err) == (2, True)
    assert sandbox("show", "v1")[0] == 2


def test_versions_from_before_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """A package that the ledger does not know must be listed all the same."""
    recorded = Recorded(tmp_path / "project")
    monkeypatch.chdir(recorded.root)
    recorded.package("v1", recorded=False)

    (row,) = json.loads(sandbox("versions", "--json")[1])["versions"]

    assert (row["version"], row["created"], row["since"], row["role"]) == ("v1", "2026-11-03T09:00:00Z", None, None)
    assert sandbox("show", "v1")[0] == 0


@pytest.mark.parametrize("words", [("versions",), ("history",), ("where",), ("ledger", "verify")])
def test_a_project_without_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, words: tuple[str, ...]) -> None:
    """Where nothing was packaged yet, that must be said, and nothing be written."""
    recorded = Recorded(tmp_path / "project")
    monkeypatch.chdir(recorded.root)

    code, out, _ = sandbox(*words)

    assert code == 0
    assert "nothing was packaged" in out or "the ledger is empty" in out
    assert not (recorded.root / ".sandbox").exists()


def test_history(project: Recorded, sandbox: Sandbox) -> None:
    """Every entry must be told, the newest last: when, what, by whom and why; -n shows the newest, and how many more there are."""
    lines = sandbox("history")[1].splitlines()
    assert [line.split()[2] for line in lines[1:]] == ["v1", "v1", "v2", "v2", "v1", "v2"]
    assert "deployed, v1 before" in lines[4]
    assert "better on last week's rows" in lines[4]
    assert "tried on 10 % of the requests" in lines[6]
    last = json.loads(sandbox("history", "-n", "2", "--json")[1])
    assert ([each["sequence"] for each in last["entries"]], last["more"]) == ([5, 6], 4)


@pytest.mark.parametrize(
    ("at", "answered"),
    [
        (minute(1.99), []),
        (minute(2), ["v1"]),
        ("2026-11-03T10:03:58", ["v1"]),
        ("2026-11-03T10:03:59", ["v1", "v2"]),
        ("2026-11-03 10:03:59.749", ["v1"]),
        ("2026-11-03 10:03:59.750", ["v1", "v2"]),
        ("2026-11-03T10:03:59.999Z", ["v1", "v2"]),
        ("2026-11-03T10:04:00.000Z", ["v2"]),
        ("2026-11-03T11:04:00+01:00", ["v2"]),
        ("2026-11-03T10:04", ["v2"]),
        ("2026-11-03T10:04:59", ["v2"]),
        ("2026-11-03T10:05:00", ["v1"]),
        ("now", ["v1"]),
        ("1m ago", ["v1"]),
    ],
)
def test_history_at(project: Recorded, sandbox: Sandbox, at: str, answered: list[str]) -> None:
    """Who answered at a time must be told as exactly as the time was said, with and without a zone, at both ends of a switch."""
    code, out, _ = sandbox("history", "--at", at, "--json")

    (then,) = json.loads(out)["models"]
    assert (code, [each["version"] for each in then["answered"]]) == (0, answered)


def test_history_at_says_why(project: Recorded, sandbox: Sandbox) -> None:
    """Beside the version it must be told since when and until when it answered, who let it and why, and what ended it."""
    text = sandbox("history", "--at", "2026-11-03T10:04:30")[1]

    assert text.startswith("churn v2 answered at 2026-11-03 10:04:30\n")
    assert "since 2026-11-03 10:04:00.000 (the switch to it took 250 ms), until 2026-11-03 10:05:00.000" in text
    assert "better on last week's rows" in text
    assert "ended: v1 rolled back to by" in text
    assert "too many errors" in text
    assert sandbox("history", "--at", "2026-11-03T10:00:00")[1] == "churn: nobody answered at 2026-11-03 10:00:00\n"


@pytest.mark.parametrize("text", ["tomorrow", "", "2026-13-01", "10:00", "5", "-5m", "2999-01-01", "2026-11-26T12:00:01Z"])
def test_times_that_are_none(text: str) -> None:
    """What is no time, or still to come, must be a mistake of usage that shows how times are written."""
    with pytest.raises(UsageError) as refusal:
        parse_moment(text, datetime(2026, 11, 26, 12, tzinfo=UTC))
    assert "sandbox history --at" in refusal.value.fix


def test_times_are_local_without_a_zone(zone: Callable[[str], None]) -> None:
    """A time without a zone must be one of the clock here; how long ago is counted from now."""
    zone("HERE-2")
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)

    assert parse_moment("2026-11-03 10:00", now).time == datetime(2026, 11, 3, 8, tzinfo=UTC)
    assert parse_moment("90m ago", now).time == parse_moment("1.5h", now).time == now - timedelta(minutes=90)


def test_times_are_shown_as_they_can_be_asked_for(project: Recorded, sandbox: Sandbox, zone: Callable[[str], None]) -> None:
    """A time that `history` shows must be the same time when it is given to --at."""
    zone("HERE-2")
    shown = " ".join(sandbox("history")[1].splitlines()[5].split()[:2])

    assert shown == "2026-11-03 12:05:00"
    (then,) = json.loads(sandbox("history", "--at", shown, "--json")[1])["models"]
    assert [each["since"] for each in then["answered"]] == [minute(5)]


def test_show(project: Recorded, sandbox: Sandbox) -> None:
    """Everything that is known of a version must be told: from what it was made, how good it was, and what the ledger says of it."""
    text = sandbox("show", "v1")[1]

    for part in (
        "champion since 2026-11-03 10:05:00",
        "1,000 rows",
        "d" * 64,
        "c" * 40,
        "with changes that were not committed",
        "Python 3.11.7 · 2 distributions",
        "2 columns → class (no, yes) with probabilities",
        "depth = 3",
        "accuracy = 0.871",
        "scikit-learn = 1.7.1",
        "rolled back to, v2 before",
    ):
        assert part in text
    info = json.loads(sandbox("show", "v1", "--json")[1])
    assert info["kind"] == "VersionInfo"
    assert info["facts"]["parameters"] == {"depth": 3}
    assert info["path"].endswith("/bentos/churn/v1")


def test_show_two(project: Recorded, sandbox: Sandbox) -> None:
    """What is different in a second version must be told part by part: added, removed and changed; what is alike, too."""
    text = sandbox("show", "v1", "v2")[1]

    for line in (
        "~ accuracy 0.871 → 0.893  (+0.022)",
        "~ depth 3 → 5  (+2)",
        "~ plan.categories + pro  - plus",
        "+ city string",
        "~ numpy 2.1.0 → 2.2.0",
        "- scikit-learn 1.7.1",
        "+ lightgbm 4.5",
        "no difference in output, settings, code",
    ):
        assert line in text
    found = json.loads(sandbox("show", "v1", "v2", "--json")[1])["differences"]
    assert found["metrics"] == [
        {"name": "accuracy", "what": "changed", "before": 0.871, "after": 0.893, "difference": pytest.approx(0.022)},
    ]
    assert "their digests are equal" in sandbox("show", "v1", "v1")[1]


def test_show_a_version_whose_package_is_gone(project: Recorded, sandbox: Sandbox) -> None:
    """Of a version that was removed what the ledger kept must be told, and what cannot be compared any more."""
    project.did(Action.PACKAGED, "v0", facts={"parameters": {"depth": 2}, "metrics": {"accuracy": 0.8}})

    assert "its package was removed" in sandbox("show", "v0")[1]
    text = sandbox("show", "v0", "v1")[1]
    assert "~ accuracy 0.8 → 0.871  (+0.071)" in text
    assert "not known: a package was removed" in text


@pytest.mark.parametrize("words", [("show", "v9"), ("show", "v1", "v9"), ("show", "../v1")])
def test_versions_that_never_were(project: Recorded, sandbox: Sandbox, words: tuple[str, ...]) -> None:
    """A version that never was must be a mistake of usage that names those that are."""
    code, _, err = sandbox(*words)

    assert code == 2
    assert "VERSION_UNKNOWN" in err
    assert "Versions: v2, v1." in err


def test_a_ledger_that_is_whole(project: Recorded, sandbox: Sandbox) -> None:
    """How many entries there are, since when, and the digest that stands for all of them must be told."""
    code, out, _ = sandbox("ledger", "verify", "--json")
    found = json.loads(out)

    assert (code, found["entries"], found["first"], found["last"]) == (0, 6, minute(1), minute(6))
    assert found["head"] == json.loads(project.ledger.path.read_text().splitlines()[-1])["digest"]


def test_a_ledger_that_was_changed(project: Recorded, sandbox: Sandbox) -> None:
    """Each changed line must be named with what it says, the exit code be 3, and every command that tells of the ledger warn."""
    lines = project.ledger.path.read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace("better on", "worse on")
    project.ledger.path.write_text("".join([*lines[:1], *lines[2:]]))

    with pytest.raises(LedgerBroken) as refusal:
        verify_ledger(project.root)
    assert [each["line"] for each in refusal.value.details["problems"]] == [2, 3]  # type: ignore[attr-defined] # JSON
    assert "line 2 does not follow the line before it: 1 entry is missing there" in refusal.value.why
    assert "line 3 was changed after it was written; now it is entry 4: v2 of churn was deployed" in refusal.value.why
    assert sandbox("ledger", "verify")[0] == 3
    for words in (("versions",), ("history",), ("show", "v1")):
        code, _, err = sandbox(*words)
        assert code == 0
        assert "line 2 does not follow the line before it" in err
        assert "and 1 more" in err
