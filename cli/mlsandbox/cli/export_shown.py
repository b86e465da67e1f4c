"""What is called with the words of `sandbox export`, and how its result is shown."""

from __future__ import annotations

from pathlib import Path

from mlsandbox.actions.export_run import Asked, export
from mlsandbox.actions.export_stack import ExportOptions
from mlsandbox.actions.export_written import KUSTOMIZE, OVERLAY, PLAIN, Delivery, ExportResult
from mlsandbox.actions.prove_result import ProveResult
from mlsandbox.cli.export_contradictions import refuse_contradictions
from mlsandbox.cli.export_words import Words
from mlsandbox.cli.interrupts import too_late
from mlsandbox.cli.session import Session
from mlsandbox.errors import Exit
from mlsandbox.project import Project
from mlsandbox.views.export import export_text
from mlsandbox.views.prove import prove_text


def exported(session: Session, options: ExportOptions, words: Words) -> Exit:
    """Do what the words say."""
    project = session.project()
    refuse_contradictions(options, words, session.options.form, dry_run=session.options.dry_run)
    delivery = Delivery(
        folder=_folder(project, words),
        said="" if words.folder is None else str(words.folder),
        form=words.form or (PLAIN if words.stdout else KUSTOMIZE),
        overlay=words.overlay or OVERLAY,
        check=words.check,
        dry_run=session.options.dry_run,
        registry=words.registry,
        measured=words.measured,
    )
    asked = Asked(words.what, options, delivery, words.stdout, words.prove, words.context, session.options.timeout)
    return _shown(session, export(project, asked, session.report))


def _shown(session: Session, result: ExportResult | ProveResult | str) -> Exit:
    too_late()
    session.close()
    output = session.output
    if isinstance(result, str):
        output.line(result.rstrip("\n"))
        return Exit.OK
    if isinstance(result, ProveResult):
        output.result("Proof", result, prove_text(result, output.out))
        return Exit.OK if result.proven else Exit.BAD_FINDING
    output.result("Export", result, export_text(result, output.out, quiet=output.quiet))
    return Exit.BAD_FINDING if result.check and result.differs else Exit.OK


def _folder(project: Project, words: Words) -> Path:
    """Where to: a path is meant from the current folder, the usual one lies in the project."""
    return project.root / words.what if words.folder is None else words.folder.absolute()
