"""`sandbox export compose`, `grafana` and `prometheus`: one part of the stack, written into a folder of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from mlsandbox.actions.export_compose import compose_part, ejected_image_keys
from mlsandbox.actions.export_ejected import EjectOptions, Part, written_by
from mlsandbox.actions.export_grafana import grafana_part
from mlsandbox.actions.export_lock import alone_in
from mlsandbox.actions.export_prometheus import prometheus_part
from mlsandbox.actions.export_stack import ExportOptions, accepted, named, refuse_other_version
from mlsandbox.actions.export_tree import TreePlan, plan_tree
from mlsandbox.actions.export_written import Delivery, ExportResult, carried_out, command_as_said
from mlsandbox.actions.outcomes import Report
from mlsandbox.errors import UsageError
from mlsandbox.project import Project
from mlsandbox.render.tree import open_folder

PARTS: Final[Mapping[str, Callable[[Project, EjectOptions], Part]]] = {
    "compose": compose_part,
    "grafana": grafana_part,
    "prometheus": prometheus_part,
}


def eject(project: Project, what: str, options: ExportOptions, delivery: Delivery, report: Report) -> ExportResult:
    """Write one part.

    Args:
        project: its settings.
        what: one of PARTS.
        options: its images, versions, licences and folder are used.
        delivery: where to, and whether.
        report: told what happens.

    Raises:
        ImageMissing, UsageError, ConfigInvalid: what was asked for cannot be exported.
        ExportFolderTaken, FolderLinked: the folder holds files of somebody else.
    """
    began = time.monotonic()
    _refuse_of_others(what, options)
    told = EjectOptions(
        images=dict(named(project, "--image", options.images, ejected_image_keys(project), what=what)),
        versions=dict(named(project, "--version", options.versions, tuple(project.models), what=what)),
        alibi_accepted=accepted(options.accepted_licences, what=what),
        folder=options.folder,
    )
    for name, version in told.versions.items():
        refuse_other_version(name, told.images.get(name, ""), version)
    part = PARTS[what](project, told)
    command = command_as_said(written_by(what, told).command, project.root, delivery, what)
    result = ExportResult(project.name, delivery.folder, what, images=told.images, command=command, todo=part.notes)
    with alone_in(delivery.folder, part.name, report, unless=delivery.writes_nothing):
        plan = plan_tree(delivery.folder, part.files, kind=part.name)
        done = carried_out(result, plan, delivery, report, lambda: write_part(part, plan))
    return replace(done, elapsed=time.monotonic() - began)


def _refuse_of_others(what: str, options: ExportOptions) -> None:
    """What says nothing of this part must not look as if it did."""
    if what == "compose":
        return
    images = [f"--image {text}" for text in options.images if text.partition("=")[0] != what]
    given = [
        *images,
        *(f"--version {text}" for text in options.versions),
        *(f"--accept-license {name}" for name in options.accepted_licences),
    ]
    if given:
        raise UsageError(
            f"{given[0]} is not of {what}, which has no model and no service of the sandbox",
            fix=f"leave it out, or name the image of the program itself: sandbox export {what} --image {what}=REF",
        )


def write_part(part: Part, plan: TreePlan) -> None:
    """Do what was planned for it; containers can read it then."""
    plan.apply()
    for each in part.opened:
        open_folder(plan.folder, each)
