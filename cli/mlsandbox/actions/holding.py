"""Whether `sandbox up` is to keep a champion that was chosen by hand: it does until the project's files change."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from mlsandbox.actions.bring import Running
from mlsandbox.errors import SandboxError
from mlsandbox.packaging.store import find_package
from mlsandbox.project import Project


def held_for(now: Running, model: str, champion: str) -> Mapping[str, str]:
    """What `State.held` becomes when this version is to answer for a model, whatever its files make.

    Args:
        now: how the stack stands.
        model: its name.
        champion: the version that is to answer.
    """
    others = {name: version for name, version in now.remembered.held.items() if name != model}
    made = version_of_files(now.project, model)
    return others if made in (None, champion) else {**others, model: made}


def version_of_files(project: Project, model: str) -> str | None:
    """The version that a model's files make as they are; None when none was packaged of them. Builds nothing."""
    with suppress(SandboxError, OSError):  # files that cannot be packaged stand in the way of nobody but `up`
        package = find_package(project.models[model], root=project.root).package
        return package.version if package is not None else None
    return None
