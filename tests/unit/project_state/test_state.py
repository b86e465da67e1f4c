"""What a project remembers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mlsandbox.errors import StateTooNew
from mlsandbox.secrets import SHARED, ensure_secret
from mlsandbox.state import LoadedState, State, load_state, save_state, set_aside


def test_round_trip(tmp_path: Path) -> None:
    """A state must be read as it was written, into a folder that git does not see."""
    state = State("embedded", "127.0.0.1", {"api": 7310}, {"churn": "v3"}, told={"a licence": "2026-11-26T01:02:03Z"})

    save_state(tmp_path / ".sandbox", state)

    assert load_state(tmp_path / ".sandbox") == LoadedState(state)
    assert (tmp_path / ".sandbox" / ".gitignore").read_text("utf-8") == "*\n"
    assert sorted(path.name for path in (tmp_path / ".sandbox").iterdir()) == [".gitignore", "state.json"]


def test_fresh(tmp_path: Path) -> None:
    """A project without state must start with an empty one, and nothing may be written by reading."""
    assert load_state(tmp_path / ".sandbox") == LoadedState(State())
    assert not (tmp_path / ".sandbox").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"schema_version": 1, "unknown": 1}',
        '{"schema_version": 1, "ports": {"api": "7310"}}',
        '{"schema_version": 1, "told": ["a licence"]}',
        '{"schema_version": "1"}',
        '{"schema_version": 0}',
    ],
)
def test_unreadable(tmp_path: Path, text: str) -> None:
    """A state that cannot be read must be told, a fresh one stand in for it, and the file stay until it is moved aside."""
    (tmp_path / "state.json").write_text(text, "utf-8")

    loaded = load_state(tmp_path)

    assert loaded.state == State()
    assert loaded.problem
    assert (tmp_path / "state.json").read_text("utf-8") == text
    aside = set_aside(tmp_path)
    assert re.fullmatch(r"state\.json\.unreadable-\d{8}T\d{6}Z", aside.name)
    assert aside.read_text("utf-8") == text
    assert not (tmp_path / "state.json").exists()


def test_too_new(tmp_path: Path) -> None:
    """A state of a later version must be an error that says what to do, and stay as it is."""
    text = json.dumps({"schema_version": 2, "surprise": True})
    (tmp_path / "state.json").write_text(text, "utf-8")

    with pytest.raises(StateTooNew, match="a later version"):
        load_state(tmp_path)

    assert (tmp_path / "state.json").read_text("utf-8") == text


def test_secret(tmp_path: Path) -> None:
    """A secret must be made once, for its owner's eyes only, and stay."""
    path = ensure_secret(tmp_path, "hash-key")
    first = path.read_text("utf-8")

    assert re.fullmatch(r"[0-9a-f]{64}\n", first)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert ensure_secret(tmp_path, "hash-key").read_text("utf-8") == first


def test_secret_for_containers(tmp_path: Path) -> None:
    """A container's user needs the group's permission; the key is the same, and no engine takes the other's permission away."""
    first = ensure_secret(tmp_path, "hash-key").read_text("utf-8")

    shared = ensure_secret(tmp_path, "hash-key", mode=SHARED)

    assert (shared.stat().st_mode & 0o777, shared.parent.stat().st_mode & 0o777) == (0o640, 0o700)
    assert ensure_secret(tmp_path, "hash-key").stat().st_mode & 0o777 == 0o640
    assert shared.read_text("utf-8") == first


def test_secrets_that_came_with_the_project_are_closed_to_others(tmp_path: Path) -> None:
    """A folder of secrets that others may enter must be its owner's alone before a secret is written into it."""
    (tmp_path / "secrets").mkdir(mode=0o755)

    path = ensure_secret(tmp_path, "key", mode=SHARED)

    assert path.parent.stat().st_mode & 0o777 == 0o700
