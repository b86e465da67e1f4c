"""The import contracts catch what they are there for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.repository import ROOT

PLANTED = {
    "served imports host": ("services/mlsandbox_serving/record.py", "import mlsandbox.errors", "served code never imports the host tool"),
    "host imports served": (
        "cli/mlsandbox/engines/embedded.py",
        "import mlsandbox_serving.record",
        "the host tool imports only the contract of the served code, saving also capture, supervise also handover",
    ),
    "host imports a framework": ("cli/mlsandbox/packaging/inspect.py", "import numpy", "the host tool imports no framework"),
    "use case imports a command": ("cli/mlsandbox/actions/down.py", "import mlsandbox.cli.app", "layers of the host tool"),
    "rendering imports an engine": ("cli/mlsandbox/render/processes.py", "import mlsandbox.engines.base", "layers of the host tool"),
    "supervisor imports the stack": (
        "cli/mlsandbox/supervise/service.py",
        "import mlsandbox.stack.spec",
        "the supervisor knows nothing of models",
    ),
    "spool imports a model": (
        "services/mlsandbox_serving/spool/writer.py",
        "import mlsandbox_serving.models",
        "events travel without knowing models",
    ),
    "a module in no layer": ("cli/mlsandbox/drawer.py", "", "layers of the host tool"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Both packages and the contracts, to be tampered with."""
    for package in ("cli/mlsandbox", "services/mlsandbox_serving"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environ = {**os.environ, "PYTHONPATH": f"{folder / 'cli'}{os.pathsep}{folder / 'services'}", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def test_as_it_is(copy: Path) -> None:
    """The code as it is must keep every contract."""
    done = _lint(copy)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("file", "line", "contract"), PLANTED.values(), ids=PLANTED.keys())
def test_planted_import_is_caught(copy: Path, file: str, line: str, contract: str) -> None:
    """An import that a contract forbids must break that contract, by name."""
    with (copy / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")

    done = _lint(copy)

    assert done.returncode == 1, done.stdout
    assert f"{contract} BROKEN" in " ".join(done.stdout.split())
