"""Resolving a model's environment with uv."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from mlsandbox.packaging.lock import Lock, Moved, lock_inputs, lock_model
from mlsandbox.packaging.origin import Origin
from mlsandbox.packaging.requirement_files import Requirement


def lock(root: Path, origin: Origin) -> Lock:
    return lock_model(origin, model="churn", inputs=lock_inputs({}), path=root / "requirements.lock", root=root, report=print)


def wheel(folder: Path, name: str, version: str) -> Path:
    """An empty distribution."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in files.items()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project folder with a space in its name."""
    folder = tmp_path / "a project"
    folder.mkdir()
    return folder


def test_roots_stay_and_the_rest_is_preferred(root: Path) -> None:
    """Roots and numpy must be exact, other captured versions kept where serving allows, and what moved must be told."""
    versions = {"joblib": "1.5.0", "numpy": "2.4.0", "packaging": "25.0", "pip-requirements-parser": "30.0.0", "flask": "3.0.0"}
    origin = Origin("capture.json", "3.11", (Requirement("joblib==1.5.0", "joblib", "1.5.0"),), versions=versions)
    found = lock(root, origin)
    assert {name: found.versions[name] for name in ("joblib", "numpy", "packaging")} == {
        name: versions[name] for name in ("joblib", "numpy", "packaging")
    }
    assert "flask" not in found.versions
    assert [each for each in found.moved if each.name == "pip-requirements-parser"] == [
        Moved("pip-requirements-parser", "30.0.0", found.versions["pip-requirements-parser"])
    ]


def test_same_inputs_same_lock(root: Path) -> None:
    """Locking twice, with and without the first lock lying there, must give the same bytes."""
    origin = Origin("capture.json", "3.11", (Requirement("joblib==1.5.0", "joblib", "1.5.0"),), versions={"joblib": "1.5.0"})
    first = lock(root, origin)
    assert lock(root, origin) == first
    (root / "requirements.lock").unlink()
    assert lock(root, origin) == first


def test_local_build_from_find_links(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local build (torch's "+cpu") that pip finds in its find-links must be locked as captured, without the folder's name."""
    links = tmp_path / "links"
    file = wheel(links, "toy_tensor_library", "1.0+cpu")
    wheel(links, "toy_tensor_library", "1.0")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    origin = Origin(
        "capture.json",
        "3.11",
        (Requirement("toy-tensor-library==1.0+cpu", "toy-tensor-library", "1.0+cpu"),),
        versions={"toy-tensor-library": "1.0+cpu"},
    )
    found = lock(root, origin)
    assert found.versions["toy-tensor-library"] == "1.0+cpu"
    assert hashlib.sha256(file.read_bytes()).hexdigest() in found.text
    assert str(links) not in found.text


def test_constraints_of_pip(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Constraints that the user configured for pip must hold beside ours."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("packaging==25.0\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraints))
    versions = {"joblib": "1.5.0", "numpy": "2.4.0"}
    found = lock(root, Origin("capture.json", "3.11", (Requirement("joblib==1.5.0", "joblib", "1.5.0"),), versions=versions))
    assert (found.versions["packaging"], found.versions["numpy"]) == ("25.0", "2.4.0")


def test_arrow_that_reads_numpy_1(root: Path) -> None:
    """Beside a numpy 1 the lock must hold a pyarrow that works with it, which its metadata does not tell."""
    origin = Origin("capture.json", "3.11", (Requirement("numpy==1.26.4", "numpy", "1.26.4"),), versions={"numpy": "1.26.4"})
    found = lock(root, origin)
    assert found.versions["numpy"] == "1.26.4"
    assert int(found.versions["pyarrow"].partition(".")[0]) < 22
