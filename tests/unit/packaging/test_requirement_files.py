"""What requirement files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.errors import RequirementsUnreadable
from mlsandbox.packaging.requirement_files import Requirement, parse_line, read_requirements


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "name", "version"),
    [
        ("scikit-learn==1.9.1", "scikit-learn", "1.9.1"),
        ("Scikit_Learn == 1.9.1", "scikit-learn", "1.9.1"),
        ("torch==2.13.0+cpu", "torch", "2.13.0+cpu"),
        ("uvicorn[standard]==0.54.0", "uvicorn", "0.54.0"),
        ("numpy>=2", "numpy", ""),
        ("numpy==2.*", "numpy", ""),
        ("numpy>=1,==1.26.4", "numpy", ""),
        ("numpy==2.4.6 ; python_version < '3.12'", "numpy", ""),
        ("numpy", "numpy", ""),
    ],
)
def test_line(line: str, name: str, version: str) -> None:
    """A line must give its normalized name, and a version only when it is pinned on every platform."""
    assert parse_line(line) == Requirement(line, name, version)


def test_text_file(tmp_path: Path) -> None:
    """Comments, options of pip, hashes and continued lines must be understood, and other files followed."""
    write(tmp_path / "more.txt", "pandas==3.1.1\n-r requirements.txt\n")
    path = write(
        tmp_path / "requirements.txt",
        "\ufeff# made by hand\n--index-url https://example.org/simple\n-r more.txt\n"
        "scikit-learn==1.9.1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nnumpy>=2  # a comment\n\n",
    )
    found = read_requirements(path)
    assert [each.line for each in found.lines] == ["pandas==3.1.1", "scikit-learn==1.9.1", "numpy>=2"]
    assert found.versions == {"pandas": "3.1.1", "scikit-learn": "1.9.1"}
    assert not found.unlockable


def test_places_are_not_versions(tmp_path: Path) -> None:
    """What is required from a path, a repository or a URL must be told apart from what an index can give."""
    path = write(
        tmp_path / "requirements.txt",
        "-e ./mine\nmodel-lib @ git+https://example.org/a/b\nother @ https://example.org/other-1.0-py3-none-any.whl\n"
        "git+https://example.org/a/c#egg=third\nnumpy==2.4.6\n",
    )
    found = read_requirements(path)
    assert [each.name for each in found.lines] == ["numpy"]
    assert set(found.unlockable) == {"mine", "model-lib", "other", "third"}


def test_pyproject_with_uv_lock(tmp_path: Path) -> None:
    """A project's dependencies must be what is wanted, at the versions of the lock beside them."""
    path = write(tmp_path / "pyproject.toml", '[project]\nname = "x"\nversion = "1"\ndependencies = ["scikit-learn>=1", "numpy==2.4.6"]\n')
    write(tmp_path / "uv.lock", LOCK)
    write(tmp_path / ".python-version", "3.12\n")
    found = read_requirements(path)
    assert [each.line for each in found.lines] == ["scikit-learn>=1", "numpy==2.4.6"]
    assert found.versions["scikit-learn"] == "1.9.1"
    assert found.python == "3.12"


def test_uv_lock(tmp_path: Path) -> None:
    """A uv.lock must give the project's direct dependencies pinned, know all versions, and single out what is local."""
    found = read_requirements(write(tmp_path / "uv.lock", LOCK))
    assert [each.line for each in found.lines] == ["scikit-learn==1.9.1"]
    assert found.versions == {"scikit-learn": "1.9.1", "joblib": "1.6.0"}
    assert set(found.unlockable) == {"mine"}


def test_mlflow_folder(tmp_path: Path) -> None:
    """An MLflow model must give its requirements and its Python, also when only conda.yaml lists them."""
    write(tmp_path / "a/requirements.txt", "mlflow==3.17.2\nscikit-learn==1.9.1\n")
    write(tmp_path / "a/python_env.yaml", "python: 3.11.7\nbuild_dependencies:\n- pip==24\n")
    write(
        tmp_path / "b/conda.yaml",
        "channels:\n- conda-forge\ndependencies:\n- python=3.12.1\n- pip<=24\n- pip:\n  - mlflow==3.17.2\n  - numpy==2.4.6\nname: env\n",
    )
    first, second = read_requirements(tmp_path / "a"), read_requirements(tmp_path / "b/conda.yaml")
    assert (first.python, first.versions) == ("3.11", {"mlflow": "3.17.2", "scikit-learn": "1.9.1"})
    assert (second.python, second.versions) == ("3.12", {"mlflow": "3.17.2", "numpy": "2.4.6"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool.poetry]\n"),
        ("pyproject.toml", "not toml ["),
        ("requirements.txt", "== 1.0\n"),
        ("uv.lock", "package = 3\n"),
    ],
)
def test_unreadable(tmp_path: Path, name: str, text: str) -> None:
    """A file that cannot be understood must be an error that names a remedy."""
    with pytest.raises(RequirementsUnreadable):
        read_requirements(write(tmp_path / name, text))
    with pytest.raises(RequirementsUnreadable):
        read_requirements(tmp_path / "missing.txt")


LOCK = """
version = 1
requires-python = ">=3.11"

[[package]]
name = "joblib"
version = "1.6.0"
source = { registry = "https://example.org/simple" }

[[package]]
name = "mine"
version = "0.1"
source = { directory = "../mine" }

[[package]]
name = "numpy"
version = "2.4.6"
source = { registry = "https://example.org/simple" }

[[package]]
name = "numpy"
version = "2.2.0"
source = { registry = "https://example.org/simple" }

[[package]]
name = "scikit-learn"
version = "1.9.1"
source = { registry = "https://example.org/simple" }

[[package]]
name = "x"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "scikit-learn" }, { name = "mine" }]
"""


@pytest.mark.parametrize(
    ("bounds", "admitted"),
    [
        ("", "3.11 3.12 3.13"),
        (">=3.11", "3.11 3.12 3.13"),
        (">=3.12,<3.13", "3.12"),
        ("==3.12.*", "3.12"),
        (">=3.11.4,<3.13.1", "3.11 3.12 3.13"),
        ("~=3.12", "3.12 3.13"),
        ("~=3.12.1", "3.12"),
        (">=3.11,!=3.12.*,!=3.13.0", "3.11 3.13"),
        ("<=3.12,>3", "3.11 3.12"),
        (">=3", "3.11 3.12 3.13"),
        (">=3.14", ""),
    ],
)
def test_admitted_pythons(tmp_path: Path, bounds: str, admitted: str) -> None:
    """`requires-python` of a project must tell which Python minor versions it may be served with."""
    text = f'[project]\nname = "x"\nversion = "1"\nrequires-python = "{bounds}"\ndependencies = ["numpy"]\n'
    found = read_requirements(write(tmp_path / "pyproject.toml", text))
    assert [minor for minor in ("3.11", "3.12", "3.13") if found.admits(minor)] == admitted.split()
