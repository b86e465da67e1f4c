"""A served model, and kubectl pointed at a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support.kubernetes import Server
from support.monitoring import program
from support.proved import Place, served_project


@pytest.fixture(scope="session", autouse=True)
def _kubectl(request: pytest.FixtureRequest) -> None:
    """All of these tests run it."""
    program(request, "kubectl")


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A project whose model is served."""
    with served_project(tmp_path_factory.mktemp("project")) as made:
        yield made


@pytest.fixture
def pointed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    """Lets kubectl know a server."""
    return lambda server: monkeypatch.setenv("KUBECONFIG", str(server.config))
