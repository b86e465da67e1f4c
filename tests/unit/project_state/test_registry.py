"""Which stacks a machine has."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlsandbox.registry import Entry, Registry
from mlsandbox.stack.ports import Availability, Machine

FREE = Machine(lambda _number: Availability.FREE, lambda _number: None)


def _project(folder: Path, name: str) -> Entry:
    (folder / name / ".sandbox").mkdir(parents=True)
    return Entry(name, str(folder / name), "embedded", "127.0.0.1", {})


def _reserve(registry: Registry, entry: Entry) -> int:
    return registry.reserve(entry, ["api"], pinned={}, running={}, machine=FREE).ports["api"]


def test_two_projects(tmp_path: Path) -> None:
    """Two projects must get two blocks, each the same one again."""
    registry = Registry(tmp_path / "state")
    one, two = _project(tmp_path, "one"), _project(tmp_path, "two")

    assert [_reserve(registry, one), _reserve(registry, two)] == [7310, 7320]
    known = {entry.name: entry for entry in registry.entries()}
    assert [_reserve(registry, known["two"]), _reserve(registry, known["one"])] == [7320, 7310]


def test_choosing_alone(tmp_path: Path) -> None:
    """`up --dry-run` must see the ports that `up` would take, those of other stacks left out, and note nothing."""
    registry = Registry(tmp_path / "state")
    _reserve(registry, _project(tmp_path, "one"))
    before = sorted(path.name for path in (tmp_path / "state").rglob("*"))
    two = _project(tmp_path, "two")

    chosen = registry.choose(two, ["api"], pinned={}, running={}, machine=FREE)

    assert chosen.ports == {"api": 7320}
    assert sorted(path.name for path in (tmp_path / "state").rglob("*")) == before
    assert _reserve(registry, two) == 7320


def test_a_port_of_what_still_runs(tmp_path: Path) -> None:
    """A version that starts beside the one it replaces must not get the port that this one holds until it stops."""
    registry = Registry(tmp_path / "state")
    held = {"api": 7310, "direct-api-v1": 7320}
    machine = Machine(lambda number: Availability.TAKEN if number in held.values() else Availability.FREE, lambda _number: None)
    entry = replace(_project(tmp_path, "one"), ports=held)

    chosen = registry.choose(entry, ["api", "direct-api-v2"], pinned={}, running=held, machine=machine)

    assert chosen.ports == {"api": 7310, "direct-api-v2": 7321}
    assert chosen.moved == ()


def test_vanished_project(tmp_path: Path) -> None:
    """A project whose folder is gone must not be listed, and its ports be free for others."""
    registry = Registry(tmp_path / "state")
    _reserve(registry, _project(tmp_path, "one"))
    shutil.rmtree(tmp_path / "one")

    assert registry.entries() == ()
    assert _reserve(registry, _project(tmp_path, "two")) == 7310


def test_forgotten_project(tmp_path: Path) -> None:
    """A project whose data was removed must not be listed any more."""
    registry = Registry(tmp_path / "state")
    _reserve(registry, _project(tmp_path, "one"))

    registry.forget(tmp_path / "one")

    assert registry.entries() == ()


def test_unreadable_entry(tmp_path: Path) -> None:
    """A file that cannot be read must be dropped: the next `up` of its project writes it again."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "a.json").write_text("{", "utf-8")

    assert Registry(tmp_path).entries() == ()
    assert list((tmp_path / "stacks").iterdir()) == []


def test_folder_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SANDBOX_STATE_DIR must say where the registry lies."""
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path / "elsewhere"))

    _reserve(Registry(), _project(tmp_path, "one"))

    assert len(list((tmp_path / "elsewhere" / "stacks").iterdir())) == 1
