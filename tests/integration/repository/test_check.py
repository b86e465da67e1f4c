"""The steps of `make check`: which run side by side, and which must not."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from support.repository import ROOT

STEP = """
import pathlib, sys, time
name, fails, *beside = sys.argv[1:]
log = pathlib.Path("log")
with log.open("a") as file:
    file.write(f"{name} began\\n")
deadline = time.monotonic() + 60
while any(f"{each} began" not in log.read_text() for each in beside) and time.monotonic() < deadline:
    time.sleep(0.01)
print("output of", name)
with log.open("a") as file:
    file.write(f"{name} ended\\n")
sys.exit(int(fails))
"""


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The program, in a folder of its own."""
    spec = importlib.util.spec_from_file_location("tools_check", ROOT / "tools" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # its dataclasses look for it
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "OUTPUT", tmp_path / "outputs")
    former = signal.getsignal(signal.SIGTERM)
    yield module
    signal.signal(signal.SIGTERM, former)


def ran(
    check: ModuleType, monkeypatch: pytest.MonkeyPatch, names: Sequence[str], *, failing: str = "", together: Sequence[str] = ()
) -> int:
    """Run steps that write down when they begin and end; those `together` end only once all of them have begun."""
    steps = {
        name: [sys.executable, "-c", STEP, name, str(int(name == failing)), *(together if name in together else ())] for name in check.STEPS
    }
    monkeypatch.setattr(check, "STEPS", steps)
    return int(check.main(list(names)))


def test_what_runs_side_by_side(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """End-to-end tests must run beside others; those in containers not beside the rest of them, nor beside others that use the engine."""
    assert ran(check, monkeypatch, [], together=["unit", "e2e"]) == 0

    lines = (tmp_path / "log").read_text().splitlines()
    assert lines.index("packaging ended") < lines.index("e2e began") < lines.index("unit ended")
    assert max(lines.index(f"{name} ended") for name in ("conformance", "engine", "e2e")) < lines.index("docker began")
    shown = [line for line in capfd.readouterr().out.splitlines() if line.startswith("output of")]
    assert shown == [f"output of {name}" for name in check.STEPS]


@pytest.mark.parametrize("failing", ["engine", "e2e", "docker"])
def test_a_failed_step_stops_no_other(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], failing: str
) -> None:
    """All steps must run, whichever fails, and the failed one be named."""
    assert ran(check, monkeypatch, [], failing=failing) == 1

    assert (tmp_path / "log").read_text().count("ended") == len(check.STEPS)
    assert f"failed: {failing} (again: make check STEPS={failing})" in capfd.readouterr().out


def test_some_steps_alone(check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that were named must be the only ones that run."""
    assert ran(check, monkeypatch, ["docker", "e2e"]) == 0

    assert (tmp_path / "log").read_text().splitlines() == ["e2e began", "e2e ended", "docker began", "docker ended"]
