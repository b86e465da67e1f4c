"""The distribution, built once, and an environment that it is installed into."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlsandbox.packaging.pip_settings import uv_settings
from support.distribution import Built
from support.repository import ROOT

UV = str(Path(sys.executable).with_name("uv"))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Source distribution, the wheel made from it, and the wheel made straight from the checkout; without a network."""
    released, direct = tmp_path_factory.mktemp("released"), tmp_path_factory.mktemp("direct")
    build = [sys.executable, "-m", "build", "--no-isolation"]
    subprocess.run([*build, "--outdir", str(released), str(ROOT)], check=True, stdout=subprocess.PIPE)
    subprocess.run([*build, "--wheel", "--outdir", str(direct), str(ROOT)], check=True, stdout=subprocess.PIPE)
    return Built(next(released.glob("*.tar.gz")), next(released.glob("*.whl")), next(direct.glob("*.whl")))


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` folder of a fresh environment with the wheel, the versions of the lock, and nothing of the checkout."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    python = str(venv / "bin" / "python")
    for step in (
        ["venv", "--clear", "--python", sys.executable, str(venv)],
        ["pip", "sync", "--python", python, "--require-hashes", str(ROOT / "requirements" / "demo.txt")],
        ["pip", "install", "--python", python, "--no-deps", "--no-index", str(built.wheel)],
    ):
        if subprocess.run([UV, *step, "--quiet", "--offline"], env=_clean(), stderr=subprocess.PIPE, check=False).returncode != 0:
            subprocess.run([UV, *step, "--quiet"], env={**_clean(), **_pip_settings()}, check=True)
    return venv / "bin"


def _clean() -> dict[str, str]:
    """Without what would point uv at the environment that runs the tests."""
    return {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}


def _pip_settings() -> dict[str, str]:
    """Pip's settings for uv, less a constraint, which does not go with a hash lock."""
    return {key: value for key, value in uv_settings().env.items() if key != "UV_CONSTRAINT"}
