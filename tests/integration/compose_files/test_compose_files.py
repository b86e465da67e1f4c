"""What Compose itself and yamllint say of the files that are rendered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
REFERENCE = REPOSITORY / "compose/docker-compose.yml"
RENDERED = sorted((REPOSITORY / "tests/golden").glob("*/expected/docker-*/compose.yaml"))
FILES = [REFERENCE, *RENDERED]


def _named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def _compose(file: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "compose", "-f", str(file), *args]
    environ = {**os.environ, "PWD": str(REPOSITORY)}  # a shell sets it, and the reference is relative to it
    return subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def compose(request: pytest.FixtureRequest) -> None:
    """Docker's command line with Compose; an engine is not needed."""
    found = shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    if not found and request.config.getoption("--require-docker"):
        pytest.fail("there is no `docker compose`, and --require-docker was given")
    if not found:
        pytest.skip("there is no `docker compose`")


def test_files() -> None:
    """There must be a file for each profile, of one model and of several."""
    assert len(RENDERED) == 4


@pytest.mark.usefixtures("compose")
@pytest.mark.parametrize("file", FILES, ids=_named)
def test_compose_accepts(file: Path) -> None:
    """Compose must accept the file, without a word of warning."""
    done = _compose(file, "config", "-q")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.usefixtures("compose")
@pytest.mark.parametrize("file", FILES, ids=_named)
def test_compose_understands(file: Path) -> None:
    """What Compose reads must be what is meant: read-only containers, and ports on loopback alone."""
    read = json.loads(_compose(file, "config", "--format", "json").stdout)

    for service in read["services"].values():
        assert service["read_only"] is True
        assert {port["host_ip"] for port in service.get("ports", ())} <= {"127.0.0.1", "::1"}
    assert read["networks"]["back"]["internal"] is True


@pytest.mark.usefixtures("compose")
def test_paths_of_the_reference(tmp_path: Path) -> None:
    """The reference must take its paths from the folder in which it is used."""
    done = subprocess.run(
        ["docker", "compose", "-f", str(REFERENCE), "config", "--format", "json"],
        cwd=tmp_path,
        env={**os.environ, "PWD": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    services = json.loads(done.stdout)["services"]
    assert services["api-v1"]["labels"]["org.mlsandbox.root"] == str(tmp_path)


def test_yamllint() -> None:
    """Every file must be written as .yamllint says."""
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", *map(str, FILES)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (0, "")
