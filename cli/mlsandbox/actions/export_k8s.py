"""`sandbox export k8s`: the stack as manifests in a folder, or as one text."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from mlsandbox.actions.export_dangling import dangling, refuse_dangling
from mlsandbox.actions.export_kept import Kept, read_kept
from mlsandbox.actions.export_lock import alone_in
from mlsandbox.actions.export_place import refuse_file
from mlsandbox.actions.export_record import RECORD
from mlsandbox.actions.export_stack import LICENCE, ExportOptions, export_inputs, image_keys, named
from mlsandbox.actions.export_tree import OVERLAYS, TreePlan, plan_tree, standing
from mlsandbox.actions.export_written import K8S, PLAIN, Delivery, ExportResult, carried_out, command_as_said, folder_in_words
from mlsandbox.actions.measured_file import read_measured
from mlsandbox.actions.outcomes import PlannedStep, Report
from mlsandbox.errors import UsageError
from mlsandbox.project import Project
from mlsandbox.render.kubernetes.bundle import Export
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.kustomize import kustomize_files
from mlsandbox.render.kubernetes.overlays import DEV_STORE, USUAL
from mlsandbox.render.kubernetes.plain import plain_command, plain_text
from mlsandbox.render.tree import RenderedFile
from mlsandbox_serving.contract import ProfileFile

_PLAIN_FOLDER: Final = "plain/"
"""Plain lists lie beside a tree without being in its way."""


def export_k8s(project: Project, options: ExportOptions, delivery: Delivery, report: Report) -> ExportResult:
    """Render the stack and write it.

    Args:
        project: its settings.
        options: what is exported.
        delivery: where to, and how.
        report: told what happens.

    Raises:
        ImageMissing, ImageUnpinned, UsageError: what was asked for cannot be exported.
        ExportFolderTaken, FolderLinked: the folder holds files of somebody else.
        ComponentMissing: it cannot be had, or an overlay that is kept names it.
        NotRunning: nothing runs that could be measured.
        ImagePushFailed, …: see `push_images`.
    """
    began = time.monotonic()
    refuse_file(K8S, delivery.folder)
    if delivery.registry is not None and delivery.dry_run:
        return _planned(project, options, delivery, delivery.registry)
    options = _completed(project, options, delivery, report)
    with alone_in(delivery.folder, K8S, report, unless=delivery.writes_nothing):
        export, facts = rendered(project, options, delivery)
        plan = plan_tree(delivery.folder, _files(export, facts, delivery), kind=K8S, covers=_covers(delivery))
        broken = () if delivery.form == PLAIN else dangling(plan)
        if not delivery.check:
            refuse_dangling(broken, export.missing)
        _note_baselines(project, report)
        result = carried_out(_described(project, export, facts, delivery, plan), plan, delivery, report)
    return replace(result, dangling=broken, differs=result.differs or bool(broken), elapsed=time.monotonic() - began)


def export_text(project: Project, options: ExportOptions, delivery: Delivery, report: Report) -> str:
    """All objects of an overlay as one text; nothing is written.

    Raises:
        as `export_k8s`.
    """
    looking = replace(delivery, dry_run=True)
    _note_baselines(project, report)
    export, facts = rendered(project, _completed(project, options, looking, report), delivery)
    return plain_text(export, delivery.overlay, facts)


def rendered(project: Project, options: ExportOptions, delivery: Delivery) -> tuple[Export, ExportFacts]:
    """The export, with what was measured before."""
    refuse_file(K8S, delivery.folder)
    measured = options.measured or read_measured(delivery.folder)
    folder, outside = folder_in_words(project.root, delivery.folder, K8S), not delivery.folder.is_relative_to(project.root)
    spec, facts = export_inputs(project, replace(options, measured=measured, folder=folder, is_outside=outside))
    export = build_export(spec, facts)
    names = [each.name for each in export.overlays]
    if delivery.overlay not in names:
        raise UsageError(
            f"there is no overlay {delivery.overlay}",
            why=f"There are: {', '.join(names)}",
            fix=f"sandbox export k8s --format plain --overlay {names[0]}",
        )
    return export, facts


def _note_baselines(project: Project, report: Report) -> None:
    """A cluster compares live rows with the profile in the model's image."""
    from mlsandbox.packaging.baseline import baseline_folder  # noqa: PLC0415 - brings packaging along

    kept = [name for name in project.models if (baseline_folder(project, name) / ProfileFile.BASELINE).is_file()]
    if kept:
        report.note(
            f"the baseline of {', '.join(kept)} (sandbox drift baseline) stays in this project: in a cluster, live rows are compared with "
            "the reference that is in the model's image"
        )


