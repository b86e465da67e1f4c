"""`sandbox export`, whichever it is: a folder is written or checked, a text is made, or all of it is held to a cluster."""
# ruff: noqa: PLC0415 - what is slow to import is needed by some of them alone

from __future__ import annotations

from dataclasses import dataclass, replace

from mlsandbox.actions.export_stack import ExportOptions
from mlsandbox.actions.export_written import K8S, Delivery, ExportResult, folder_in_words
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.prove_result import ProveResult
from mlsandbox.project import Project


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for."""

    what: str
    """"k8s", or one of `eject.PARTS`."""
    options: ExportOptions
    delivery: Delivery
    stdout: bool = False
    """A text is wanted, and no folder."""
    prove: bool = False
    context: str | None = None
    """Of kubectl's settings."""
    timeout: float | None = None
    """Seconds for a proof."""


def export(project: Project, asked: Asked, report: Report) -> ExportResult | ProveResult | str:
    """Do it.

    Raises:
        as `eject`, `export_k8s` and `prove_export`.
    """
    if asked.what != K8S:
        from mlsandbox.actions.eject import eject

        folder = folder_in_words(project.root, asked.delivery.folder, asked.what)
        return eject(project, asked.what, replace(asked.options, folder=folder), asked.delivery, report)
    from mlsandbox.actions.export_k8s import export_k8s, export_text, rendered

    if asked.prove:
        from mlsandbox.actions.prove import prove_export

        exported, facts = rendered(project, asked.options, asked.delivery)
        return prove_export(project, exported, facts, context=asked.context, timeout=asked.timeout, report=report)
    if asked.stdout:
        return export_text(project, asked.options, asked.delivery, report)
    return export_k8s(project, asked.options, asked.delivery, report)
