"""A model file becomes a project, looked at and never loaded."""

from __future__ import annotations

import os
import pickle
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsandbox.actions.init import InitOptions, init, project_for
from mlsandbox.errors import ConfigInvalid, InputUnreadable, ProjectExists, UntrustedModel


class Evil:
    """A pickle of this runs a command when it is loaded."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch ran",)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a plain Python model and reference data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "serve.py").write_text("class Predictor:\n    def predict(self, frame):\n        return frame\n")
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    return tmp_path


def test_init_writes_what_was_given(folder: Path) -> None:
    """Init must write one valid sandbox.toml with relative paths, and say what it made."""
    result = init(folder, InitOptions("serve.py:Predictor", reference=Path("data.csv"), target="b", name="churn"))

    written = tomllib.loads((folder / "sandbox.toml").read_text())
    assert result.created == ("sandbox.toml",)
    assert written == {
        "schema": 1,
        "name": "churn",
        "models": {"churn": {"path": "serve.py:Predictor", "reference": "data.csv", "target": "b"}},
    }


def test_files_outside_of_the_project_are_written_absolute(folder: Path) -> None:
    """A model that lies elsewhere must be named by its absolute path."""
    init(folder / "project", InitOptions("serve.py:Predictor"))

    path = tomllib.loads((folder / "project" / "sandbox.toml").read_text())["models"]["serve"]["path"]
    assert path == f"{folder / 'serve.py'}:Predictor"


def test_init_does_not_overwrite(folder: Path) -> None:
    """A sandbox.toml that is there must stay, unless --force is given."""
    (folder / "sandbox.toml").write_text("precious")

    with pytest.raises(ProjectExists):
        init(folder, InitOptions("serve.py:Predictor"))

    assert (folder / "sandbox.toml").read_text() == "precious"
    init(folder, InitOptions("serve.py:Predictor", force=True))
    assert "precious" not in (folder / "sandbox.toml").read_text()


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    """A dry run of init must say what it would make, and make nothing."""
    result = init(folder, InitOptions("serve.py:Predictor", dry_run=True))

    assert result.created == ("sandbox.toml",)
    assert not (folder / "sandbox.toml").exists()


def test_a_malicious_pickle_is_refused_unread(folder: Path) -> None:
    """A pickle that calls os.system must be refused by name, run nothing and leave nothing."""
    (folder / "model.pkl").write_bytes(pickle.dumps(Evil()))

    with pytest.raises(UntrustedModel) as caught:
        init(folder, InitOptions("model.pkl"))

    assert "system" in caught.value.why
    assert not (folder / "ran").exists()
    assert not (folder / "sandbox.toml").exists()


@pytest.mark.parametrize("options", [InitOptions("gone.joblib"), InitOptions("serve.py:Predictor", reference=Path("gone.csv"))])
def test_missing_files_are_named(folder: Path, options: InitOptions) -> None:
    """A file that is not there must be named before anything is written."""
    with pytest.raises(InputUnreadable, match="gone"):
        init(folder, options)
    assert not (folder / "sandbox.toml").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "has no rows"), ("a,b\n", "has no rows"), ("a,c\n1,2\n", "has no column 'b'"), ("\x00\xff", "cannot be read")],
)
def test_a_reference_that_cannot_be_one(folder: Path, text: str, problem: str) -> None:
    """A CSV file without rows, or without the labels, must be refused before anything is written."""
    (folder / "odd.csv").write_bytes(text.encode("latin-1"))

    with pytest.raises(InputUnreadable, match=problem):
        init(folder, InitOptions("serve.py:Predictor", reference=Path("odd.csv"), target="b"))
    assert not (folder / "sandbox.toml").exists()


def test_a_wrong_name_is_refused(folder: Path) -> None:
    """A name that no project can have must be refused before anything is written."""
    with pytest.raises(ConfigInvalid):
        init(folder, InitOptions("serve.py:Predictor", name="Not A Name"))
    assert not (folder / "sandbox.toml").exists()


def test_up_of_a_file_makes_a_project_once(folder: Path) -> None:
    """`sandbox up FILE` must make a project the first time and take that one from then on, but not one of another model."""
    first = project_for(folder, InitOptions("serve.py:Predictor"))
    again = project_for(folder, InitOptions("serve.py:Predictor"))
    (folder / "other.py").write_text((folder / "serve.py").read_text())

    assert first.models.keys() == again.models.keys() == {"serve"}
    with pytest.raises(ProjectExists, match="another model"):
        project_for(folder, InitOptions("other.py:Predictor"))


def test_up_of_a_file_in_a_dry_run(folder: Path) -> None:
    """`sandbox up FILE --dry-run` must see the project that would be made, and write nothing."""
    project = project_for(folder, InitOptions("serve.py:Predictor", dry_run=True))

    assert list(project.models) == ["serve"]
    assert not (folder / "sandbox.toml").exists()
