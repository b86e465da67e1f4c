"""Prometheus and Alertmanager are found by whatever name they are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.project_stack import programs_on_path


@pytest.mark.parametrize("name", ["alertmanager", "prometheus-alertmanager"])
def test_programs_are_found_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A program must be known by its own name, also where a distribution calls it something else."""
    (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert programs_on_path() == {"alertmanager": tmp_path / name}


def test_the_plain_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both there, the one that upstream publishes must be used."""
    for name in ("prometheus-alertmanager", "alertmanager"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert programs_on_path() == {"alertmanager": tmp_path / "alertmanager"}
