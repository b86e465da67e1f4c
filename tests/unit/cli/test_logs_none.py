"""`sandbox logs --id`: what is said when nothing is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.cli import logs
from mlsandbox_serving.contract import Field


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is logged, in a project in the current folder."""
    (tmp_path / "sandbox.toml").write_text('name = "a"\n[models.m]\npath = "m.onnx"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    logged: list[dict[str, Any]] = []

    def events(*_: object, **__: object) -> Iterator[dict[str, Any]]:
        return iter(logged)

    monkeypatch.setattr(logs, "events", events)
    return logged


@pytest.mark.parametrize("form", ["text", "jsonl", "json"])
def test_a_request_of_which_nothing_is_logged(found: list[dict[str, Any]], sandbox: Callable[..., Any], form: str) -> None:
    """An id that is not found must be named on standard error, and be no failure."""
    ran = sandbox("logs", "--id", "abc", "-o", form)

    assert ran.code == 0
    assert "Nothing is logged of request abc" in ran.err


def test_what_is_found_is_shown_alone(found: list[dict[str, Any]], sandbox: Callable[..., Any]) -> None:
    """With an event, or without an id, nothing must be said."""
    assert sandbox("logs", "--requests").err == ""
    found.append({Field.REQUEST_ID: "abc"})

    ran = sandbox("logs", "--id", "abc", "-o", "jsonl")
    assert (len(ran.out.splitlines()), ran.err) == (1, "")
