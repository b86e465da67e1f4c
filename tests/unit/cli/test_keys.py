"""`sandbox keys`: where the key goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.sight import Sight
from mlsandbox.cli import keys
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Observed, ObservedService
from mlsandbox.errors import EngineUnavailable
from mlsandbox.state import State as Remembered
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Env


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


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the command would have waited."""
    waited: list[float] = []
    monkeypatch.setattr("mlsandbox.cli.keys.time.sleep", waited.append)
    return waited


def running(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """A stack whose model service was started with these variables."""
    services = (ObservedService("api-v1", State.READY, "digest", recipe={"command": "bentoml", **variables}),)

    def look(root: Path) -> Sight:
        return Sight(root, ENGINES["embedded"](root), Observed(running=True, services=services), Remembered(ports={"api": 7310}))

    monkeypatch.setattr(keys, "look", look)


def no_engine(_: Path) -> Sight:
    raise EngineUnavailable("Docker does not answer", fix="start Docker")


def without_keys(project: Path) -> None:
    file = project / "sandbox.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("api_keys = true", "api_keys = false"), encoding="utf-8")


def test_a_stack_that_runs_knows_best(
    project: Path, sandbox: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    """Whether the API asks for keys must be told of the stack that runs: a flag of `up` may have set another host than sandbox.toml."""
    without_keys(project)
    running(monkeypatch, {Env.API_KEYS_FILE: "/keys"})

    added = sandbox("keys", "add", "team-a")
    assert "asks for none" not in added.err
    assert "The API asks for one of these." in sandbox("keys", "list").out
    assert slept == [1.1], "a change must be in effect when the command ends; a list changes nothing"


def test_a_stack_that_asks_for_none(
    project: Path, sandbox: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    """A stack that was started without keys must be told as one, and nothing waited for."""
    running(monkeypatch, {})

    assert "the API asks for none" in sandbox("keys", "add", "team-a").err
    assert "asks for no key" in sandbox("keys", "list").out
    assert slept == []


def test_keys_without_the_engine(project: Path, sandbox: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> None:
    """Keys must be had while the engine does not answer; then sandbox.toml says whether they are asked for."""
    monkeypatch.setattr(keys, "look", no_engine)

    assert sandbox("keys", "add", "team-a").code == 0
    assert "The API asks for one of these." in sandbox("keys", "list").out
    assert slept == []
