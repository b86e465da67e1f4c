"""The lock file of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.errors import CommandFailed, LockConflict, NotLockable
from mlsandbox.packaging.lock import Moved, lock_inputs, lock_model, lock_path, lock_solution_error, parse_lock, read_lock
from mlsandbox.packaging.origin import Origin
from mlsandbox.packaging.requirement_files import Requirement

INPUTS = lock_inputs({"roots": ["scikit-learn"]})
TEXT = f"""# mlsandbox lock: model=churn python=3.11 inputs={INPUTS}
# environment from capture.json (scikit-learn 1.9.1, Python 3.11)
# moved: attrs 24.2.0 -> 23.1.0
attrs==23.1.0 \\
    --hash=sha256:00
scikit-learn==1.9.1 \\
    --hash=sha256:11
"""
ORIGIN = Origin("capture.json", "3.11", (Requirement("numpy==1.25.0", "numpy", "1.25.0"),), versions={"numpy": "1.25.0"})


def test_what_a_lock_says() -> None:
    """A lock must tell its Python, versions, origin and what moved."""
    lock = parse_lock(TEXT)
    assert lock is not None
    assert lock.python == "3.11"
    assert lock.versions == {"attrs": "23.1.0", "scikit-learn": "1.9.1"}
    assert lock.origin == "environment from capture.json (scikit-learn 1.9.1, Python 3.11)"
    assert lock.moved == (Moved("attrs", "24.2.0", "23.1.0"),)


def test_digest_is_of_the_requirements() -> None:
    """Comments must not make another environment of a lock; a version must."""
    texts = (TEXT, TEXT + "# a note\n", TEXT.replace("23.1.0 \\", "23.2.0 \\"))
    first, commented, edited = (lock.digest for lock in map(parse_lock, texts) if lock)
    assert first == commented != edited


def test_edited_lock_is_kept(tmp_path: Path) -> None:
    """A lock must be taken as it lies, edited or not, while its inputs are the same, and not when they are others."""
    path = tmp_path / "requirements.lock"
    path.write_text(TEXT.replace("23.1.0 \\", "23.2.0 \\"))
    lock = read_lock(path, inputs=INPUTS)
    assert lock is not None
    assert lock.versions["attrs"] == "23.2.0"
    assert read_lock(path, inputs=lock_inputs({"roots": ["xgboost"]})) is None
    assert read_lock(tmp_path / "none", inputs=INPUTS) is None


def test_two_models_in_one_folder(tmp_path: Path) -> None:
    """Each of two models in one folder must have a lock of its own."""
    assert lock_path(tmp_path, "churn").name == "requirements.lock"
    (tmp_path / "requirements.lock").write_text(TEXT)
    assert lock_path(tmp_path, "churn").name == "requirements.lock"
    assert lock_path(tmp_path, "other").name == "other.requirements.lock"


def test_foreign_lock_is_not_ours(tmp_path: Path) -> None:
    """A file that another tool wrote must not be taken for a lock of ours."""
    (tmp_path / "requirements.lock").write_text("numpy==2.4.6\n")
    assert read_lock(lock_path(tmp_path, "churn"), inputs=INPUTS) is None


def test_not_lockable(tmp_path: Path) -> None:
    """A package that only this machine has must be named with the reason, before anything is resolved."""
    origin = Origin("capture.json", "3.11", (), unlockable={"mine": "editable install from file:///home/me/mine"})
    with pytest.raises(NotLockable, match="mine") as caught:
        lock_model(origin, model="churn", inputs=INPUTS, path=tmp_path / "requirements.lock", root=tmp_path, report=print)
    assert "editable install" in caught.value.why
    assert "code=" in caught.value.fix


def test_conflict_names_both_sides() -> None:
    """A conflict must say what the model needs and what serving needs."""
    said = "error: No solution found when resolving dependencies\n  cause: Because you require numpy>=1.26 and numpy==1.25.0, …\n"
    error = CommandFailed("locking failed", fix="uv", details={"stderr": said})
    conflict = lock_solution_error(error, ORIGIN, "churn")
    assert isinstance(conflict, LockConflict)
    assert "the model needs numpy==1.25.0" in conflict.why
    assert "serving needs numpy>=1.26" in conflict.why
    assert "pandas" not in conflict.why


def test_other_failures_stay_what_they_are() -> None:
    """A failure that is no conflict must be passed on unchanged."""
    error = CommandFailed("locking failed", fix="uv", details={"stderr": "error: disk full"})
    assert lock_solution_error(error, ORIGIN, "churn") is error
