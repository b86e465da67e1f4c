"""Which engines look for drift in a project's stack, which were asked for and cannot, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.packaging.environments import why_not
from mlsandbox.project import Project
from mlsandbox.stack.components.drift import ENVIRONMENT_WITH_ALIBI
from mlsandbox_serving.contract import DriftEngine

_LICENCE: Final = "licence of alibi-detect"


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


def idle_detectors(project: Project) -> tuple[str, ...]:
    """A sentence when detectors are set and the engine that they belong to was not asked for."""
    if not project.drift.detectors or DriftEngine.ALIBI in project.drift.engines:
        return ()
    names = ", ".join(each.name for each in project.drift.detectors)
    return (f"drift.detectors ({names}) has no effect: these are of alibi-detect, and drift.engines leaves {DriftEngine.ALIBI} out",)


def drift_engines(project: Project, engine: str) -> DriftEngines:
    """The engines that a project's stack has on an engine that runs it; images bring their Python along, child processes need one."""
    wanted = dict.fromkeys((DriftEngine.NATIVE, *project.drift.engines))
    why = why_not(ENVIRONMENT_WITH_ALIBI) if DriftEngine.ALIBI in wanted and engine != DOCKER else None
    if why is None:
        return DriftEngines(tuple(wanted))
    return DriftEngines(tuple(name for name in wanted if name != DriftEngine.ALIBI), {DriftEngine.ALIBI: why})


def licence_notes(engines: DriftEngines, told: Mapping[str, str]) -> tuple[str, ...]:
    """What alibi-detect may be used for, to be said before it is installed for a project, unless it was said there.

    Args:
        engines: of the stack.
        told: what was said once in this project, and when.
    """
    return (DriftEngine.LICENCE,) if DriftEngine.ALIBI in engines.on and _LICENCE not in told else ()


def with_licence_told(engines: DriftEngines, told: Mapping[str, str]) -> Mapping[str, str]:
    """The same as `told` once that was said."""
    return {**told, _LICENCE: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"} if licence_notes(engines, told) else told
