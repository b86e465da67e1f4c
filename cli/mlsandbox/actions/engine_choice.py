"""Which engine runs the stack, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlsandbox import docker_host
from mlsandbox.engines import ENGINES
from mlsandbox.project import Project
from mlsandbox.state import load_state

AUTO: Final = "auto"
DOCKER: Final = "docker"
"""The engine that runs containers."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """One of `engines.ENGINES`, and the reason."""

    name: str
    why: str


def choose_engine(project: Project) -> EngineChoice:
    """The engine that the project's settings lead to: the one they name, else the one that runs its stack, else Docker if it answers.

    Raises:
        EngineUnavailable: they name Docker, and it does not answer.
    """
    asked = project.origin("stack.engine")
    if asked.value == DOCKER:
        docker_host.connect().close()
    if asked.value != AUTO:
        return EngineChoice(str(asked.value), f"asked for by {asked.source}")
    remembered = load_state(project.state_dir).state.engine
    if remembered == "embedded" and ENGINES[remembered](project.root).observe().running:
        return EngineChoice(remembered, "the stack runs on it")
    if docker_host.answers():
        return EngineChoice(DOCKER, "Docker answers")
    return EngineChoice("embedded", "Docker does not answer")
