"""What every level shares: the marker of the folder a test lies in, the flag that rewrites golden files, and the Docker engine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support import docker_rig as rig

LEVELS = ("unit", "contract", "conformance", "integration", "packaging", "e2e")
_TESTS = Path(__file__).parent

# Users keep compiled modules; where this machine says otherwise, each of the thousands of processes would compile pandas and more anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# An example that takes long tells of a busy machine, not of a fault.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`: the files that a golden test compares with are written anew instead; read the diff before committing it.

    `--rounds`: how often versions are changed there and back under load.

    And `--require-docker`: what needs Docker fails where it cannot run, instead of being skipped; REQUIRE_DOCKER=1 says the same.
    """
    parser.addoption("--update-golden", action="store_true", help="write golden files anew instead of comparing with them")
    parser.addoption("--rounds", type=int, default=3, help="changes of version there and back under load")
    parser.addoption("--require-docker", action="store_true", default=rig.required(), help="fail where Docker is missing, skip nothing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its level, so that `pytest -m integration` means the folder wherever it is started from."""
    for item in items:
        level = item.path.relative_to(_TESTS).parts[0]
        if level not in LEVELS:
            raise pytest.UsageError(f"{item.path} lies in none of the levels {', '.join(LEVELS)}")
        item.add_marker(level)
        if "docker_rig" in getattr(item, "fixturenames", ()):
            item.add_marker("docker")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew (`pytest --update-golden`)."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often versions are to be changed there and back (`pytest --rounds`)."""
    return int(request.config.getoption("--rounds"))


@pytest.fixture(scope="session")
def docker_rig(request: pytest.FixtureRequest) -> rig.DockerRig:
    """A running Docker engine with all test images; without one the test is skipped, or fails with `--require-docker`."""
    try:
        return rig.ready()
    except rig.NoRig as missing:
        if request.config.getoption("--require-docker"):
            pytest.fail(f"Docker is required here: {missing}", pytrace=False)
        pytest.skip(f"Docker: {missing}")
