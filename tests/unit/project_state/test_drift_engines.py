"""Which drift engines a stack has on this machine, and what is said of one that it cannot have."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from mlsandbox.actions.drift_engines import DriftEngines, drift_engines, licence_notes, with_licence_told
from mlsandbox.errors import PythonMissing
from mlsandbox.packaging import environments
from mlsandbox.project import Project, read_project
from mlsandbox_serving.contract import DriftEngine


@pytest.fixture
def project() -> Project:
    """One with both engines."""
    return read_project(Path("/projects/a"), 'name = "a"\n[models.m]\npath = "m.onnx"\n[drift]\nengines = ["alibi"]\n', environ={})


@pytest.fixture
def no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any Python on which alibi-detect runs."""

    def missing(minor: str) -> NoReturn:
        raise PythonMissing(f"Python {minor} is not on this machine", why="", fix="")

    monkeypatch.setattr(environments, "find_python", missing)


def test_native_is_always_on(project: Project) -> None:
    """Whatever is asked for, it decides."""
    assert drift_engines(project, "docker") == DriftEngines((DriftEngine.NATIVE, DriftEngine.ALIBI))


def test_without_its_python_alibi_is_left_out_and_the_stack_is_not(project: Project, no_python: None) -> None:
    """One sentence must say why, and what to do."""
    found = drift_engines(project, "embedded")

    assert found.on == (DriftEngine.NATIVE,)
    (note,) = found.notes
    assert note.startswith("the drift engine alibi is left out: it runs on Python 3.11, 3.12")
    assert "uv python install 3.12" in note


def test_images_bring_their_python_along(project: Project, no_python: None) -> None:
    """With containers it does not matter what this machine has."""
    assert DriftEngine.ALIBI in drift_engines(project, "docker").on
    assert drift_engines(project, "docker").notes == ()


def test_the_licence_is_said_once_and_only_with_the_engine() -> None:
    """Who was told of it is not told again; without alibi there is nothing to say, and nothing is noted as said."""
    both, alone = DriftEngines((DriftEngine.NATIVE, DriftEngine.ALIBI)), DriftEngines((DriftEngine.NATIVE,))
    known = with_licence_told(both, {"another": "2026-11-26T01:02:03Z"})

    assert licence_notes(both, {}) == (DriftEngine.LICENCE,)
    assert licence_notes(both, known) == ()
    assert with_licence_told(both, known) == known
    assert (licence_notes(alone, {}), with_licence_told(alone, {})) == ((), {})
