"""The script behind `make demo` and `make test`; no process may start in these tests, so "does nothing" is meant literally."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.repository import ROOT


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, at work in a checkout of its own with locks and an environment that is up to date for `test`."""
    spec = importlib.util.spec_from_file_location("checkout_setup", ROOT / "tools" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for name in ("pyproject.toml", "requirements/demo.txt", "requirements/test.txt", "requirements/torch.in"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / ".venv" / ".setup.json").write_text(module._stamp("test"), encoding="utf-8")
    return module


@pytest.mark.parametrize("group", ["test", "demo"])
def test_second_run_does_nothing(setup: ModuleType, tmp_path: Path, group: str) -> None:
    """With the same locks a second setup must start no program, and the test environment must do for the demo as well."""
    setup.ensure(tmp_path / ".venv", group)


@pytest.mark.parametrize("change", ["requirements/test.txt", "pyproject.toml", ".venv/bin/python", "checkout"])
def test_changes_are_seen(setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """A changed lock or project, a vanished interpreter or a moved checkout must bring the setup back to work."""
    if change == "checkout":
        tmp_path.rename(tmp_path.with_name("moved"))
        monkeypatch.setattr(setup, "ROOT", tmp_path.with_name("moved"))
    elif change.endswith("python"):
        (tmp_path / change).unlink()
    else:
        (tmp_path / change).write_text("changed", encoding="utf-8")

    with pytest.raises(BaseException, match="may not start a process"):
        setup.ensure(setup.ROOT / ".venv", "test")


def test_newest_python_on_path(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """When `python3` is too old, the newest supported Python on PATH must be taken."""
    versions = {sys.executable: (3, 9), "/usr/bin/python3.12": (3, 12), "/usr/bin/python3.11": (3, 11)}
    monkeypatch.setattr(setup, "python_version", versions.get)
    monkeypatch.setattr(setup.shutil, "which", lambda name: f"/usr/bin/{name}" if f"/usr/bin/{name}" in versions else None)

    assert setup.find_python() == "/usr/bin/python3.12"


def test_no_python(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any supported Python the message must name the commands that install one."""
    monkeypatch.setattr(setup, "python_version", lambda _python: (3, 9))

    with pytest.raises(setup.SetupFailed, match=r"apt-get install python3[\s\S]*brew install"):
        setup.find_python()