def _completed(project: Project, options: ExportOptions, delivery: Delivery, report: Report) -> ExportOptions:
    """With what is asked of the running stack, and of a registry."""
    if delivery.measured:
        from mlsandbox.actions.export_measure import measure  # noqa: PLC0415 - brings the engines along

        options = replace(options, measured=measure(project, None if delivery.dry_run else delivery.folder, report))
    if delivery.registry is None:
        return options
    from mlsandbox.actions.export_images import push_images  # noqa: PLC0415 - brings packaging and Docker along

    given = dict(named(project, "--image", options.images, image_keys(project)))
    alibi = LICENCE in options.accepted_licences
    pushed = push_images(project, delivery.registry, report, alibi=alibi)
    return replace(options, images=tuple(f"{key}={image}" for key, image in {**pushed, **given}.items()))


def _planned(project: Project, options: ExportOptions, delivery: Delivery, registry: str) -> ExportResult:
    from mlsandbox.actions.export_images import planned_pushes  # noqa: PLC0415 - brings packaging and Docker along

    plan = (
        *planned_pushes(project, registry, alibi=LICENCE in options.accepted_licences),
        PlannedStep("write", str(delivery.folder), "with the digests that the registry gives these images"),
    )
    return ExportResult(project.name, delivery.folder, K8S, delivery.form, options.release, plan=plan, dry_run=True)


def _files(export: Export, facts: ExportFacts, delivery: Delivery) -> tuple[RenderedFile, ...]:
    """Those that are asked for, and the plain lists of before, so that none of them goes stale."""
    before = standing(delivery.folder, K8S)
    asked = {delivery.overlay} if delivery.form == PLAIN else set()
    lists = [each.name for each in export.overlays if each.name in asked or _list_of(each.name) in before]
    plain = [RenderedFile(_list_of(name), plain_text(export, name, facts)) for name in lists]
    return (*(() if delivery.form == PLAIN else kustomize_files(export, facts)), *plain)


def _list_of(overlay: str) -> str:
    return f"{_PLAIN_FOLDER}{overlay}.yaml"


def _covers(delivery: Delivery) -> Callable[[str], bool]:
    """Whether a file is of this export: a plain one leaves the tree as it is, which has its own command."""
    return lambda path: path != RECORD and (delivery.form != PLAIN or path.startswith(_PLAIN_FOLDER))


def _described(project: Project, export: Export, facts: ExportFacts, delivery: Delivery, plan: TreePlan) -> ExportResult:
    """The same for every way to write it."""
    command = plain_command(facts, delivery.overlay) if delivery.form == PLAIN else facts.command
    kept = read_kept(delivery.folder, plan.kept)
    there = {each.name: Kept(each.namespace, each.components) for each in export.overlays if _is_shown(each.name, delivery, plan)}
    shown = {name: found for name, overlay in there.items() if (found := kept.get(name, overlay)) is not None}
    used = {name for overlay in shown.values() for name in overlay.components}
    bundles = (export.base, *(each for each in export.components if each.name in used))
    return ExportResult(
        project=project.name,
        folder=delivery.folder,
        what=K8S,
        form=delivery.form,
        kubernetes=facts.label,
        namespaces={name: each.namespace or facts.namespace for name, each in shown.items()},
        overlays={name: each.components for name, each in shown.items()},
        yours=tuple(name for name in shown if name in kept),
        unreadable=tuple(name for name in there if name not in shown),
        missing={name: each for name, each in export.missing.items() if name in (*USUAL, DEV_STORE) and name not in facts.left_out},
        images=facts.images,
        command=command_as_said(command, project.root, delivery, K8S),
        todo=tuple(dict.fromkeys(text for bundle in bundles for text in bundle.todo)),
    )


def _is_shown(overlay: str, delivery: Delivery, plan: TreePlan) -> bool:
    """Whether an overlay is there once it is written."""
    return overlay == delivery.overlay if delivery.form == PLAIN else f"{OVERLAYS}{overlay}" not in plan.left_away
