"""`sandbox keys`: where the key goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that asks for keys, in the current folder."""
    (tmp_path / "sandbox.toml").write_text('name = "a"\n[models.m]\npath = "m.onnx"\n[stack]\napi_keys = true\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_key_is_alone_on_standard_output(project: Path, sandbox: Callable[..., Any]) -> None:
    """The output of `add` must be the key and nothing else, so that it can be taken from there, and no other command shows it."""
    added = sandbox("keys", "add", "team-a")
    listed = sandbox("keys", "list")
    removed = sandbox("keys", "remove", "team-a")

    key = added.out.strip()
    assert (added.code, len(key)) == (0, 64)
    assert "shown this once" in added.err
    assert listed.out.splitlines()[:2] == ["sandbox", "team-a"]
    assert all(key not in text for text in (added.err, listed.out, listed.err, removed.out, removed.err))


def test_json_holds_no_key(project: Path, sandbox: Callable[..., Any]) -> None:
    """JSON, which ends up in logs, must hold names and places alone."""
    added = sandbox("keys", "add", "team-a", "-o", "json")

    kept = (project / ".sandbox/secrets/api-keys").read_text(encoding="utf-8")
    assert added.json["kind"] == "KeyChange"
    assert (added.json["name"], added.json["change"]) == ("team-a", "added")
    assert all(line.split()[-1] not in added.out + added.err for line in kept.splitlines())
    assert sandbox("keys", "list", "--json").json["names"] == ["sandbox", "team-a"]


@pytest.mark.parametrize("words", [("add",), ("remove",), ("list", "team-a")])
def test_a_name_where_one_belongs(project: Path, sandbox: Callable[..., Any], words: tuple[str, ...]) -> None:
    """A missing name, or one too many, must be a mistake of usage."""
    assert sandbox("keys", *words).code == 2
