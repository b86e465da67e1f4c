"""`sandbox export compose`, `grafana` and `prometheus`: one part of the stack in a folder of its own, which runs without the tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mlsandbox.actions.export_compose import compose_part
from mlsandbox.actions.export_ejected import EjectOptions, Part
from mlsandbox.actions.export_grafana import grafana_part
from mlsandbox.actions.export_prometheus import prometheus_part
from mlsandbox.actions.export_tree import TreePlan, plan_tree
from mlsandbox.project import Project
from mlsandbox.render.tree import open_folder

PARTS: Final[Mapping[str, Callable[[Project, EjectOptions], Part]]] = {
    "compose": compose_part,
    "grafana": grafana_part,
    "prometheus": prometheus_part,
}


def part_of(project: Project, name: str, options: EjectOptions) -> Part:
    """The files of a part, one of PARTS; nothing is written.

    Raises:
        ImageMissing: what runs the models is not known.
        ConfigInvalid: `[stack.images]` is wrong.
    """
    return PARTS[name](project, options)


def plan_part(part: Part, folder: Path) -> TreePlan:
    """What makes the folder that part; all files that an export has written there are its own.

    Raises:
        ExportFolderTaken, FolderLinked: see `plan_tree`.
    """
    return plan_tree(folder, part.files, kind=part.name)


def write_part(part: Part, plan: TreePlan) -> None:
    """Do it."""
    plan.apply()
    for each in part.opened:
        open_folder(plan.folder, each)
