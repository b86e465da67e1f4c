"""Which engines look for drift in a project's stack, which were asked for and cannot, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.packaging.environments import why_not
from mlsandbox.project import Project
from mlsandbox.stack.components.drift import ENVIRONMENT_WITH_ALIBI
from mlsandbox_serving.contract import DriftEngine


@dataclass(frozen=True, slots=True)
class DriftEngines:
    """The engines of a stack."""

    on: tuple[str, ...]
    off: Mapping[str, str] = field(default_factory=dict)
    """Those that were asked for, and why they are left out."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each that is left out."""
        return tuple(f"the drift engine {name} is left out: {why}" for name, why in self.off.items())


def drift_engines(project: Project, engine: str) -> DriftEngines:
    """The engines that a project's stack has on an engine that runs it; images bring their Python along, child processes need one."""
    wanted = dict.fromkeys((DriftEngine.NATIVE, *project.drift.engines))
    why = why_not(ENVIRONMENT_WITH_ALIBI) if DriftEngine.ALIBI in wanted and engine != DOCKER else None
    if why is None:
        return DriftEngines(tuple(wanted))
    return DriftEngines(tuple(name for name in wanted if name != DriftEngine.ALIBI), {DriftEngine.ALIBI: why})
