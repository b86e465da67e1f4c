"""Environments in the cache: whole, shared, and nothing left of builds that were killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mlsandbox_serving
from mlsandbox.file_lock import exclusive
from mlsandbox.packaging.environments import service_environment
from mlsandbox.packaging.interpreters import find_python, of_pyenv, query
from support.waiting import wait_for

BUILD = "from mlsandbox.packaging.environments import service_environment; print(service_environment('log-store', report=print))"


@pytest.fixture
def envs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, in a folder with a space in its name."""
    cache = tmp_path / "a cache"
    monkeypatch.setenv("SANDBOX_CACHE_DIR", str(cache))
    return cache / "envs"


def test_log_store_runs_in_its_own(envs: Path) -> None:
    """The log store must run with nothing but what its own environment and the served code hold."""
    python = service_environment("log-store", report=print)
    services = Path(mlsandbox_serving.__file__).parents[1]
    code = "import mlsandbox_serving.log_store.process, sys; print(sys.prefix)"
    done = subprocess.run([python, "-c", code], env={"PYTHONPATH": str(services)}, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == python.parents[1]


def test_built_once(envs: Path) -> None:
    """Two commands that need the same environment at the same time must build it once, and both get it."""
    both = [subprocess.Popen([sys.executable, "-c", BUILD], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("building the environment" in text for text in said) == 1
    assert len({text.splitlines()[-1] for text in said}) == 1


def test_waiting_is_said(envs: Path) -> None:
    """Who waits for another command that builds the same environment must be told so."""
    folder = service_environment("log-store", report=print).parents[1]
    (folder / "environment.json").unlink()
    with exclusive(folder.with_name(f"{folder.name}.lock")):
        process = subprocess.Popen([sys.executable, "-u", "-c", BUILD], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("waiting for another command")
    assert "building the environment" in process.communicate(timeout=120)[0]
    assert process.returncode == 0


def test_killed_builds_are_removed(envs: Path) -> None:
    """What killed builds left must be removed by the next build; the folder of a build that still runs must not."""
    for name in ("dead-py3.11-x", "alive-py3.11-x"):
        (envs / f"{name}.tmp-1").mkdir(parents=True)
    with exclusive(envs / "alive-py3.11-x.lock"):
        service_environment("log-store", report=print)
        assert not (envs / "dead-py3.11-x.tmp-1").exists()
        assert (envs / "alive-py3.11-x.tmp-1").exists()


def test_build_killed_in_the_middle(envs: Path) -> None:
    """A build that is killed must not leave an environment that counts as built."""
    process = subprocess.Popen([sys.executable, "-u", "-c", BUILD], stdout=subprocess.DEVNULL)
    wait_for(lambda: list(envs.glob("*.tmp-*")), what="the build has begun", every=0.002)
    process.kill()
    process.wait()
    python = service_environment("log-store", report=print)
    assert subprocess.run([python, "-c", "import fluent.sender"], check=False).returncode == 0
    assert list(envs.glob("*.tmp-*")) == []


def test_what_an_interpreter_has() -> None:
    """An interpreter must tell its version, its distributions, and which of them holds a module."""
    found = query(Path(sys.executable), modules=frozenset({"sklearn", "no_such_module"}))
    assert found.python.split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    assert found.modules == {"sklearn": ("scikit-learn",)}
    assert {"numpy", "scipy", "joblib"} <= found.closure(("scikit-learn",))
    assert "pytest" not in found.closure(("scikit-learn",))
    assert "mlsandbox" in found.direct


def test_python_that_is_here() -> None:
    """The Python of our own version must be found, outside the virtual environment that we run in."""
    found = find_python(f"{sys.version_info[0]}.{sys.version_info[1]}")
    assert found.exists()
    assert Path(sys.prefix) not in found.parents


def test_python_that_the_project_names(tmp_path: Path) -> None:
    """An interpreter that a project names must be taken, as what it is an environment of, when it is of the right version."""
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    found = find_python(minor, near=tmp_path / "venv/bin/python")
    assert found.exists()
    assert tmp_path not in found.parents


def test_python_of_pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest Python that pyenv has must be found though its shim would not run."""
    for version in ("3.12.9", "3.12.10", "3.12-dev", "3.13.1"):
        python = tmp_path / "versions" / version / "bin" / f"python{version.rpartition('.')[0] if version[-1].isdigit() else '3.12'}"
        python.parent.mkdir(parents=True)
        python.touch()
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert of_pyenv("3.12") == tmp_path / "versions/3.12.10/bin/python3.12"
    assert of_pyenv("3.14") is None
