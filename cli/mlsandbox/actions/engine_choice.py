"""Which engine runs the stack, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlsandbox.errors import EngineUnavailable
from mlsandbox.project import Project

AVAILABLE: Final = ("embedded",)
"""The names of `engines.ENGINES`, known without importing what engines need."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """One of AVAILABLE, and the reason."""

    name: str
    why: str


def choose_engine(project: Project) -> EngineChoice:
    """The engine that the project's settings lead to.

    Raises:
        EngineUnavailable: the one they name is not part of this version.
    """
    asked = project.origin("stack.engine")
    if asked.value == "auto":
        return EngineChoice("embedded", "the docker engine is not part of this version")
    if asked.value not in AVAILABLE:
        raise EngineUnavailable(
            f"the {asked.value} engine is not part of this version",
            why=f"It was asked for by {asked.source}; this version runs stacks as child processes (embedded).",
            fix="sandbox up --engine embedded",
            details={"engine": asked.value, "source": asked.source},
        )
    return EngineChoice(str(asked.value), f"asked for by {asked.source}")
