"""`sandbox export compose`, `grafana` and `prometheus`: one part of the stack, written into a folder of its own."""

from __future__ import annotations

import time
from dataclasses import replace

from mlsandbox.actions.export_compose import image_keys
from mlsandbox.actions.export_ejected import EjectOptions, written_by
from mlsandbox.actions.export_parts import part_of, plan_part, write_part
from mlsandbox.actions.export_stack import ExportOptions, accepted, named
from mlsandbox.actions.export_written import Delivery, ExportResult, carried_out
from mlsandbox.actions.outcomes import Report
from mlsandbox.project import Project


def eject(project: Project, what: str, options: ExportOptions, delivery: Delivery, report: Report) -> ExportResult:
    """Write one part.

    Args:
        project: its settings.
        what: one of `export_parts.PARTS`.
        options: its images, versions, licences and folder are used.
        delivery: where to, and whether.
        report: told what happens.

    Raises:
        ImageMissing, UsageError, ConfigInvalid: what was asked for cannot be exported.
        ExportFolderTaken, FolderLinked: the folder holds files of somebody else.
    """
    began = time.monotonic()
    told = EjectOptions(
        images=dict(named(project, "--image", options.images, image_keys(project))),
        versions=dict(named(project, "--version", options.versions, tuple(project.models))),
        alibi_accepted=accepted(options.accepted_licences),
        folder=options.folder,
    )
    part = part_of(project, what, told)
    plan = plan_part(part, delivery.folder)
    result = ExportResult(project.name, delivery.folder, what, images=told.images, command=written_by(what, told).command, todo=part.notes)
    done = carried_out(result, plan, delivery, report, lambda: write_part(part, plan))
    return replace(done, elapsed=time.monotonic() - began)
