"""Each check finds what it is for, and names a remedy."""

from __future__ import annotations

import os
import shutil
import time
from collections import namedtuple
from pathlib import Path

import pytest

from mlsandbox.actions.outcomes import UpOptions
from mlsandbox.actions.up import up
from mlsandbox.doctor import Examined, Finding, Report, Verdict
from mlsandbox.doctor.base import machine
from mlsandbox.doctor.cache import CacheCheck
from mlsandbox.doctor.clock import ClockCheck
from mlsandbox.doctor.configuration import ConfigurationCheck
from mlsandbox.doctor.disk import DiskCheck
from mlsandbox.doctor.folder import FolderCheck
from mlsandbox.doctor.state import StateCheck
from mlsandbox.errors import CheckFailed, ConfigInvalid
from mlsandbox.output import Output, Paint
from mlsandbox.progress import QuietReport
from mlsandbox.project import load_project
from mlsandbox.views.doctor import doctor_text

PROJECT = 'name = "churn"\n[models.churn]\npath = "model.onnx"\nreference = "gone.csv"\n'
Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - the shape of shutil.disk_usage


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose reference data is missing."""
    (tmp_path / "sandbox.toml").write_text(PROJECT)
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    monkeypatch.setenv("SANDBOX_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def verdicts(findings: list[Finding]) -> list[Verdict]:
    """The verdicts alone."""
    return [finding.verdict for finding in findings]


def test_configuration(root: Path) -> None:
    """A file that sandbox.toml names and that is not there must be a problem, with its line."""
    findings = list(ConfigurationCheck().run(Examined(root)))

    assert verdicts(findings) == [Verdict.OK, Verdict.PROBLEM]
    assert "reference of churn (sandbox.toml:4)" in findings[1].message


def test_wrong_configuration(root: Path) -> None:
    """A sandbox.toml that is wrong must be a problem that names the mistake, and no exception."""
    (root / "sandbox.toml").write_text(PROJECT + "x = 1\n")

    (finding,) = ConfigurationCheck().run(Examined(root))

    assert finding.verdict is Verdict.PROBLEM
    assert "models.churn.x" in finding.message
    assert finding.remedy


def test_state(root: Path) -> None:
    """A state.json that cannot be read must be a problem, and be set aside by --fix."""
    sandbox = root / ".sandbox"
    sandbox.mkdir()
    (sandbox / "state.json").write_text("{")

    assert verdicts(list(StateCheck().run(Examined(root)))) == [Verdict.PROBLEM, Verdict.OK]
    assert verdicts(list(StateCheck().run(Examined(root, fix=True)))) == [Verdict.FIXED, Verdict.OK]
    assert not (sandbox / "state.json").exists()


@pytest.mark.parametrize(("free", "expected"), [(10**11, Verdict.OK), (10**9, Verdict.WARNING), (5 * 10**7, Verdict.PROBLEM)])
def test_disk(root: Path, monkeypatch: pytest.MonkeyPatch, free: int, expected: Verdict) -> None:
    """Little room must be a warning, too little a problem."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(0, 0, free))

    assert verdicts(list(DiskCheck().run(Examined(root)))) == [expected, expected]


def test_clock(root: Path) -> None:
    """A clock that is earlier than a file must be a warning."""
    assert verdicts(list(ClockCheck().run(Examined(root)))) == [Verdict.OK]
    os.utime(root / "sandbox.toml", (time.time() + 10_000,) * 2)
    assert verdicts(list(ClockCheck().run(Examined(root)))) == [Verdict.WARNING]


def test_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that cannot be written must be a problem."""
    assert verdicts(list(CacheCheck().run(Examined(root)))) == [Verdict.OK]
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert verdicts(list(CacheCheck().run(Examined(root)))) == [Verdict.PROBLEM]


def test_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project folder that cannot be written must be a problem."""
    assert verdicts(list(FolderCheck().run(Examined(root)))) == [Verdict.OK]
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert verdicts(list(FolderCheck().run(Examined(root)))) == [Verdict.PROBLEM]


def test_captured_reference(root: Path) -> None:
    """Reference data that is gone must be no problem for a model that was captured with it."""
    (root / "capture.json").write_text("{}")

    assert verdicts(list(ConfigurationCheck().run(Examined(root)))) == [Verdict.OK, Verdict.WARNING]


def test_up_checks_first(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the checks find must end `up`, and its dry run, before anything is written."""
    (root / "capture.json").write_text("{}")
    before = sorted(root.iterdir())

    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(0, 0, 10**6))
    with pytest.raises(CheckFailed, match="1 MB free for environments, and at least 100 MB are needed") as full:
        up(load_project(root), "embedded", UpOptions(), QuietReport(Output()))
    (root / "model.onnx").unlink()
    with pytest.raises(ConfigInvalid, match=r"path of churn \(sandbox\.toml:3\) is not there"):
        up(load_project(root), "embedded", UpOptions(dry_run=True), QuietReport(Output()))

    assert "sandbox down --volumes" in full.value.fix
    assert sorted(root.iterdir()) == [path for path in before if path.name != "model.onnx"]


def test_text() -> None:
    """The text must name each verdict in words, show remedies, and count problems last."""
    report = Report((machine("uv", Verdict.OK, "uv 1"), machine("disk", Verdict.PROBLEM, "full", "make room")))

    text = doctor_text(report, Paint(on=False))

    assert text.splitlines()[-1] == "1 problem"
    assert (
        doctor_text(Report((machine("disk", Verdict.WARNING, "low"),) * 2), Paint(on=False)).splitlines()[-1] == "no problems, 2 warnings"
    )
    assert "✗ problem  disk          full" in text
    assert "make room" in text
